import math

import pytest

from dashboard.hardware.used import _energy

MEASURED, ESTIMATED, UNKNOWN = (700.0, "measured"), (300.0, "estimated"), (math.nan, "unavailable")


@pytest.mark.parametrize(
    ("joules", "told"),
    [
        ([], "no run ended"),
        ([UNKNOWN], "unavailable"),
        ([MEASURED], "700 J"),
        ([MEASURED, ESTIMATED], "≈ 1 kJ"),
        ([MEASURED, UNKNOWN], "700 J (1 run unknown)"),
        ([(5.0, "")], "≈ 5 J"),
    ],
)
def test_energy_says_what_is_estimated_and_what_is_unknown(joules, told: str):
    assert _energy(joules) == told
