"""Setting what deployments promise, and taking it back."""

import time

import pytest

from services.actions import catalog
from services.actions.action import Context, Deed
from services.actions.executor import Executor
from services.actions.objectives import RemoveObjective, SetObjective
from services.actions.roles import Actor
from services.errors import DeniedError, InputError, MlopsError, NotFoundError
from services.home import Home
from services.objectives import store
from services.objectives.models import Objective
from services.serving import store as deployments
from services.serving.models import Rollout, Target
from tests.services.actions.carried_out import done
from tests.services.predictions.records import record, written

OPERATOR = Actor("os:ivo", "operator", None, "os")
SLOW = SetObjective("p", "latency", 0.95, "m", 7, 250.0)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    made = Home.locate()
    made.create()
    return made


def live(context: Context, model: str = "m") -> None:
    deployments.put_rollout(context.journal, "p", model, Rollout(Target(1), action_id=1))
    deployments.finish_rollout(context.journal, f"p.{model}", 1, live=True, said="")


def test_an_operator_sets_and_takes_back(executor: Executor, context: Context):
    assert done(executor, OPERATOR, SLOW).state == "done"
    found = store.one(context.journal, "p", "m", "latency")
    assert found is not None
    assert found == Objective(
        "latency", 0.95, 7, 250.0, "accuracy", "model", "os:ivo", found.set_at
    )
    assert time.time() - found.set_at < 60
    assert SLOW.title == "Have p/m promise 95 % of answers within 250 ms, over 7 days"
    back = RemoveObjective("p", "latency", "m")
    assert back.consequences(context) == (
        "It was: 95 % of answers within 250 ms, over 7 days.", "Then it promises nothing of this "
        "kind.",
    )  # fmt: skip
    assert done(executor, OPERATOR, back, "k2").state == "done"
    assert store.said(context.journal) == {}
    for action in (SLOW, back, SetObjective("p", "accuracy", 2.0, metric="mae")):
        assert catalog.load(action.kind, catalog.dump(action)) == action


def test_what_counts_then_is_told(context: Context):
    store.put(context.journal, "p", "", Objective("errors", 0.95, 14))
    store.put(context.journal, "p", "m", Objective("errors", 0.9, 7))
    then = RemoveObjective("p", "errors", "m").consequences(context)[1]
    assert then == "Then it promises 95 % of requests answered, over 14 days."
    whole = RemoveObjective("p", "errors").consequences(context)[1]
    assert whole == "Then it promises 99 % of requests answered, over 30 days."


def test_how_deployments_would_stand_is_told_first(context: Context, home: Home):
    live(context)
    live(context, "own")
    now = time.time()
    mine = {"project": "p", "model": "m", "inputs": None, "outputs": None}
    written(home, *(record(now - 600, status=500 if n < 3 else 200, **mine) for n in range(200)))
    store.put(context.journal, "p", "own", Objective("errors", 0.9))
    said = SetObjective("p", "errors", 0.99).consequences(context)
    assert said[0] == "p: 99 % of requests answered, over 30 days."
    assert said[1].startswith("Now p.m is missed: 98.5 % of 200 requests")
    assert not [one for one in said if "p.own" in one], "it has an objective of its own"
    assert said[-1].startswith("An alert comes when its budget burns")
    slow = SLOW.consequences(context)
    assert "came within 250 ms" in slow[1]
    accuracy = SetObjective("p", "accuracy", 0.9).consequences(context)
    assert len(accuracy) == 2


def test_both_can_be_undone(context: Context):
    before = Objective("latency", 0.9, 30, 100.0, source="model", set_by="ana", set_at=5.0)
    store.put(context.journal, "p", "m", before)
    for action in (SLOW, RemoveObjective("p", "latency", "m")):
        (step,) = action.steps(context, Deed(1, OPERATOR))
        step.do()
        assert store.one(context.journal, "p", "m", "latency") != before
        assert step.undo is not None
        step.undo()
        assert store.one(context.journal, "p", "m", "latency") == before
    store.remove(context.journal, "p", "m", "latency")
    (step,) = SLOW.steps(context, Deed(2, OPERATOR))
    step.do()
    assert step.undo is not None
    step.undo()
    assert store.one(context.journal, "p", "m", "latency") is None


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (SetObjective("p", "errors", 1.0), InputError),
        (SetObjective("p", "latency", 0.95), InputError),
        (SetObjective("p", "speed", 0.9), InputError),  # type: ignore[arg-type]
        (SetObjective("nope", "errors", 0.99), NotFoundError),
        (SetObjective("p", "errors", 0.99, "nope"), NotFoundError),
        (RemoveObjective("p", "errors"), NotFoundError),
        (RemoveObjective("p", "speed"), InputError),  # type: ignore[arg-type]
    ],
)
def test_what_means_nothing_or_is_not_there_is_refused(
    executor: Executor, action: SetObjective, error: type[MlopsError]
):
    with pytest.raises(error):
        executor.submit(OPERATOR, action, "k")


def test_a_viewer_and_an_operator_of_another_project_are_denied(executor: Executor):
    for who in (Actor("os:v", "viewer", None, "os"), Actor("os:o", "operator", ("q",), "os")):
        with pytest.raises(DeniedError):
            executor.submit(who, SLOW, "k")
