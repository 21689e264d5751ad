"""Accuracy below its bound over a real home: labels of the log, verdicts, alerts, messages."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.actions.journal import Journal
from services.alerting import channels, outbox, store
from services.alerting.models import Alert, Channel
from services.alerting.rules import drift
from services.controller import alerts
from services.controller.alerts import AlertWatch, Sources
from services.controller.monitoring import LatestVerdicts
from services.home import Home
from services.mirror import schema
from services.mirror.queries import Mirror
from services.monitoring import checking
from services.monitoring.checking import Asked
from services.objectives import store as objectives
from services.objectives.accuracies import Accuracies
from services.objectives.counting import Counter
from services.objectives.models import Objective
from services.platform import room
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback
from services.serving import store as deployments
from services.serving.models import Rollout, Target
from services.settings import Settings
from tests.services.monitoring.test_checking import served
from tests.services.monitoring.test_computing import TrackingServer
from tests.services.predictions.records import record

PROMISED, DRIFTED = "accuracy/p.m", "drift/p/m/accuracy"
BOUND = Objective("accuracy", 3.5, 7, metric="mae")


@dataclass
class Lab:
    """What a test works with; the clock of alerts goes on as it says."""

    home: Home
    journal: Journal
    sources: Sources
    ahead_s: float = 0.0
    watch: AlertWatch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = AlertWatch(
            self.home, self.journal, self.sources.rules(serves=True),
            clock=lambda: time.time() + self.ahead_s,
        )  # fmt: skip

    def answers(self, version: int) -> None:
        """Have a version be live."""
        one = Rollout(Target(version), action_id=version)
        deployments.put_rollout(self.journal, "p", "m", one)
        deployments.finish_rollout(self.journal, "p.m", version, live=True, said="")
        served(self.home, ("p", "m", version))

    def predicted(self, version: int, off: float, rows: int = 100) -> None:
        """Have it have answered in the last hour, off by so much on average, and labels come."""
        log = PredictionLog.open(self.home, "test", reserve_bytes=1 << 16)
        for n in range(rows):
            one = record(time.time() - 3000 + n, project="p", model="m", version=version, rows=1,
                         inputs={"a": [0.1]}, outputs={"y": [0.25 + n]})  # fmt: skip
            log.append(one)
            said = 0.25 + n + off * (1.1 if n % 2 else 0.9)
            log.append_feedback(Feedback(one.id, one.at + 60, said))
        log.close()

    def checked(self) -> None:
        """Make a round of checks."""
        server = TrackingServer(None)
        checking.run(self.home, Asked(report=False), mlflow=server)  # type: ignore[arg-type]

    def look(self) -> None:
        """Let labels be counted anew, and the loop go on until what belongs together is told."""
        counted = Accuracies(self.home)
        self.sources._counter, self.sources._accuracies = Counter(self.home), counted
        for _ in range(2):  # labels of the live version, what comes of them
            self.watch.turn()
            for _, future in counted._known.values():
                future.exception(20)
        self.ahead_s += 10
        self.watch.turn()
        counted.close()

    def one(self, key: str) -> Alert:
        return store.alerts(self.journal, key=key, ended=True)[0]

    def states(self) -> dict[str, str]:
        found = store.alerts(self.journal, ended=True)
        return {one.key: one.state for one in found if one.key in (PROMISED, DRIFTED)}

    def told(self) -> list[str]:
        """Return what the channel was told, oldest first."""
        return [one.what for one in reversed(outbox.messages(self.journal))]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    home = Home.locate()
    home.create()
    monkeypatch.setattr(alerts, "RULES_INTERVAL_S", 0.0)
    monkeypatch.setattr(alerts, "_LONGEST_REST_S", 0.0)
    monkeypatch.setattr(room, "free_bytes", lambda _home: iter([(home.root, 10**12)]))
    schema.prepare(Settings().mirror_url)
    with contextlib.closing(Journal.open(Settings())) as journal:
        verdicts = LatestVerdicts(home, journal)
        made = Lab(home, journal, Sources(home, journal, Mirror.open(Settings()), verdicts))
        objectives.put(journal, "p", "", BOUND)
        channels.put(journal, Channel("ops", "json"))
        made.answers(3)
        yield made


def test_the_objective_first_then_the_check_is_one_message(lab: Lab):
    lab.predicted(3, off=4.0)
    lab.look()
    assert lab.states() == {PROMISED: "firing"}
    assert lab.one(PROMISED).severity == "critical"
    assert lab.told() == ["firing"]
    lab.checked()
    lab.look()
    assert lab.states() == {PROMISED: "firing", DRIFTED: "inhibited"}
    assert lab.one(DRIFTED).inhibited_by == PROMISED
    assert "beyond the bound of 3.5" in lab.one(DRIFTED).said
    assert lab.told() == ["firing"]


def test_the_check_first_then_the_objective_is_one_message(lab: Lab):
    lab.predicted(3, off=4.0)
    lab.checked()
    asleep = threading.Event()
    lab.sources._counter = Counter(lab.home)
    lab.sources._accuracies = Accuracies(lab.home, read=lambda *_: asleep.wait(20) and None)  # type: ignore[arg-type]
    lab.watch.turn()  # labels are being counted still
    lab.ahead_s += 10
    lab.watch.turn()
    assert lab.states() == {DRIFTED: "firing"}
    asleep.set()
    lab.look()
    assert lab.states() == {PROMISED: "inhibited", DRIFTED: "firing"}
    assert lab.told() == ["firing"]


def test_it_ends_with_the_version_that_keeps_to_it_and_says_how_it_stands_until_then(lab: Lab):
    lab.predicted(3, off=4.0)
    lab.checked()
    lab.look()
    lab.answers(4)
    lab.look()
    assert lab.states() == {PROMISED: "unknown", DRIFTED: "unknown"}
    drifted, promised = lab.one(DRIFTED), lab.one(PROMISED)
    assert drifted.unknown_because.startswith("Version 4 answers since ")
    assert " UTC and was not checked yet; its first check is due by " in drifted.unknown_because
    assert promised.unknown_because == (
        "Version 4 answers now. How right the answers were is not known: 0 of 0 predictions have "
        "a label."
    )
    lab.predicted(4, off=3.0, rows=40)
    lab.look()
    assert lab.states() == {PROMISED: "resolved", DRIFTED: "unknown"}
    assert lab.one(PROMISED).resolution.startswith(
        "Version 4 answers now. It is within its bound of 3.5. Mean absolute error 3 ("
    ), "the days of version 3 are in its window still"
    lab.checked()
    lab.look()
    assert lab.states() == {PROMISED: "resolved", DRIFTED: "resolved"}
    lab.ahead_s += 400
    lab.watch.turn()
    assert lab.told() == ["firing", "resolved"]


def test_a_version_that_is_as_bad_fires_again(lab: Lab):
    lab.predicted(3, off=4.0)
    lab.look()
    lab.answers(4)
    lab.look()
    assert lab.states() == {PROMISED: "unknown"}
    lab.predicted(4, off=4.5)
    lab.look()
    assert lab.states() == {PROMISED: "firing"}
    assert lab.told() == ["firing"], "people know it"


def test_what_is_known_of_it_is_told_anew_when_it_is_another_thing(lab: Lab):
    lab.predicted(3, off=4.0)
    lab.checked()
    lab.look()
    lab.answers(4)
    lab.look()
    lab.checked()  # nobody asked it yet
    lab.look()
    one = lab.one(DRIFTED)
    assert one.state == "unknown"
    assert "How right the answers were is not known" in one.unknown_because
    said = [note.said for note in store.notes(lab.journal, one.id) if note.what == "unknown"]
    assert [line[:16] for line in said] == ["Version 4 answer", "How right the an"]
    before = store.notes(lab.journal, one.id)
    for _ in range(3):
        lab.look()
    assert store.notes(lab.journal, one.id) == before, "and once"


def test_a_check_that_is_late_or_failed_is_told_as_such(lab: Lab):
    lab.predicted(3, off=4.0)
    lab.checked()
    lab.look()
    lab.answers(4)
    lab.ahead_s += 2 * 3600
    lab.look()
    assert "though a check was due by" in lab.one(DRIFTED).unknown_because


def test_only_accuracy_has_a_twin():
    said = Verdict("data")
    (event,) = drift.events([said])
    assert (event.explains, drift.TWIN in event.labels) == ((), False)
    (event,) = drift.events([Verdict("accuracy")])
    assert event.explains == ("accuracy-of:p.m",)
    assert event.labels[drift.TWIN] == "p.m"


@dataclass(frozen=True)
class Verdict:
    """A verdict that drifted."""

    kind: str
    id: str = "v"
    project: str = "p"
    model: str = "m"
    version: int = 3
    computed_at: float = 1.0
    severity: str = "high"
    state: str = "drifted"
    said: str = "It did."
    report: str | None = None
    columns: tuple[()] = ()
