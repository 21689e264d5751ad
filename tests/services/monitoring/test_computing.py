"""Checks of a prediction log: incremental, with the right baseline, kept, honest about faults."""

import errno
import time

import numpy as np
import orjson
import pytest

from services.engines.evidently.models import Question, Report
from services.engines.mlflow.models import ArtifactEntry, Version
from services.errors import EngineUnreachableError, PlatformError
from services.home import Home
from services.monitoring import folder, reference, windows
from services.monitoring.computing import Checked, Monitor
from services.monitoring.models import Settings, Verdict
from services.monitoring.reference import Baseline
from services.monitoring.store import VerdictStore
from tests.services.monitoring.predicted import HOUR_S, asked

NOW = float(int(time.time() // HOUR_S) * HOUR_S)
"""Near now: the log takes labels for predictions of the last day alone."""


class TrackingServer:
    """MLflow, as far as evaluation data goes."""

    def __init__(self, content: bytes | Exception | None) -> None:
        self.content, self.asked = content, 0

    def version_of(self, workspace: str, model: str, version: int) -> Version:
        return Version(model, version, "run-1", 0, "READY", "", "", {})

    def artifacts(self, workspace: str, run_id: str, path: str) -> tuple[ArtifactEntry, ...]:
        if isinstance(self.content, Exception):
            raise self.content
        there = () if self.content is None else (f"{path}/reference.json",)
        return tuple(ArtifactEntry(one, False, None) for one in there)

    def artifact(self, workspace: str, run_id: str, path: str) -> bytes:
        self.asked += 1
        assert (workspace, run_id, path) == ("p", "run-1", "reference/reference.json")
        assert isinstance(self.content, bytes)
        return self.content


def evaluated(rows: int = 600, right: float = 0.95) -> bytes:
    rng = np.random.default_rng(8)
    values = rng.normal(size=(rows, 4))
    label = (values[:, 0] > 0).astype(int)
    truth = np.where(rng.random(rows) < right, label, 1 - label)
    return orjson.dumps({
        "v": 1, "rows": rows, "data_revision": "0123456789abcdef",
        "inputs": {name: values[:, n].tolist() for n, name in enumerate("abcd")},
        "outputs": {"label": label.tolist(), "confidence": rng.random(rows).tolist()},
        "labels": truth.tolist(),
    })  # fmt: skip


def by_kind(checked: Checked) -> dict[str, Verdict]:
    return {one.kind: one for one in checked.verdicts}


@pytest.fixture
def store(home: Home):
    made = VerdictStore(home)
    yield made
    made.close()


def monitor(home: Home, store: VerdictStore, mlflow: object = None, evidently: object = None):
    return Monitor(home, store, mlflow, evidently)  # type: ignore[arg-type]


def test_a_shift_is_found_beside_the_evaluation_data_and_the_accuracy_with_it(home, store):
    server = TrackingServer(evaluated())
    checks = monitor(home, store, server)
    asked(home, NOW - 2 * HOUR_S, 800, right=0.95)
    calm = by_kind(checks.check("p", "m", 3, now=NOW - HOUR_S))
    assert {kind: one.state for kind, one in calm.items()} == dict.fromkeys(
        ("data", "prediction", "quality", "accuracy"), "steady"
    )
    assert calm["data"].baseline == "the evaluation data of version 3 (data revision 01234567)"
    asked(home, NOW - HOUR_S, 2000, shift=0.5, seed=1, right=0.6)
    found = by_kind(checks.check("p", "m", 3, now=NOW))
    assert found["data"].state == "drifted"
    assert found["data"].named("drifted") == ("input.a",)
    assert found["data"].severity == "high"
    assert found["accuracy"].state == "drifted"
    assert "was 0.9" in found["accuracy"].said
    assert server.asked == 1  # evaluation data never changes
    assert store.verdict(found["data"].id) == found["data"]
    assert store.begun("p", "m", "data") == pytest.approx(NOW - HOUR_S, abs=5)


def test_without_evaluation_data_the_first_predictions_are_the_baseline_once_there_are_enough(
    home, store
):
    checks = monitor(home, store, TrackingServer(None))
    asked(home, NOW - 3 * HOUR_S, 1500)
    early = by_kind(checks.check("p", "m", 3, now=NOW - 2 * HOUR_S))
    assert early["data"].state == "unknown"
    assert "its first 2,000 rows are still coming in" in early["data"].said
    asked(home, NOW - 2 * HOUR_S, 1500, seed=1)
    asked(home, NOW - HOUR_S, 2000, shift=0.5, seed=2)
    found = by_kind(checks.check("p", "m", 3, now=NOW))
    assert found["data"].state == "drifted"
    assert found["data"].baseline.startswith("the first 2,000 rows that version 3 was asked")
    assert found["data"].rows == 3000  # the 2,000 of the baseline are no part of the window


def test_mlflow_away_means_unknown_and_no_other_baseline(home, store):
    away = EngineUnreachableError("MLflow does not answer.")
    asked(home, NOW - 2 * HOUR_S, 2500)
    checked = monitor(home, store, TrackingServer(away)).check("p", "m", 3, now=NOW)
    assert checked.fault is away
    assert by_kind(checked)["data"].state == "unknown"
    assert not folder.reference(home, "p", "m", "first-3").exists()


def test_what_came_while_nothing_could_be_compared_is_looked_at_later(home, store):
    server = TrackingServer(EngineUnreachableError("MLflow does not answer."))
    checks = monitor(home, store, server)
    asked(home, NOW - 2 * HOUR_S, 3000, shift=1.0)
    checks.check("p", "m", 3, now=NOW - HOUR_S)
    server.content = evaluated()
    asked(home, NOW - HOUR_S, 2500, seed=1)
    found = by_kind(checks.check("p", "m", 3, now=NOW))["data"]
    assert (found.state, found.rows) == ("drifted", 5500)
    checks.check("p", "m", 3, now=NOW + HOUR_S)
    assert store.history("p", "m", "data")[-1].state == "steady"


@pytest.mark.parametrize("content", [b"", b"[]", b'{"rows": "x"}', b'{"rows": 2, "inputs": 1}'])
def test_evaluation_data_that_cannot_be_read_is_a_sentence(home, store, content):
    asked(home, NOW - HOUR_S, 50)
    checked = monitor(home, store, TrackingServer(content)).check("p", "m", 3, now=NOW)
    assert checked.fault is not None
    assert "cannot be read" in str(checked.fault)


def test_a_chosen_window_and_the_same_hours_of_earlier_weeks_are_baselines(home, store):
    week = 7 * 24 * HOUR_S
    asked(home, NOW - week - HOUR_S, 1000)
    asked(home, NOW - 2 * week - HOUR_S, 1000, seed=1)
    asked(home, NOW - HOUR_S, 2000, shift=0.5, seed=2)
    checks = monitor(home, store)
    for baseline, said in (
        (Baseline("season"), "the same hours of the 2 weeks before"),
        (Baseline("window", NOW - week - HOUR_S, NOW - week), "the predictions from "),
    ):
        found = by_kind(checks.check("p", "m", 3, baseline=baseline, now=NOW))["data"]
        assert found.baseline.startswith(said)
        assert found.state == "drifted"
    none = checks.check("p", "m", 3, baseline=Baseline("window", 1.0, 2.0), now=NOW)
    assert by_kind(none)["data"].state == "unknown"
    assert Baseline.from_json(Baseline("season", weeks=2).as_json()) == Baseline("season", weeks=2)


def test_an_hour_of_many_predictions_is_read_and_no_more(home, store):
    asked(home, NOW - 2 * HOUR_S, 3000)
    asked(home, NOW - HOUR_S, 2500, seed=1)
    window = windows.read(home, "p", "m", 3, NOW, last=NOW - HOUR_S)
    assert (len(window.table), window.fresh) == (2500, 2500)
    assert window.since == pytest.approx(NOW - HOUR_S)


def test_few_new_predictions_are_looked_at_with_older_ones(home, store):
    asked(home, NOW - 30 * HOUR_S, 3000, span_s=20 * HOUR_S)
    asked(home, NOW - HOUR_S, 100, seed=1)
    window = windows.read(home, "p", "m", 3, NOW, last=NOW - HOUR_S)
    assert (len(window.table), window.fresh) == (2000, 100)


def test_clocks_that_jump_change_nothing(home, store):
    checks = monitor(home, store, TrackingServer(evaluated()))
    asked(home, NOW - HOUR_S, 500)
    asked(home, NOW + 40 * 24 * HOUR_S, 500, shift=3.0, seed=1)  # a clock that was wrong
    ahead = by_kind(checks.check("p", "m", 3, now=NOW + HOUR_S))
    back = by_kind(checks.check("p", "m", 3, now=NOW))
    assert ahead["data"].state == back["data"].state == "steady"
    assert store.latest("p", "m")[0].id == back["data"].id  # the last one that was written


def test_hashed_values_are_compared_with_hashed_ones(home, store):
    def few(inputs):
        return {"city": ["Kiel" if inputs["a"][0] < 0 else "Ulm"]}

    def other(inputs):
        return {"city": ["Kiel" if inputs["a"][0] < 1 else "Bonn"]}

    checks = monitor(home, store, TrackingServer(evaluated()))
    asked(home, NOW - 3 * HOUR_S, 2100, privacy="hash", change=few)
    asked(home, NOW - HOUR_S, 2000, privacy="hash", change=other, seed=1)
    found = by_kind(checks.check("p", "m", 3, now=NOW))["data"]
    assert found.baseline.startswith("the first 2,000 rows")
    assert found.named("drifted") == ("input.city",)


def test_no_columns_kept_is_unknown(home, store):
    asked(home, NOW - HOUR_S, 500, privacy="off")
    checked = monitor(home, store, TrackingServer(evaluated())).check("p", "m", 3, now=NOW)
    assert by_kind(checked)["data"].state == "unknown"


def test_what_training_says_is_no_data_is_not_compared(home, store):
    content = orjson.dumps({**orjson.loads(evaluated()), "ignored": ["d", "seed", "vector"]})
    rng = np.random.default_rng(2)

    def other(inputs):
        del inputs["d"]
        return {**inputs, "seed": [int(rng.integers(9**9))], "vector": [rng.random(3).tolist()]}

    asked(home, NOW - HOUR_S, 2000, change=other, seed=1)
    for server in (TrackingServer(content), TrackingServer(b"")):  # the second: what was kept
        found = by_kind(monitor(home, store, server).check("p", "m", 3, now=NOW))
        assert [one.name for one in found["data"].columns] == ["input.a", "input.b", "input.c"]
        assert (found["quality"].state, found["data"].state) == ("steady", "steady")


class Reporter:
    """Evidently, that fails or writes nothing."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.asked = error, list[Question]()

    def report(self, asked: Question) -> Report:
        self.asked.append(asked)
        assert asked.labels is None or all(path and path.exists() for path in asked.labels)
        asked.json.write_text("{}")
        if self.error:
            raise self.error
        return Report("0.7.23", ())


def test_a_report_is_written_once_a_day_and_when_a_verdict_changes(home, store):
    reporter = Reporter()
    checks = monitor(home, store, TrackingServer(evaluated()), reporter)
    for hour in (3, 2, 1):
        asked(home, NOW - (hour + 1) * HOUR_S, 900, seed=hour)
        checks.check("p", "m", 3, now=NOW - hour * HOUR_S)
    assert len(reporter.asked) == 1
    asked(home, NOW - HOUR_S, 2000, shift=1.0, seed=9)
    checked = checks.check("p", "m", 3, now=NOW)
    assert len(reporter.asked) == 2
    first = checked.verdicts[0]
    assert first.report == str(reporter.asked[1].html.relative_to(folder.base(home)))
    assert {"a", "b", "c", "d", "output.label"} <= set(reporter.asked[1].columns)


def test_the_report_shows_answers_beside_labels_of_the_time_that_is_judged(home, store):
    reporter = Reporter()
    checks = monitor(home, store, TrackingServer(evaluated()), reporter)
    asked(home, NOW - 3 * 86_400, 300, right=0.9)
    asked(home, NOW - HOUR_S, 500, seed=1)
    checks.check("p", "m", 3, now=NOW, report=True)
    checks.check("p", "m", 4, now=NOW, report=True)
    (one,) = reporter.asked
    assert (one.task, one.notes) == ("classification", ())
    assert one.labels is not None  # from three days before: the last day has none


def test_the_report_is_held_to_the_threshold_that_somebody_set(home, store):
    reporter = Reporter()
    asked(home, NOW - HOUR_S, 500)
    for settings in (None, Settings(threshold=0.35)):
        checks = Monitor(home, store, TrackingServer(evaluated()), reporter, settings)  # type: ignore[arg-type]
        checks.check("p", "m", 3, now=NOW, report=True)
    assert [one.threshold for one in reporter.asked] == [0.1, 0.35]


def test_what_nobody_asked_anew_gets_no_report_again(home, store):
    reporter = Reporter(EngineUnreachableError("Evidently did not answer within 300 s."))
    checks = monitor(home, store, TrackingServer(evaluated()), reporter)
    asked(home, NOW - HOUR_S, 900)
    checks.check("p", "m", 3, now=NOW)
    checks.check("p", "m", 3, now=NOW + HOUR_S)
    assert len(reporter.asked) == 2  # there is none yet
    reporter.error = None
    checks.check("p", "m", 3, now=NOW + 2 * HOUR_S)
    checks.check("p", "m", 3, now=NOW + 30 * HOUR_S)
    assert len(reporter.asked) == 3
    asked(home, NOW + 30 * HOUR_S, 10)
    checks.check("p", "m", 3, now=NOW + 31 * HOUR_S)
    assert len(reporter.asked) == 4


def test_a_canary_that_is_otherwise_makes_no_change_of_the_live_version(home, store):
    reporter = Reporter()
    checks = monitor(home, store, TrackingServer(evaluated()), reporter)
    for hour in (3, 2, 1):
        begin = NOW - (hour + 1) * HOUR_S
        asked(home, begin, 900, seed=hour)
        asked(home, begin, 2000, shift=1.0, seed=hour + 9, version=4)
        for version in (3, 4):
            checks.check("p", "m", version, now=NOW - hour * HOUR_S)
    assert len(reporter.asked) == 2
    newest = store.latest("p", "m", by_version=True)
    states = {one.version: one.state for one in newest if one.kind == "data"}
    assert states == {3: "steady", 4: "drifted"}
    assert store.begun("p", "m", "data", 3) is None
    assert store.begun("p", "m", "data", 4) == pytest.approx(NOW - 4 * HOUR_S, abs=5)


def test_a_report_that_fails_leaves_the_verdict(home, store):
    reporter = Reporter(EngineUnreachableError("Evidently did not answer within 300 s."))
    asked(home, NOW - HOUR_S, 2000, shift=1.0)
    checked = monitor(home, store, TrackingServer(evaluated()), reporter).check(
        "p", "m", 3, now=NOW
    )
    assert checked.fault is reporter.error
    assert by_kind(checked)["data"].state == "drifted"
    assert checked.verdicts[0].report is None
    assert not list((folder.base(home) / "reports").rglob("*.*"))
    assert store.verdict(checked.verdicts[0].id).state == "drifted"


def test_a_full_disk_is_a_sentence_and_leaves_nothing_half(home, store, monkeypatch):
    asked(home, NOW - HOUR_S, 500)
    checks = monitor(home, store, TrackingServer(evaluated()))
    checks.check("p", "m", 3, now=NOW)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("services.monitoring.store.os.fsync", full)
        with pytest.raises(PlatformError, match="No space left"):
            checks.check("p", "m", 3, now=NOW + 60)
    assert len(store.history("p", "m", "data")) == 1
    assert all(p.suffix == ".gz" for p in (folder.base(home) / "verdicts").rglob("*.*"))
    checks.check("p", "m", 3, now=NOW + 120)
    assert len(store.history("p", "m", "data")) == 2


def test_old_verdicts_and_reports_are_forgotten(home, store):
    reporter = Reporter()
    checks = monitor(home, store, TrackingServer(evaluated()), reporter)
    asked(home, NOW - HOUR_S, 500)
    checks.check("p", "m", 3, now=NOW)
    checks.forget(NOW + 31 * 24 * HOUR_S)
    assert [one.report for one in store.history("p", "m", "data")] == [None]
    checks.forget(NOW + 366 * 24 * HOUR_S)
    assert store.history("p", "m", "data") == ()


def test_a_damaged_reference_is_fetched_again(home, store):
    server = TrackingServer(evaluated())
    asked(home, NOW - HOUR_S, 100)
    checks = monitor(home, store, server)
    checks.check("p", "m", 3, now=NOW)
    path = folder.reference(home, "p", "m", "version-3")
    path.write_bytes(path.read_bytes()[:100])
    checks.check("p", "m", 3, now=NOW + 60)
    assert server.asked == 2
    assert reference.evaluation(home, None, "p", "m", 3) is not None
