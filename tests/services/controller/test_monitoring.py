"""Rounds of checks come each hour where no workflow makes them; what they said becomes alerts."""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.actions.journal import Journal
from services.alerting import store as alerts_store
from services.controller import alerts
from services.controller.alerts import WORKFLOW, AlertWatch, Sources
from services.controller.monitoring import LatestVerdicts, MonitoringWatch
from services.errors import NotFoundError
from services.home import Home
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.monitoring import baselines, folder, record, told
from services.monitoring.baselines import Chosen
from services.monitoring.models import Baseline, ColumnVerdict, Verdict
from services.monitoring.record import Looked, Record
from services.monitoring.store import VerdictStore
from services.platform import room
from services.serving import routes, store
from services.serving.models import Rollout, Target
from services.serving.routes import Route, Routes
from services.settings import Settings
from tests.services.monitoring.predicted import HOUR_S, asked

NOW = 1_780_000_000.0


def live(journal: Journal, version: int = 3, model: str = "m") -> None:
    store.put_rollout(journal, "p", model, Rollout(Target(version), action_id=version))
    store.finish_rollout(journal, f"p.{model}", version, live=True, said="")


@dataclass
class Known:
    """Workflows, as far as the loop asks."""

    paused: bool | None = False

    def workflow(self, dag_id: str) -> "Known":
        assert dag_id == WORKFLOW
        if self.paused is None:
            raise NotFoundError("There is none.")
        return self


