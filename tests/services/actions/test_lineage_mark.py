"""Marking a thing as bad, and taking it back."""

import pytest

from services.actions.action import Context
from services.actions.executor import Executor
from services.actions.lineage_mark import MarkBad, UnmarkBad
from services.actions.roles import Actor
from services.errors import DeniedError, InputError, MlopsError, NotFoundError
from services.lineage import marked
from services.lineage.models import Mark, Ref
from tests.services.actions.carried_out import done
from tests.services.actions.conftest import RUN

THING = Ref("version", "p/m:2")
BAD = MarkBad("p", THING.id, "trained on mislabelled rows")
GOOD = UnmarkBad("p", THING.id, "labels were right")


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))


def test_an_approver_marks_and_takes_back(executor: Executor, context: Context, ana: Actor):
    record = done(executor, ana, BAD)
    assert record.state == "done"
    found = marked.mark_of(context.journal, THING)
    assert found == Mark(THING, "p", BAD.reason, "ana", found.at, record.id)
    assert any("trained on mislabelled" in one for one in GOOD.consequences(context))
    assert done(executor, ana, GOOD, "k2").state == "done"
    assert marked.mark_of(context.journal, THING) is None


def test_what_it_does_is_told_first(context: Context):
    said = BAD.consequences(context)
    assert "1 version came from it; none answers requests now." in said[0]
    assert "nothing is taken out of service" in said[1]


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_who_may_not_is_denied(executor: Executor, role: str):
    with pytest.raises(DeniedError):
        executor.submit(Actor("os:x", role, None, "os"), BAD, "k")


def test_an_approver_of_another_project_is_denied(executor: Executor):
    other = Actor("os:x", "approver", ("q",), "os")
    for action in (BAD, GOOD, MarkBad("q", THING.id, "mine")):
        with pytest.raises(MlopsError):
            executor.submit(other, action, "k")


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (MarkBad("p", THING.id, "  "), InputError),
        (MarkBad("p", THING.id, "x" * 2_001), InputError),
        (MarkBad("p", "verdict:1", "bad"), InputError),
        (MarkBad("p", "nonsense", "bad"), InputError),
        (MarkBad("p", "version:p/m", "bad"), InputError),
        (MarkBad("p", "version:p/m:9", "bad"), NotFoundError),
        (MarkBad("p", "run:0", "bad"), NotFoundError),
        (MarkBad("p", "data:0123", "bad"), NotFoundError),
        (MarkBad(None, f"run:{RUN}", "bad"), InputError),
        (GOOD, NotFoundError),
    ],
)
def test_what_cannot_be_marked_is_refused(
    executor: Executor, ana: Actor, action: MarkBad, error: type[MlopsError]
):
    with pytest.raises(error):
        executor.submit(ana, action, "k")


def test_a_second_mark_replaces_the_first_and_undo_brings_it_back(
    executor: Executor, context: Context, ana: Actor
):
    done(executor, ana, BAD)
    first = marked.mark_of(context.journal, THING)
    again = MarkBad("p", THING.id, "worse than that")
    from services.actions.action import Deed

    (step,) = again.steps(context, Deed(99, ana))
    step.do()
    assert marked.mark_of(context.journal, THING).reason == "worse than that"
    step.undo()
    assert marked.mark_of(context.journal, THING) == first
    (back,) = GOOD.steps(context, Deed(100, ana))
    back.do()
    assert marked.mark_of(context.journal, THING) is None
    back.undo()
    assert marked.mark_of(context.journal, THING) == first


def test_taking_a_first_mark_back_leaves_none(context: Context, ana: Actor):
    from services.actions.action import Deed

    (step,) = BAD.steps(context, Deed(1, ana))
    step.do()
    step.undo()
    assert marked.mark_of(context.journal, THING) is None
