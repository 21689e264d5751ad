"""What a proposal rests on: data, cost and gain from history, and what is not known."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.data.models import Status, Version
from services.engines.mlflow.models import Metric
from services.errors import NotFoundError
from services.mirror.store import Store
from services.retraining import drafting, history, wording
from services.retraining.drafting import Reason, chosen
from services.retraining.models import Range
from tests.services.mirror.conftest import tracked
from tests.services.retraining.lab import Lab
from tests.services.retraining.things import NOW, ended, evidence, policy, proposal

OLD, NEW = "aa" * 8, "bb" * 8
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)


def version(revision: str, day: int) -> Version:
    at = MONDAY.replace(day=day)
    return Version("lora", "data", revision, at, at, 1, 10, ("data/",), False, "there", None)


def folder(state: Any = "clean", paths: tuple[str, ...] = ("data/",)) -> Status:
    return Status("lora", "data", "/x", paths, state, "", NEW, 1, 10, None, 2, None, ())


def test_newer_data_is_named_beside_that_of_the_version():
    found = chosen([version(NEW, 9), version(OLD, 2)], folder(), OLD)
    assert (found.revision, found.newer) == (NEW, True)
    assert found.said == (
        f"Version {NEW} of 2026-03-09 09:00 UTC; the version in service was trained with {OLD}."
    )


def test_that_there_is_no_newer_data_is_said_plainly():
    found = chosen([version(OLD, 2)], folder(), OLD)
    assert (found.revision, found.newer) == (OLD, False)
    assert "There is no newer data" in found.said


def test_files_that_no_version_has_yet_are_used_as_they_are():
    found = chosen([version(OLD, 2)], folder("changed"), OLD)
    assert (found.revision, found.newer) == (None, True)


@pytest.mark.parametrize(
    ("versions", "seen", "before", "word"),
    [([], folder("empty"), OLD, "no version of its data yet"),
     ([], folder(paths=()), None, "declares no data"),
     ([version(NEW, 9)], folder(), None, "is not known")],
)  # fmt: skip
def test_what_cannot_be_told_is_said(
    versions: list[Version], seen: Status, before: str | None, word: str
):
    found = chosen(versions, seen, before)
    assert found.newer is None
    assert word in found.said


def write(lab: Lab, *runs: tuple[int, int, float | None, str]) -> None:
    """Write finished runs: number, seconds, joules, task."""
    made = []
    for number, seconds, joules, task in runs:
        tags = {"mlops.technique": "lora"} | ({"mlops.task": task} if task else {})
        metrics = {} if joules is None else {"system/energy_j": Metric(joules, 1, 0)}
        one = tracked(number, metrics=metrics, tags=tags)
        made.append(tracked(number, metrics=metrics, tags=tags,
                            ended_ms=(one.started_ms or 0) + seconds * 1000))  # fmt: skip
    Store(lab.context.mirror.engine).write_runs("lora", made)


def test_a_workflow_run_is_what_all_its_runs_took(lab: Lab):
    write(
        lab, (10, 60, 10.0, "lora.train/a/train/1"), (11, 120, 20.0, "lora.train/a/train/1"),
        (12, 300, 70.0, "lora.retrain/b/train/1"), (13, 900, 500.0, "lora.own/c/sweep/1"),
    )  # fmt: skip
    found = history.trainings(lab.context.mirror, "lora")
    minutes, joules, said = history.cost(found, "full")
    assert minutes == Range(4.0, 3.0, 5.0, 2)
    assert joules == Range(50.0, 30.0, 70.0, 2)
    assert said == "2 workflow runs of the project"


def test_joules_that_one_of_its_runs_lacks_are_not_known(lab: Lab):
    write(lab, (10, 60, 10.0, "lora.train/a/train/1"), (11, 60, None, "lora.train/a/train/1"))
    minutes, joules, _ = history.cost(history.trainings(lab.context.mirror, "lora"), "lora")
    assert minutes == Range(2.0, 2.0, 2.0, 1)
    assert joules is None


def test_without_workflows_runs_of_the_technique_tell_and_without_them_nothing(lab: Lab):
    found = history.trainings(lab.context.mirror, "lora")
    assert history.cost(found, "lora")[2] == "2 runs of lora"
    assert history.cost(found, "distilled") == (None, None, "no training of it is known")
    assert history.cost(found, None)[0] is None


def test_an_evaluation_is_no_training(lab: Lab):
    tags = {"mlops.technique": "lora", "mlops.role": "evaluation"}
    Store(lab.context.mirror.engine).write_runs("lora", [tracked(20, tags=tags)])
    assert len(history.trainings(lab.context.mirror, "lora")) == 2


def test_the_gain_is_that_of_all_that_came_to_a_version():
    past = [ended("promoted", NOW, 1, change=0.02), ended("promoted", NOW, 2, change=-0.01),
            ended("dropped", NOW, 3, change=-0.3), ended("promoted", NOW, 4)]  # fmt: skip
    found = history.gain(past, "acc", "max")
    assert found is not None
    assert (found.change.median, found.change.count) == (pytest.approx(-0.01), 3)
    assert history.gain(past[3:], "acc", "max") is None
    assert history.gain(past, None, "max") is None


def test_without_a_version_named_it_is_the_one_in_service(lab: Lab):
    reason = Reason("lora", "net", "feed", "ana", (evidence(None),))
    assert drafting.draft(lab.context, reason, NOW).version == 2
    with pytest.raises(NotFoundError, match="no version 99"):
        drafting.draft(lab.context, Reason(*["lora", "net", "f", "ana"], (evidence(),), 99), NOW)
    with pytest.raises(NotFoundError):
        drafting.draft(lab.context, Reason("lora", "no", "f", "ana", (evidence(),)), NOW)


def test_what_is_not_known_is_told_as_such():
    blind = proposal(minutes=None, joules=None)
    said = " ".join(wording.costs(blind))
    assert "an unknown time and unknown energy" in said
    assert "What it brings is not known" in said


@pytest.mark.parametrize(
    ("live", "serves", "strategy", "word"),
    [(None, True, "canary", "becomes champion at once"), (2, True, "canary", "answers 10 %"),
     (2, True, "shadow", "a copy of every request"), (2, False, "canary", "waits 24 h for it")],
)  # fmt: skip
def test_what_follows_is_told_before_anybody_accepts(
    live: int | None, serves: bool, strategy: Any, word: str
):
    told = wording.after(proposal(), policy(strategy=strategy), live, serves=serves)
    assert word in " ".join(told)
