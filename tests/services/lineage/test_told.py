"""What leaves as OpenLineage events, store by store: all of one thread, each thing once."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.actions.journal import Journal
from services.alerting import deciding
from services.alerting import store as alerts
from services.alerting.models import Policy
from services.alerting.rules import drift
from services.engines.mlflow.models import Model
from services.errors import PlatformError
from services.home import Home
from services.lineage.models import Ref, numbered
from services.lineage.monitored import Monitored, monitored
from services.lineage.openlineage import Event, made_uuid
from services.lineage.sending import send_new
from services.lineage.told import everything, retrainings, runs, serving, verdicts, workflows
from services.lineage.told.points import Point, Store
from services.mirror.queries import Mirror
from services.mirror.store import Store as MirrorStore
from services.mirror.workflow_store import WorkflowStore
from services.monitoring.models import ColumnVerdict, State, Verdict, VerdictState
from services.monitoring.store import VerdictStore
from services.retraining import store as retraining
from services.retraining.models import Happened, Proposal
from services.serving import store as served
from tests import lineage_seed as seed
from tests.lineage_seed import CLIP, DATA, LORA, NEXT, RETRAIN, RUN, TRAIN
from tests.openlineage_rules import check
from tests.services.lineage.test_openlineage import named
from tests.services.mirror.workflow_things import at
from tests.services.retraining.things import evidence, proposal

M = f"{LORA}.{LORA}"
MODEL = f"{LORA}/{LORA}"


class Told:
    """One store, told bit by bit."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.point: Point = {}

    def new(self) -> list[Event]:
        found: list[Event] = []
        for point, some in self.store.new(self.point):
            self.point = point
            found += some
        for event in found:
            check(event)
        return found

    def short(self) -> list[tuple[str, str]]:
        return [(one["job"]["name"], one.get("eventType", "")) for one in self.new()]


def column(name: str, state: State) -> ColumnVerdict:
    return ColumnVerdict(name, "input", "number", state, None, None, "", None, 20, 20, None, None,
                         None, "")  # fmt: skip


def verdict(name: str, state: VerdictState, *columns: ColumnVerdict) -> Verdict:
    when = seed.NOW - 3600
    return Verdict(name, LORA, LORA, 1, "data", when, "evaluation", when - 60, when, 20, columns,
                   None, "high", state, "Said.")  # fmt: skip


@pytest.fixture
def kept(home: Home) -> Iterator[VerdictStore]:
    made = VerdictStore(home)
    columns = (column("a", "steady"), column("b", "drifted"), column("c", "too few"))
    made.record([verdict("v-1", "drifted", *columns)])
    yield made
    made.close()


@pytest.fixture
def watched(journal: Journal, kept: VerdictStore) -> Monitored:
    return Monitored(journal, lambda: kept)


@pytest.fixture
def alert(journal: Journal, kept: VerdictStore) -> int:
    one = verdict("v-1", "drifted", column("b", "drifted"))
    deciding.decide(journal, drift.events([one]), one.computed_at, Policy())
    return alerts.alerts(journal, [LORA])[0].id


def asked(journal: Journal, alert: int | None = None, **said: Any) -> Proposal:
    given: dict[str, Any] = {
        "project": LORA, "model": LORA, "version": 1, "alert_id": alert,
        "evidence": (evidence(alert),), "created_at": seed.NOW - 3000,
    }  # fmt: skip
    return retraining.put(journal, proposal(**{**given, **said}))


def goes_on(journal: Journal, number: int, what: str, **said: Any) -> None:
    when = seed.NOW - 2000
    retraining.change(
        journal, number, lambda now: (replace(now, **said), (Happened(when, what, "Said."),))
    )


def accept(journal: Journal, number: int) -> None:
    goes_on(journal, number, "accepted", state="accepted", approved_by="ana",
            decided_at=seed.NOW, workflow=(RETRAIN, "two"))  # fmt: skip


# The whole


