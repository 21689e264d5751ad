"""What Evidently found, as it is kept beside its report and read for pages and the terminal."""

from dataclasses import replace

import pytest

from services.engines.evidently.models import Question, Report, Score
from services.errors import PlatformError
from services.home import Home
from services.monitoring import evidently_figures, folder
from services.monitoring.computing import Monitor
from services.monitoring.evidently_figures import Column
from services.monitoring.store import VerdictStore
from tests.services.monitoring.predicted import HOUR_S, asked
from tests.services.monitoring.test_computing import NOW, TrackingServer, evaluated

SCORES = (
    Score("b", "wasserstein", 0.05, 0.1),
    Score("c", "wasserstein", 0.4, 0.1),
    Score("a", "wasserstein", 0.9, 0.1),
    Score("d", "", None, None, "Evidently failed on it: no."),
    Score("output.label", "jensenshannon", 0.1, 0.1),
)


class Reporter:
    """Evidently, as far as its answer goes."""

    def __init__(self, scores: tuple[Score, ...] = SCORES) -> None:
        self.scores = scores

    def report(self, asked: Question) -> Report:
        asked.html.write_text("<html>")
        return Report("0.7.23", self.scores, {"Accuracy": 0.875}, ("A list is not whole.",))


@pytest.fixture
def store(home: Home):
    made = VerdictStore(home)
    yield made
    made.close()


@pytest.fixture
def checked(home: Home, store: VerdictStore):
    asked(home, NOW - HOUR_S, 500, shift=1.0)
    server = TrackingServer(evaluated())
    return Monitor(home, store, server, Reporter()).check("p", "m", 3, now=NOW, report=True)  # type: ignore[arg-type]


def test_each_column_has_its_score_and_the_name_of_our_verdict(home, checked):
    data = checked.verdicts[0]
    found = evidently_figures.read(home, data.id, data.report)
    assert found is not None
    assert (found.at, found.engine, found.quality) == (NOW, "0.7.23", {"Accuracy": 0.875})
    assert found.said[-1] == "A list is not whole."
    assert found.columns == (
        Column("d", "input.d", "", None, None, None, 600, 500, "Evidently failed on it: no."),
        Column("a", "input.a", "wasserstein", 0.9, 0.1, True, 600, 500),
        Column("c", "input.c", "wasserstein", 0.4, 0.1, True, 600, 500),
        Column("output.label", "output.label", "jensenshannon", 0.1, 0.1, True, 600, 500),
        Column("b", "input.b", "wasserstein", 0.05, 0.1, False, 600, 500),
    )
    assert evidently_figures.summary(found) == (
        "Evidently calls 3 of 4 columns drifted, and could not compare 1 of 5."
    )
    assert evidently_figures.quality(found) == "Answers beside labels: Accuracy 0.875."
    ours = evidently_figures.ours(checked.verdicts)
    assert {one.own for one in found.columns} <= ours.keys()
    assert ours["input.a"].state == "drifted"


def test_a_report_without_figures_is_told_apart_from_one_that_is_damaged(home, checked):
    data = checked.verdicts[0]
    path = (folder.base(home) / data.report).with_suffix(".columns.json")
    for damaged in (b"{", b"[]", b'{"at": 1, "columns": [{}]}'):
        path.write_bytes(damaged)
        with pytest.raises(PlatformError, match="cannot be read") as error:
            evidently_figures.read(home, data.id, data.report)
        assert "the next check with a report writes both anew" in error.value.hint
    path.unlink()
    assert evidently_figures.read(home, data.id, data.report) is None


def test_nothing_outside_the_reports_is_read(home, checked):
    with pytest.raises(PlatformError, match="outside the reports' folder"):
        evidently_figures.read(home, checked.verdicts[0].id, "../journal.html")


def test_they_go_with_their_report(home, store, checked):
    assert [one.suffixes for one in _kept(home)] == [[".columns", ".json"], [".html"]]
    store.prune_reports(NOW + 1)
    assert _kept(home) == []


def test_without_room_for_them_there_is_no_report_and_the_verdict_stands(home, store, monkeypatch):
    asked(home, NOW - HOUR_S, 500)
    full = OSError(28, "No space left on device")

    def write(path, _):
        raise folder.not_written(path, full)

    monkeypatch.setattr(folder, "write", write)
    server = TrackingServer(None)
    server.content = evaluated()
    checks = Monitor(home, store, server, Reporter())  # type: ignore[arg-type]
    done = checks.check("p", "m", 3, now=NOW, report=True)
    assert done.report is None
    assert "No space left" in str(done.fault)
    assert _kept(home) == []
    assert store.verdict(done.verdicts[0].id).report is None


def test_of_no_labels_nothing_is_said(home, checked):
    data = checked.verdicts[0]
    found = evidently_figures.read(home, data.id, data.report)
    calm = replace(found, quality={}, columns=found.columns[-1:])
    assert evidently_figures.quality(calm) == ""
    assert evidently_figures.summary(calm) == "Evidently calls 0 of 1 columns drifted."


def _kept(home: Home):
    return sorted((folder.base(home) / "reports").rglob("*.*"))
