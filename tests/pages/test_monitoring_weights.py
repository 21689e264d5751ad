"""The parts of a deployment's page say the same of the same columns."""

import re

from tests.monitoring_seed import LORA, MOVED
from tests.pages.conftest import Open
from tests.pages.monitoring_shown import Laid, drawn, laid, opened

__all__ = ["laid"]


def test_drivers_and_causes_have_the_same_shares(laid: Laid, open_page: Open):
    laid()
    bars = re.findall(r"≈ (\d+ %)</div>", drawn(opened(open_page, LORA)))
    assert len(bars) == len(MOVED)
    app = opened(open_page, LORA, part="Causes")
    told = [re.match(r"About (\d+ %) of what moved", one.value) for one in app.caption]
    assert [one[1] for one in told if one] == bars
