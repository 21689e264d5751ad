"""What must neither be lost nor told again: ends, clocks that are ahead, what is deleted."""

import pytest

from services.actions.journal import Journal
from services.engines.mlflow.models import Model
from services.lineage.monitored import Monitored
from services.lineage.told import retrainings, runs, serving, workflows
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.mirror.workflow_store import WorkflowStore
from services.serving import history
from services.serving import store as served
from tests import lineage_seed as seed
from tests.lineage_seed import CLIP, LORA, TRAIN
from tests.services.lineage.test_openlineage import named
from tests.services.lineage.test_told import MODEL, M, Told, accept, asked, goes_on
from tests.services.mirror.workflow_things import at


def test_a_retraining_that_was_stopped_has_an_end_and_one_that_never_began_has_none(
    journal: Journal,
):
    told = Told(retrainings.Retrainings(Monitored(journal, lambda: None)))
    one, other = asked(journal), asked(journal, model="other")
    accept(journal, one.id)
    (start,) = told.new()
    goes_on(journal, one.id, "stopped", stopped="Stopped by ana: too dear.")
    assert told.new() == [], "what is under way ends at the next look"
    goes_on(journal, one.id, "dismissed", state="dismissed", candidate=2, ended_at=seed.NOW)
    goes_on(journal, other.id, "dismissed", state="dismissed", ended_at=seed.NOW)
    (end,) = told.new()
    assert (end["eventType"], end["run"]) == ("ABORT", start["run"])
    assert named(end["outputs"]) == {(MODEL, "2")}, "it was made, though nobody judged it"


def test_a_clock_that_was_ahead_costs_no_workflow_run(mirror: Mirror, journal: Journal):
    now = at(3600)
    told = Told(workflows.Workflows(mirror, journal, now.timestamp))
    written = WorkflowStore(mirror.engine)
    told.new()

    def write(name: str, seconds: float) -> list[tuple[str, str]]:
        flow = seed.flow(TRAIN, name, started_at=at(seconds - 1), ended_at=at(seconds))
        written.write_runs([(LORA, flow)], {})
        return told.short()

    both = [(TRAIN, "START"), (TRAIN, "COMPLETE")]
    assert write("ahead", 90 * 86_400) == both
    assert write("after it", 3700) == both
    assert write("after it", 3700) == []
    told.point |= {"until": round(at(90 * 86_400).timestamp() * 1000)}
    assert write("noted before", 3800) == both, "a note of the future is no note"
    assert told.point["until"] <= now.timestamp() * 1000
    assert [mark for mark in told.point["told"] if mark.startswith(f"{TRAIN}/ahead@")]


def test_deployments_are_not_told_again_when_old_lines_are_deleted(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    told = Told(serving.Serving(journal))
    for kind in history.EVERYDAY:
        served.record_event(journal, M, kind, "By itself.", version=1)
    assert len(told.new()) == 6
    monkeypatch.setattr(history, "NEWEST", 0)
    assert history.prune(journal, seed.NOW + 2 * history.KEPT_S) == len(history.EVERYDAY)
    assert told.new() == []
    served.record_event(journal, M, "undeployed", "Said.")
    assert told.short() == [(f"{M}.serve", "")]


def test_a_version_is_told_once_whatever_is_deleted_or_made_again(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
):
    told, written = Told(runs.Registered(mirror)), Store(mirror.engine)
    told.new()

    def register(made: dict[int, float]) -> list[int]:
        """Let there be these versions, made so many minutes ago; return which are told of."""
        kept = [seed.version(CLIP, n, seed.SHARED, ago) for n, ago in made.items()]
        written.write_registry(CLIP, [Model(CLIP, "", 0, 0, {}, {})], kept)
        outputs = [one for event in told.new() for one in named(event["outputs"])]
        assert {name for name, _ in outputs} <= {f"{CLIP}/{CLIP}"}
        return [int(number) for _, number in outputs]

    first = {1: 55.0, 2: 50.0, 3: 45.0}
    assert register(first) == [2, 3]
    assert register({1: 55.0, 2: 50.0}) == [], "the newest was deleted"
    assert register({1: 55.0, 2: 50.0, 4: 40.0}) == [4], "its number is not given again"
    again = {1: 30.0, 2: 29.0, 3: 28.0, 4: 27.0}
    assert register(again) == [1, 2, 3, 4], "made again up to the same number"
    assert register({1: 20.0}) == [1], "made again with fewer"
    assert register({1: 10.0, 2: 9.0, 5: 8.0}) == [1, 2, 5], "made again with more"
    more = {1: 10.0, 2: 9.0, 5: 8.0, 6: 99.0}
    assert register(more) == [6], "copied from elsewhere with its old moment"
    assert register(more) == []
    monkeypatch.setattr(runs, "chunked", lambda found: ([one] for one in found))
    written.write_registry(CLIP, [Model(CLIP, "", 0, 0, {}, {})], [
        seed.version(CLIP, n, seed.SHARED, ago) for n, ago in ((1, 3.0), (2, 5.0), (3, 4.0))
    ])  # fmt: skip
    told.point, _ = next(told.store.new(told.point))  # cut off after the first
    assert register({1: 3.0, 2: 5.0, 3: 4.0}) == [3, 1], "each leaves though it was cut off"