@dataclass
class Bench:
    """The loop with a clock, and children that do what a test says."""

    home: Home
    journal: Journal
    workflows: Known | None = None
    now: float = NOW
    tick: float = 0.0
    code: str = "0"
    begun: list[tuple[str, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watch = MonitoringWatch(
            self.home, self.journal, self.workflows, WORKFLOW, lambda: self.now, self.start,  # type: ignore[arg-type]
            lambda: self.tick,
        )  # fmt: skip

    def passes(self, seconds: float) -> None:
        """Let time pass by both clocks."""
        self.now += seconds
        self.tick += seconds

    def start(self, _home: Home, arguments: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
        self.begun.append(tuple(arguments))
        log.parent.mkdir(exist_ok=True)
        log.write_text("Traceback\nMemoryError.\n")
        return subprocess.Popen([sys.executable, "-S", "-c", f"raise SystemExit({self.code})"])

    def after(self, seconds: float) -> int:
        """Let time pass, and return how many rounds began until then."""
        self.watch.turn()
        if self.watch._child is not None:
            self.watch._child.process.wait()
        self.passes(seconds)
        self.watch.turn()
        if self.watch._child is not None:
            self.watch._child.process.wait()
            self.watch.turn()
        return len(self.begun)


def ended(home: Home, at: float, **said: object) -> None:
    record.write(home, Record(at - 10, at, "platform.monitor", **said))  # type: ignore[arg-type]


def test_nothing_in_service_costs_nothing(home: Home, journal: Journal):
    assert Bench(home, journal).after(100_000) == 0
    store.put_rollout(journal, "p", "m", Rollout(Target(1), action_id=1))
    assert Bench(home, journal).after(100_000) == 0  # its first version is on its way


def test_without_airflow_a_round_comes_each_hour(home: Home, journal: Journal):
    live(journal)
    bench = Bench(home, journal)
    assert bench.after(59) == 0
    assert bench.after(2) == 1
    assert bench.begun[0][:2] == ("--by", "controller")
    ended(home, NOW + 70)
    assert bench.after(3590) == 1
    assert bench.after(20) == 2


def test_with_airflow_it_comes_only_where_the_workflow_made_none(home: Home, journal: Journal):
    live(journal)
    bench = Bench(home, journal, Known())
    assert bench.after(890) == 0
    ended(home, NOW + 890)  # by the workflow
    assert bench.after(3600 + 880) == 0
    assert bench.after(20) == 1
    missing = Bench(home, journal, Known(None), now=bench.now)
    assert missing.after(0) == 1


def test_a_paused_workflow_is_somebodys_decision(home: Home, journal: Journal):
    live(journal)
    assert Bench(home, journal, Known(paused=True)).after(100_000) == 0


def test_a_round_that_died_is_noted_and_tried_again(home: Home, journal: Journal):
    live(journal)
    bench = Bench(home, journal, code="-9 & 0xff")
    assert bench.after(61) == 1
    seen = record.read(home)
    assert seen.failing
    assert seen.error == "The process of the check ended with 247: MemoryError."
    assert bench.after(500) == 1
    assert bench.after(110) == 2


def test_a_round_that_told_its_own_failure_is_not_told_again(home: Home, journal: Journal):
    live(journal)
    bench = Bench(home, journal, code="1")
    record.failed(home, NOW + 61, "controller", "The disk is full.")
    bench.passes(700)
    record.failed(home, bench.now + 1, "controller", "The disk is full.")
    bench.passes(601)
    bench.watch.turn()
    record.failed(home, bench.now + 1, "controller", "The disk is full.")
    assert bench.watch._child is not None
    bench.watch._child.process.wait()
    bench.watch.turn()
    assert record.read(home).error == "The disk is full."


def test_one_that_hangs_is_ended_and_one_of_a_later_clock_is_made_anew(
    home: Home, journal: Journal
):
    live(journal)
    bench = Bench(home, journal, code="__import__('time').sleep(60)")
    bench.watch.turn()
    bench.passes(61)
    bench.watch.turn()
    bench.passes(61)
    bench.watch.turn()
    child = bench.watch._child
    assert child is not None
    assert child.process.poll() is None
    bench.passes(told.LONGEST_S + 1000)
    bench.watch.turn()
    assert child.process.wait(10) == -9
    bench.watch.turn()
    assert "ended with -9" in record.read(home).error
    ended(home, NOW + 1e6)  # the clock was set back since
    assert Bench(home, journal).after(0) == 1


# Alerts


def verdict(
    version: int, state: str, at: float, *columns: ColumnVerdict, model: str = "m"
) -> Verdict:
    return Verdict(
        f"{at:.0f}-{model}-{version}", "p", model, version, "data", at, "the evaluation data",
        at - 3600, at, 2000, columns, 0.25, "high" if state == "drifted" else "none", state,  # type: ignore[arg-type]
        f"The inputs are {state}.",
    )  # fmt: skip


MOVED = ColumnVerdict(
    "input.a", "input", "numeric", "drifted", 0.52, 0.1, "Wasserstein", 0.00001, 600, 2000, 0.62,
    None, None, "a moved: 0.52 standard deviations up, p < 0.0001 (2,000 values beside 600).",
)  # fmt: skip


@pytest.fixture
def watch(home: Home, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> AlertWatch:
    Store(schema.prepare(Settings().mirror_url)[0])
    monkeypatch.setattr(alerts, "RULES_INTERVAL_S", 0.0)
    monkeypatch.setattr(alerts, "_LONGEST_REST_S", 0.0)
    monkeypatch.setattr(room, "free_bytes", lambda _home: iter([(home.root, 10**12)]))
    latest = LatestVerdicts(home, journal)
    sources = Sources(home, journal, Mirror.open(Settings()), latest)
    return AlertWatch(home, journal, sources.rules(serves=True))


def seen(journal: Journal) -> dict[str, str]:
    return {one.key: one.state for one in alerts_store.alerts(journal, ended=True)}


def test_a_verdict_becomes_an_alert_that_names_the_columns_and_ends_on_evidence(
    home: Home, journal: Journal, watch: AlertWatch
):
    live(journal)
    verdicts, now = VerdictStore(home), time.time()
    verdicts.record([verdict(3, "drifted", now - 5, MOVED)])
    verdicts.record([verdict(2, "drifted", now - 5, MOVED)])  # answers no more
    watch.turn()
    (one,) = alerts_store.alerts(journal)
    assert (one.key, one.state, one.severity) == ("drift/p/m/data", "firing", "critical")
    assert one.said == "Version 3: The inputs are drifted."
    assert one.cause == "The column a is drifted, with 62 % of the model's answer."
    assert one.evidence == (f"{MOVED.said} 62 % of the model's answer goes with it.",)
    verdicts.record([verdict(3, "too few", now - 4)])
    watch.turn()
    assert seen(journal) == {"drift/p/m/data": "unknown"}
    verdicts.record([verdict(3, "steady", now - 3)])
    watch.turn()
    assert seen(journal) == {"drift/p/m/data": "resolved"}
    verdicts.close()


def test_what_left_service_is_over(home: Home, journal: Journal, watch: AlertWatch):
    live(journal)
    live(journal, 1, "other")
    verdicts, now = VerdictStore(home), time.time()
    verdicts.record([verdict(3, "drifted", now - 5, MOVED)])
    failed = Looked("p", "m", 3, now - 5, error="The log cannot be read.")
    record.write(home, Record(now - 9, now - 5, "controller", looked={failed.key: failed}))
    watch.turn()
    assert seen(journal) == {"drift/p/m/data": "firing", "monitoring/p/m": "firing"}
    store.remove(journal, "p.m", said="", action_id=1, actor="mira")
    watch.turn()
    assert seen(journal) == {"drift/p/m/data": "resolved", "monitoring/p/m": "resolved"}
    verdicts.close()


def test_an_index_that_is_lost_is_read_anew(home: Home, journal: Journal):
    live(journal)
    latest, now = LatestVerdicts(home, journal), time.time()
    assert latest() == ()
    verdicts = VerdictStore(home)
    first = verdict(3, "drifted", now - 5, MOVED)
    verdicts.record([first])
    assert latest() == (first,)
    assert latest()[0] is latest()[0]  # read once
    verdicts.close()
    for file in folder.base(home).glob("verdicts.db*"):
        file.unlink()
    assert latest() == (first,)
    canary = Rollout(Target(4), "canary", 0.1, action_id=9)
    store.put_rollout(journal, "p", "m", canary)
    verdicts = VerdictStore(home)
    second = verdict(4, "steady", now)
    verdicts.record([second])
    assert {one.version for one in latest()} == {3, 4}
    verdicts.close()


@pytest.mark.slow
def test_from_shifted_predictions_to_the_alert_and_back(
    home: Home, journal: Journal, watch: AlertWatch
):
    live(journal)
    routes.write(home, Routes(1, {"p.m": Route("p.m", "p", "m", 3, {3: 1.0}, {})}))
    baselines.put(journal, "p", "m", Chosen(Baseline("first"), "mira", 1.0))
    asked(home, time.time() - 3 * HOUR_S, 2100)
    asked(home, time.time() - HOUR_S, 2000, shift=1.0, seed=1, span_s=HOUR_S - 60)
    shift = [-120.0]
    rounds = MonitoringWatch(
        home, journal, None, WORKFLOW, lambda: time.time() + shift[0],
        ticks=lambda: time.monotonic() + shift[0],
    )  # fmt: skip
    rounds.turn()

    def round_ends() -> None:
        shift[0] += 4000.0
        rounds.turn()
        assert rounds._child is not None
        assert rounds._child.process.wait(60) == 0, rounds._child.log.read_text()
        rounds.turn()
        watch.turn()

    round_ends()
    (one, *_) = [each for each in alerts_store.alerts(journal) if each.key == "drift/p/m/data"]
    assert (one.state, one.severity) == ("firing", "critical")
    assert one.cause.startswith("The column a is drifted, with ")
    assert one.evidence[0].startswith("a moved: ")
    assert one.link.startswith("/monitoring?deployment=p.m&verdict=")
    seen_of = record.read(home)
    assert (seen_of.by, list(seen_of.looked)) == ("controller", ["p.m:3"])
    # The input is as it was again: that is evidence.
    record.write(home, Record(looked=seen_of.looked))  # as if an hour had passed
    time.sleep(0.01)
    begin = time.time()
    asked(home, begin, 4000, seed=2, span_s=0.5)
    time.sleep(max(0.0, begin + 0.6 - time.time()))
    round_ends()
    assert seen(journal)["drift/p/m/data"] == "resolved"