def test_all_is_one_graph_from_data_to_the_version_that_replaces_the_first(
    home: Home, mirror: Mirror, journal: Journal, alert: int
):
    """Walks the events as a receiver does: by the names of datasets and jobs alone."""
    MirrorStore(mirror.engine).write_runs(LORA, (seed.tracked(
        NEXT, 20, data_revision=DATA, task=f"{RETRAIN}/two/train/1", base_version=f"{MODEL}:1",
    ),))  # fmt: skip
    one = asked(journal, alert)
    accept(journal, one.id)
    goes_on(journal, one.id, "promoted", state="promoted", candidate=2, ended_at=seed.NOW)
    events = [one for each in everything.stores(home, mirror, journal) for one in Told(each).new()]
    edges = [(e["job"]["name"], named(e["inputs"]), named(e["outputs"])) for e in events]
    reached, jobs = {(f"{LORA}/data", DATA)}, set()
    for _ in edges:
        for job, read, wrote in edges:
            if read & reached:
                reached |= wrote
                jobs.add(job)
    assert jobs >= {f"{TRAIN}.train", f"{M}.pack", f"{M}.serve", f"{M}.check.data",
                    f"{M}.retrain", f"{RETRAIN}.train"}  # fmt: skip
    assert reached >= {
        (MODEL, "1"), (f"{MODEL}/bundle", "1"), (f"{MODEL}/predictions", "1"),
        (f"{MODEL}/verdicts", "v-1"), (MODEL, "2"),
    }  # fmt: skip
    known = {one["run"]["runId"] for one in events if "run" in one}
    parents = {
        one["run"]["facets"]["parent"]["run"]["runId"] for one in events
        if "run" in one and "parent" in one["run"]["facets"]
    }  # fmt: skip
    assert parents - known == {workflows.workflow_uuid(TRAIN, "forgotten")}


def test_a_thread_has_the_events_that_leave(
    home: Home, mirror: Mirror, journal: Journal, kept: VerdictStore
):
    one = asked(journal)
    accept(journal, one.id)
    things = [
        Ref("workflow", f"{TRAIN}/one"), Ref("run", RUN), numbered("deployment", LORA, LORA, 1),
        Ref("verdict", "v-1"), Ref("retraining", str(one.id)), Ref("retraining", "x"),
        Ref("data", DATA), Ref("alert", "1"),
    ]  # fmt: skip
    shown = list(everything.of_things(home, mirror, journal, things))
    left = [one for each in everything.stores(home, mirror, journal) for one in Told(each).new()]
    assert all(one in left for one in shown)
    assert [one["job"]["name"] for one in shown] == [
        TRAIN, TRAIN, f"{TRAIN}.train", f"{TRAIN}.train", f"{M}.pack", f"{M}.serve",
        f"{M}.check.data", f"{M}.check.data", f"{M}.retrain",
    ]  # fmt: skip
    assert list(everything.of_things(home, mirror, journal, [])) == []


def test_where_nothing_was_checked_nothing_is_told_of_it(home: Home, journal: Journal):
    assert Told(verdicts.Verdicts(monitored(journal, home))).new() == []
    assert list(verdicts.events(monitored(journal, home), ["v-1"])) == []


# Training runs and versions


def test_a_run_is_told_when_it_begins_and_when_it_has_ended(mirror: Mirror):
    begun, ended = Told(runs.Begun(mirror)), Told(runs.Ended(mirror))
    assert (begun.new(), len(ended.new())) == ([], 12)
    run = replace(seed.tracked("e" * 32, 5), status="running", ended_ms=None)
    MirrorStore(mirror.engine).write_runs(LORA, (run,))
    assert begun.short() == [(f"{LORA}.training", "START")]
    MirrorStore(mirror.engine).write_runs(LORA, (replace(run, metrics={}),))
    assert (begun.new(), ended.new()) == ([], [])
    MirrorStore(mirror.engine).write_runs(LORA, (seed.tracked("e" * 32, 5),))
    assert begun.new() == []
    assert ended.short() == [(f"{LORA}.training", "START"), (f"{LORA}.training", "COMPLETE")]


def test_a_version_that_is_registered_after_its_run_is_told_of_that_run(mirror: Mirror):
    told, written = Told(runs.Registered(mirror)), MirrorStore(mirror.engine)
    assert {one["eventType"] for one in told.new()} == {"OTHER"}
    assert told.new() == []

    def register(*numbers: int) -> list[set[tuple[str, str]]]:
        kept = [seed.version(CLIP, n, seed.SHARED, 56 - n) for n in numbers]
        written.write_registry(CLIP, [Model(CLIP, "", 0, 0, {}, {})], kept)
        return [named(one["outputs"]) for one in told.new()]

    assert register(1, 2) == [{(f"{CLIP}/{CLIP}", "2")}]
    assert register(1, 2) == []


