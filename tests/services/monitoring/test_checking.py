"""A round of checks: what is due is compared with what was chosen for it, and noted."""

import contextlib
import fcntl
import os
import time
from pathlib import Path

import pytest

from services.actions.journal import Journal
from services.errors import EngineUnreachableError, NotFoundError, PlatformError
from services.home import Home
from services.monitoring import baselines, checking, record, windows
from services.monitoring import settings as strictness
from services.monitoring.baselines import Chosen
from services.monitoring.checking import Asked, Round
from services.monitoring.computing import Checked
from services.monitoring.models import Baseline
from services.monitoring.models import Settings as Strictness
from services.monitoring.store import VerdictStore
from services.objectives import store as objectives
from services.objectives.models import Objective
from services.predictions import monitoring as log
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback
from services.serving import routes
from services.serving.routes import Route, Routes
from services.settings import Settings
from tests.services.monitoring.predicted import HOUR_S, asked
from tests.services.monitoring.test_computing import TrackingServer, evaluated

M, OTHER = ("p", "m", 3), ("p", "other", 1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    made = Home.locate()
    made.create()
    served(made, M)
    return made


def served(home: Home, *versions: tuple[str, str, int]) -> None:
    made = [
        Route(f"{project}.{model}", project, model, version, {version: 1.0}, {})
        for project, model, version in versions
    ]
    routes.write(home, Routes(1, {one.name: one for one in made}))


ALL = Asked()


def run(home: Home, asked: Asked = ALL, server: TrackingServer | None = None) -> Round:
    known = server or TrackingServer(evaluated())
    return checking.run(home, asked, mlflow=known)  # type: ignore[arg-type]


def hour_ago() -> float:
    return time.time() - HOUR_S


def states(came: Round) -> dict[str, str]:
    (checked,) = came.checked.values()
    assert not isinstance(checked, Exception), checked
    return {one.kind: one.state for one in checked.verdicts}


def test_a_round_costs_nothing_where_nothing_came(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.monitoring.checking.Evidently", lambda: None)
    asked(home, hour_ago(), 600, span_s=HOUR_S - 10)
    came = run(home)
    assert states(came)["data"] == "steady"
    assert came.said == "1 version was checked."
    monkeypatch.setattr(windows, "read", None)  # whoever compares anything breaks
    came = run(home)
    assert (came.quiet, came.checked) == ((M,), {})
    assert came.said == "0 versions were checked, 1 had nothing new."
    seen = record.read(home).looked["p.m:3"]
    assert seen.compared_at is not None
    assert seen.at > seen.compared_at


def test_what_came_since_is_compared_and_a_day_without_anything_too(
    home: Home, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("services.monitoring.checking.Evidently", lambda: None)
    asked(home, hour_ago(), 600, span_s=HOUR_S - 10)
    run(home)
    asked(home, time.time(), 2, span_s=0.001)
    time.sleep(0.01)
    assert M in run(home).checked
    assert run(home).quiet == (M,)
    monkeypatch.setattr(checking, "_DAY_S", 0.0)
    assert M in run(home).checked


def test_a_label_alone_is_something_new(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.monitoring.checking.Evidently", lambda: None)
    first, *_ = asked(home, hour_ago(), 300, span_s=HOUR_S - 10)
    run(home)
    since = time.time()
    assert not log.came(home, *M, since)
    writes = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    writes.append_feedback(Feedback(first, since + 0.01, 1), privacy="full")
    writes.close()
    assert log.came(home, *M, since)
    assert not log.came(home, *M, since + 60)
    assert not log.came(home, *OTHER, since)
    assert M in run(home).checked


def test_each_is_compared_with_what_was_chosen_for_it(home: Home):
    asked(home, hour_ago(), 600, span_s=HOUR_S - 10, shift=1.0)
    assert states(run(home, Asked(report=False)))["data"] == "drifted"
    journal = Journal.open(Settings())
    now = time.time()
    stretch = Baseline("window", now - 2 * HOUR_S, now - HOUR_S / 2)
    baselines.put(journal, "p", "m", Chosen(stretch, "mira", now, 7))
    journal.close()
    came = run(home, Asked(report=False))  # nothing came, but it is another question
    (checked,) = came.checked.values()
    assert not isinstance(checked, Exception)
    assert checked.verdicts[0].baseline.startswith("the predictions from ")
    assert record.read(home).looked["p.m:3"].baseline == stretch.as_json()
    with_evaluation = Asked(baseline=Baseline("evaluation"), report=False)
    assert states(run(home, with_evaluation))["data"] == "drifted"


def test_one_that_fails_keeps_no_other_from_being_checked(
    home: Home, monkeypatch: pytest.MonkeyPatch
):
    served(home, M, ("p", "broken", 1), ("p", "odd", 1))
    asked(home, hour_ago(), 600, span_s=HOUR_S - 10)
    real = windows.read

    def broken(home: Home, project: str, model: str, *rest: object, **how: object):
        if model == "broken":
            raise PlatformError("The prediction log cannot be read.", "Mend it.")
        if model == "odd":
            raise ZeroDivisionError("division by zero")
        return real(home, project, model, *rest, **how)  # type: ignore[arg-type]

    monkeypatch.setattr("services.monitoring.computing.windows.read", broken)
    came = run(home, Asked(report=False))
    assert set(came.failed) == {("p", "broken", 1), ("p", "odd", 1)}
    assert came.said == "1 version was checked, 2 could not be checked."
    looked = record.read(home).looked
    assert looked["p.m:3"].error == ""
    assert (looked["p.broken:1"].error, looked["p.broken:1"].hint) == (
        "The prediction log cannot be read.", "Mend it.",
    )  # fmt: skip
    assert "A defect of this platform: ZeroDivisionError" in looked["p.odd:1"].error
    monkeypatch.undo()
    monkeypatch.setenv("MLOPS_HOME", str(home.root))
    again = run(home, Asked(report=False))
    assert set(again.checked) == {("p", "broken", 1), ("p", "odd", 1)}  # what failed is due
    assert again.failed == {}


def test_mlflow_away_is_noted_and_asked_again_the_next_time(home: Home):
    asked(home, hour_ago(), 600, span_s=HOUR_S - 10)
    server = TrackingServer(EngineUnreachableError("MLflow does not answer.", "Start it."))
    assert states(run(home, server=server))["data"] == "unknown"
    seen = record.read(home).looked["p.m:3"]
    assert (seen.error, seen.fault, seen.hint) == ("", "MLflow does not answer.", "Start it.")
    server.content = evaluated()
    assert states(run(home, Asked(report=False), server))["data"] == "steady"
    assert record.read(home).looked["p.m:3"].fault == ""


def test_a_named_one_is_checked_whether_anything_is_new_or_not(home: Home):
    served(home, M, OTHER)
    asked(home, hour_ago(), 600, span_s=HOUR_S - 10)
    run(home, Asked(report=False))
    before = record.read(home)
    came = run(home, Asked(("p.m",), report=False))
    assert set(came.checked) == {M}
    after = record.read(home)
    assert (after.began, after.looked.keys()) == (before.began, before.looked.keys())
    with pytest.raises(NotFoundError, match=r"p\.none takes no requests now"):
        run(home, Asked(("p.none",)))
    assert not record.read(home).failing  # a typing error of one person


def test_a_version_that_left_service_is_forgotten(home: Home):
    served(home, M, OTHER)
    run(home, Asked(report=False))
    served(home, OTHER)
    run(home, Asked(report=False))
    assert record.read(home).looked.keys() == {"p.other:1"}
    served(home)
    assert run(home).said == "Nothing takes requests, so there is nothing to check."


def test_other_settings_make_a_check_due(home: Home):
    served(home, M)
    asked(home, hour_ago(), 600, span_s=HOUR_S - 10)
    first = run(home, Asked(report=False))
    assert set(first.checked) == {M}
    assert run(home, Asked(report=False)).quiet == (M,)
    with contextlib.closing(Journal.open(Settings())) as journal:
        strictness.put(journal, "p", "", strictness.Said(Strictness(threshold=0.4), "ana", 1.0))
    assert set(run(home, Asked(report=False)).checked) == {M}
    assert record.read(home).looked["p.m:3"].settings["threshold"] == 0.4
    assert run(home, Asked(report=False)).quiet == (M,)


@pytest.mark.parametrize(
    ("promised", "state"),
    [
        (None, "steady"), (Objective("accuracy", 0.9), "drifted"),
        (Objective("accuracy", 0.5), "steady"),
        (Objective("accuracy", 0.9, metric="mae"), "steady"),  # it has no such figure
        (Objective("errors", 0.9999), "steady"),
    ],
)  # fmt: skip
def test_answers_are_held_against_the_accuracy_that_is_promised(
    home: Home, promised: Objective | None, state: str
):
    if promised is not None:
        journal = Journal.open(Settings())
        objectives.put(journal, "p", "", promised)
        journal.close()
    asked(home, hour_ago(), 600, span_s=HOUR_S / 2, right=0.7)
    came = run(home, Asked(report=False), TrackingServer(evaluated(right=0.7)))
    assert states(came)["accuracy"] == state
    (checked,) = came.checked.values()
    assert isinstance(checked, Checked)
    said = next(one.said for one in checked.verdicts if one.kind == "accuracy")
    assert ("beyond the bound of 0.9" in said) == (state == "drifted")


def test_two_rounds_never_go_at_once(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checking, "_PAUSE_S", 0.01)
    handle = os.open(home.run / "monitoring.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(PlatformError, match="Another check of"):
        run(home)
    said: list[str] = []

    def say(sentence: str) -> None:
        said.append(sentence)
        if len(said) == 2:
            os.close(handle)

    server = TrackingServer(evaluated())
    checking.run(home, Asked(wait_s=30.0, report=False), say, server)  # type: ignore[arg-type]
    assert said[:2] == ["It waits for another check to end"] * 2
    assert said[2] == "Predictions of version 3 of m are read and compared"


def test_a_round_that_came_late_does_nothing(home: Home):
    run(home, Asked(by="platform.monitor", report=False))
    came = run(home, Asked(unless_younger_s=60.0))
    assert (came.checked, came.quiet) == ({}, ())
    assert came.said == "A round began 0 min ago (platform.monitor)."
    assert run(home, Asked(unless_younger_s=0.0)).skipped == ""


def test_a_round_that_came_to_nothing_is_noted_and_the_next_one_ends_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
):
    run(home, Asked(report=False))
    before = record.read(home)

    def full(_home: Home) -> VerdictStore:
        raise PlatformError("The disk is full.", "Free space.")

    with monkeypatch.context() as patch:
        patch.setattr(checking, "VerdictStore", full)
        with pytest.raises(PlatformError, match="disk is full"):
            run(home, Asked(by="controller"))
    seen = record.read(home)
    assert seen.failing
    assert (seen.error, seen.hint, seen.by) == ("The disk is full.", "Free space.", "controller")
    assert (seen.began, seen.looked) == (before.began, before.looked)
    run(home, Asked(report=False))
    assert not record.read(home).failing


def test_a_record_that_cannot_be_read_is_made_anew(home: Home):
    assert record.read(home) == record.Record()
    for content in (b"", b"[]", b'{"v": 9}', b'{"v": 1, "looked": {"a": {"x": 1}}}'):
        record.path(home).parent.mkdir(exist_ok=True)
        record.path(home).write_bytes(content)
        assert record.read(home) == record.Record()
    run(home, Asked(report=False))
    assert record.read(home).ended is not None
