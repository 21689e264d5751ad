"""Evidently as it is over a real log with faults in it: it says of what it fails, and goes on."""

from collections.abc import Iterator

import pytest

from services.engines.evidently.adapter import Evidently
from services.home import Home
from services.monitoring import folder
from services.monitoring.computing import Checked, Monitor
from services.monitoring.store import VerdictStore
from tests.services.monitoring.predicted import HOUR_S, asked
from tests.services.monitoring.test_computing import NOW
from tests.services.monitoring.test_faulty_columns import ROWS, THEN, Inputs, faulty

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture
def monitor(home: Home) -> Iterator[Monitor]:
    store = VerdictStore(home)
    yield Monitor(home, store, None, Evidently())
    store.close()


def reported(home: Home, checked: Checked) -> str:
    assert checked.fault is None
    assert checked.report is not None
    assert checked.verdicts[0].report is not None
    return (folder.base(home) / checked.verdicts[0].report).read_text()


def test_faulty_columns_are_left_out_or_drawn_and_none_spoils_the_report(
    home: Home, monitor: Monitor
):
    asked(home, NOW - 2 * HOUR_S, ROWS, change=faulty(1, late=False))
    asked(home, NOW - HOUR_S, ROWS, shift=1.0, seed=3, right=0.75, change=faulty(2, late=True))
    checked = monitor.check("p", "m", 3, now=NOW, report=True, baseline=THEN)
    page = reported(home, checked)
    assert checked.report is not None
    scores = {one.name: one for one in checked.report.scores}
    assert {one.failed for one in scores.values()} == {""}
    assert {"a", "frozen", "always", "zip", "big", "whole", "numbers"} <= scores.keys()
    assert not {"gone", "null", "extra", "filled", "typed"} & scores.keys()
    zip_code = scores["zip"].value
    assert zip_code is not None
    assert zip_code > 0.1  # as if it had drifted: it did not
    assert "zoo, zip: most values are rare" in page or "zip, zoo: most values are rare" in page


def test_a_column_that_evidently_fails_on_says_so_and_the_rest_goes_on(
    home: Home, monitor: Monitor
):
    """Five rows, of which one has a text: what is measured of it has nothing to compare with."""

    def texts(inputs: Inputs) -> Inputs:
        first = inputs["a"][0] == pytest.approx(0.1257302210933933)
        return {**inputs, "text": ["a cat sat on a mat" if first else None]}

    asked(home, NOW - 2 * HOUR_S, 5, change=texts)
    asked(home, NOW - HOUR_S, 5, change=texts, right=1.0)
    checked = monitor.check("p", "m", 3, now=NOW, report=True, baseline=THEN)
    page = reported(home, checked)
    assert checked.report is not None
    failed = {one.name: one.failed for one in checked.report.scores if one.failed}
    assert list(failed) == ["text: share of words the baseline has not"]
    assert failed[next(iter(failed))].startswith("Evidently f")
    assert f"{next(iter(failed))}: Evidently f" in page
    values = {one.name: one.value for one in checked.report.scores if not one.failed}
    assert {"a", "b", "text: words", "output.label"} <= values.keys()
    assert values["text: words"] == 0.0
    assert {one.state for one in checked.verdicts} == {"too few", "unknown"}