def test_what_a_run_was_made_from_is_read_by_it(mirror: Mirror):
    run = seed.tracked("e" * 32, 5, base_version=f"{MODEL}:1")
    run.tags["mlops.base.version.2"] = "no version"
    MirrorStore(mirror.engine).write_runs(LORA, (run,))
    assert named(next(runs.events(mirror, ["e" * 32]))["inputs"]) == {(MODEL, "1")}


def test_another_mirror_is_told_from_its_beginning(mirror: Mirror):
    for store in (runs.Begun(mirror), runs.Ended(mirror), runs.Registered(mirror)):
        told = Told(store)
        first = told.new()
        told.point = {**told.point, "born": "another"}
        assert told.new() == first


# Workflow runs


def test_a_workflow_run_is_told_when_it_begins_and_when_it_ends(mirror: Mirror, journal: Journal):
    told, written = Told(workflows.Workflows(mirror, journal)), WorkflowStore(mirror.engine)
    assert len(told.new()) == 8

    def write(state: str, **more: object) -> list[tuple[str, str]]:
        written.write_runs([(LORA, seed.dag_run(TRAIN, "new", state, **more))], {})
        return told.short()

    assert write("queued") == []
    assert write("running") == [(TRAIN, "START")]
    assert write("running") == []
    assert write("failed") == [(TRAIN, "START"), (TRAIN, "FAIL")]
    again = [(TRAIN, "START"), (TRAIN, "COMPLETE")]
    assert write("success", ended_at=at(90_000)) == again, "it was cleared, and ran again"
    assert write("success", ended_at=at(90_000)) == []


def test_more_workflow_runs_than_are_told_at_once_all_leave(mirror: Mirror, journal: Journal):
    flows = [(LORA, seed.flow(TRAIN, f"r{n}", ended_at=at(100 + n * 1800))) for n in range(130)]
    WorkflowStore(mirror.engine).write_runs(flows, {})
    whole = workflows.Workflows(mirror, journal, at(400 * 1800).timestamp)
    told = Told(whole)
    told.point, first = next(whole.new({}))
    left = told.new()
    ids = [one["run"]["runId"] for one in (*first, *left)]
    assert (len(first), len(set(ids)), len(ids)) == (200, 134, 268)
    assert len(told.point["told"]) < 60, "what is older than a day is not kept"


def test_the_retraining_that_began_it_is_its_parent(
    mirror: Mirror, journal: Journal, watched: Monitored
):
    one = asked(journal)
    accept(journal, one.id)
    (began,) = retrainings.events(watched, [one.id])
    run = next(workflows.events(mirror, journal, [(RETRAIN, "two")]))["run"]
    assert run["facets"]["parent"]["run"]["runId"] == began["run"]["runId"]
    assert run["facets"]["parent"]["job"]["name"] == began["job"]["name"] == f"{M}.retrain"
    assert (
        "parent" not in next(workflows.events(mirror, journal, [(TRAIN, "one")]))["run"]["facets"]
    )


# Deployments, verdicts, retrainings


def test_what_begins_to_answer_is_told_with_its_bundle_and_its_predictions(journal: Journal):
    told = Told(serving.Serving(journal))
    assert len(told.new()) == 6
    for kind in ("deploy", "canary", "scaled", "live", "undeployed"):
        served.record_event(journal, M, kind, "Said.", version=None if kind[0] == "u" else 2)
    pack, canary, _, live, gone = told.new()
    assert (pack["job"]["name"], canary["job"]["name"]) == (f"{M}.pack", f"{M}.canary")
    assert (named(pack["inputs"]), named(pack["outputs"])) == (
        {(MODEL, "2")}, {(f"{MODEL}/bundle", "2")}
    )  # fmt: skip
    assert live["job"]["name"] == gone["job"]["name"] == f"{M}.serve"
    assert named(live["inputs"]) == {(f"{MODEL}/bundle", "2")}
    assert named(live["outputs"]) == {(f"{MODEL}/predictions", "2")}
    assert gone["inputs"] == gone["outputs"] == []


