import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.actions.gates import evaluate, parse
from services.errors import InputError


@pytest.mark.parametrize("bad", ["", "0.9", "=> 1", "> x", ">= 1 and <= 2", "> nan"])
def test_a_malformed_gate_is_refused(bad: str):
    with pytest.raises(InputError, match="gate"):
        parse("acc", bad)


@given(value=st.floats(allow_nan=True), bound=st.floats(-100, 100).map(lambda x: round(x, 3)))
def test_gates_compare_as_python_does_and_nan_never_passes(value: float, bound: float):
    (result,) = evaluate({"m": f">= {bound}"}, {"m": value})
    assert result.passed == (math.isfinite(value) and value >= bound)


@pytest.mark.parametrize(
    ("bound", "value", "passes"),
    [
        (">= 0.9", 0.9, True),
        ("> 0.9", 0.9, False),
        ("<= 5", 5.0, True),
        ("< 5", 5.0, False),
        ("== 1", 1.0, True),
        ("== 1", 1.1, False),
        (" >=-1e-3 ", 0.0, True),
        (">= 0", math.inf, False),
        ("<= 0", -math.inf, False),
        ("<= 1", math.nan, False),
    ],
)
def test_gates_pass_on_their_bound(bound: str, value: float, passes: bool):
    (result,) = evaluate({"m": bound}, {"m": value})
    assert result.passed == passes
    assert ("passes no gate" in result.sentence) == (not math.isfinite(value))


def test_a_gate_that_is_no_text_is_refused():
    with pytest.raises(InputError, match="gate"):
        parse("acc", 0.9)  # type: ignore[arg-type]


def test_a_missing_metric_never_passes():
    (result,) = evaluate({"m": "< 1"}, {})
    assert not result.passed
    assert result.sentence == "m was not logged; the gate wants < 1."
