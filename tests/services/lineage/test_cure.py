"""What answers a bad version is not bad: a mark goes on to what was made from it alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.actions.journal import Journal
from services.home import Home
from services.lineage import marked
from services.lineage.models import KINDS, Carries, Kind, Link, Mark, Node, Ref
from services.lineage.monitored import monitored
from services.lineage.source import Found
from services.lineage.walking import Limits, walk
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.retraining import store as retraining
from tests import lineage_seed as seed
from tests.lineage_seed import LORA, NEXT, OTHER_DATA, RETRAIN
from tests.services.lineage.conftest import Asker
from tests.services.retraining.things import evidence, proposal

V1, V2 = (Ref("version", f"{LORA}/{LORA}:{number}") for number in (1, 2))
THINGS = tuple(Ref("data" if n % 3 == 0 else "run", f"{n:04x}") for n in range(9))
ENDLESS = Limits(depth=40, fan=99, nodes=99)
LINKS = some.dictionaries(
    some.tuples(some.sampled_from(THINGS), some.sampled_from(THINGS)),
    some.sampled_from(("all", "some", "none")),
    max_size=24,
)
Ties = dict[tuple[Ref, Ref], Carries]


class Tied:
    """A source whose links carry more or less."""

    kinds: frozenset[Kind] = frozenset(KINDS)

    def __init__(self, ties: Ties) -> None:
        self._links = [Link(a, b, "led to", ties[a, b]) for a, b in sorted(ties)]

    def up(self, refs: list[Ref], most: int) -> Found:
        return Found([one for one in self._links if one.after in refs][:most])

    def down(self, refs: list[Ref], most: int) -> Found:
        return Found([one for one in self._links if one.before in refs][:most])

    def describe(self, refs: list[Ref]) -> dict[Ref, Node]:
        return {one: Node(one, one.key, None, "there") for one in refs}


def spread(bad: Ref, ties: Ties, strong: tuple[Carries, ...]) -> set[Ref]:
    """Return what is reached, told the slow way: link by link until nothing is new."""
    found: set[Ref] = {b for (a, b), carries in ties.items() if a == bad and carries in strong}
    onward = {
        (a, b) for (a, b), carries in ties.items()
        if carries in strong and not (a.kind == b.kind == "data")
    }  # fmt: skip
    while more := {b for a, b in onward if a in found} - found:
        found |= more
    return found - {bad}


@given(LINKS, some.sampled_from(THINGS))
def test_a_mark_goes_on_over_what_carries_it_and_nothing_else(ties: Ties, bad: Ref):
    marks = {bad: Mark(bad, None, "bad", "ana", 0.0, None)}
    thread = walk(bad, [Tied(ties)], marks, None, ("down",), ENDLESS)
    sure = spread(bad, ties, ("all",))
    assert {one.ref for one in thread.nodes if one.under} == sure
    perhaps = spread(bad, ties, ("all", "some")) - sure
    assert {one.ref for one in thread.nodes if one.perhaps} == perhaps


def other_data(mirror: Mirror) -> None:
    """Let the retraining read other data than what it answers."""
    task = f"{RETRAIN}/two/train/1"
    run = seed.tracked(NEXT, 20, data_revision=OTHER_DATA, task=task)
    Store(mirror.engine).write_runs(LORA, [run])


@pytest.mark.parametrize("start", ["verdict:v-1", "version", "next"])
def test_the_version_that_a_retraining_made_did_not_come_from_the_bad_one(
    ask: Asker, journal: Journal, mirror: Mirror, start: str
):
    other_data(mirror)
    marked.put(journal, Mark(V1, LORA, "it drifted", "ana", 1.0, None))
    begin = {"version": V1, "next": V2}.get(start, Ref("verdict", "v-1"))
    nodes = {one.ref: one for one in ask().thread(begin).nodes}
    assert nodes[V1].mark is not None
    assert nodes[Ref("predictions", V1.key)].under == (V1.id,)
    assert nodes[Ref("alert", "a-1")].under == (V1.id,)
    for cure in (Ref("retraining", "r-1"), Ref("workflow", f"{RETRAIN}/two"), Ref("run", NEXT), V2):
        assert (nodes[cure].under, nodes[cure].perhaps) == ((), ()), cure
    assert [one.ref for one in ask().radius(V1).versions] == [V1]


def test_a_retraining_without_an_alert_leads_back_to_the_version_that_it_replaces(ask: Asker):
    asked = Ref("retraining", "r-2")
    assert (V2, asked) in {(one.before, one.after) for one in ask().thread(asked).links}
    assert (V2, asked) in {(one.before, one.after) for one in ask().thread(V2, ("down",)).links}
    answered = ask().thread(Ref("retraining", "r-1"), ("up",))
    assert (V1, Ref("retraining", "r-1")) not in {(o.before, o.after) for o in answered.links}


def test_what_is_kept_of_retrainings_without_an_alert(ask: Asker, journal: Journal, home: Home):
    asked = evidence(None)
    kept = retraining.put(
        journal, proposal(project=LORA, model=LORA, alert_id=None, evidence=(asked,), version=2)
    )
    here = ask(watched=monitored(journal, home))
    one = Ref("retraining", str(kept.id))
    assert (V2, one) in {(o.before, o.after) for o in here.thread(V2, ("down",)).links}
    assert (V2, one) in {(o.before, o.after) for o in here.thread(one, ("up",)).links}
    assert one not in {o.after for o in here.thread(V1, ("down",)).links}