def test_a_verdict_says_what_it_found_of_the_predictions(watched: Monitored, kept: VerdictStore):
    told = Told(verdicts.Verdicts(watched))
    start, end = told.new()
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert start["run"] == end["run"]
    (read,) = end["inputs"]
    assert named([read]) == {(f"{MODEL}/predictions", "1")}
    assert read["inputFacets"]["dataQualityAssertions"]["assertions"] == [
        {"assertion": "data is steady", "success": False},
        {"assertion": "data is steady", "success": True, "column": "a"},
        {"assertion": "data is steady", "success": False, "column": "b"},
    ]
    assert set(end["run"]["facets"]["nominalTime"]) >= {"nominalStartTime", "nominalEndTime"}
    kept.record([replace(verdict("v-2", "too few"), since=None, until=None)])
    _, few = told.new()
    assert "inputFacets" not in few["inputs"][0], "nobody can tell: neither well nor not"
    assert few["run"]["facets"] == {}


def test_a_retraining_is_told_when_it_is_accepted_and_when_it_ends(
    journal: Journal, watched: Monitored, alert: int
):
    told = Told(retrainings.Retrainings(watched))
    one = asked(journal, alert)
    assert told.new() == [], "nobody accepted it yet"
    accept(journal, one.id)
    (start,) = told.new()
    assert (start["eventType"], start["outputs"]) == ("START", [])
    assert named(start["inputs"]) == {(f"{MODEL}/verdicts", "v-1")}
    goes_on(journal, one.id, "dropped", state="dropped", candidate=2, ended_at=seed.NOW)
    (end,) = told.new()
    assert (end["eventType"], named(end["outputs"])) == ("COMPLETE", {(MODEL, "2")})
    second = asked(journal, created_at=seed.NOW)
    assert start["run"] == end["run"]
    accept(journal, second.id)
    goes_on(journal, second.id, "failed", state="failed", ended_at=seed.NOW)
    begun, failed = told.new()
    assert named(begun["inputs"]) == {(MODEL, "1")}, "no alert: the version that it replaces"
    assert (failed["eventType"], failed["outputs"]) == ("FAIL", [])
    third = asked(journal, alert, created_at=seed.NOW)
    assert third.id > second.id
    goes_on(journal, third.id, "dismissed", state="dismissed", ended_at=seed.NOW)
    assert told.new() == []


def test_a_journal_that_was_put_back_is_told_from_its_beginning(journal: Journal):
    told = Told(serving.Serving(journal))
    told.new()
    point = told.point
    for wrong in ({"line": point["line"] + 5}, {"mark": point["mark"] - 1}):
        told.point = {**point, **wrong}
        assert len(told.new()) == 6
    assert told.point == point


def test_what_one_store_said_is_noted_though_another_cannot_be_read(
    home: Home, mirror: Mirror, tmp_path: Path
):
    class Damaged:
        name = "damaged"

        def new(self, _after: Point, /) -> Iterator[tuple[Point, list[Event]]]:
            raise PlatformError("It cannot be read.", "See `mlops doctor`.")

    file, got = tmp_path / "events.jsonl", (runs.Ended(mirror), Damaged())
    with pytest.raises(PlatformError, match="cannot be read"):
        send_new(home, got, str(file))
    assert len(file.read_text().splitlines()) == 12
    assert send_new(home, got[:1], str(file)) == 0


def test_a_note_of_before_is_no_trouble(home: Home, mirror: Mirror, tmp_path: Path):
    file, told = str(tmp_path / "events.jsonl"), (runs.Ended(mirror),)
    assert send_new(home, told, file) == 12
    note = home.root / "lineage" / "sent.json"
    note.write_text('{"v": 2, "places": {"x": {"born": "1", "change": 5, "run": 6}}}')
    assert send_new(home, told, file) == 12
    assert send_new(home, told, file) == 0


def test_ids_are_of_one_kind_of_thing():
    names: Sequence[str] = [made_uuid(kind, "1") for kind in ("run", "workflow", "verdict")]
    assert len(set(names)) == 3
