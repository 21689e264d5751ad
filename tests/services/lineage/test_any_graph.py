"""A walk over any graph: all that can be reached, nothing else, and always an end."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as some

from dashboard.lineage.drawing import shown
from services.lineage.models import KINDS, Kind, Link, Mark, Node, Ref
from services.lineage.source import Found
from services.lineage.walking import Limits, walk

THINGS = tuple(Ref("run", f"{n:04x}") for n in range(9))
GRAPHS = some.frozensets(
    some.tuples(some.sampled_from(THINGS), some.sampled_from(THINGS)), max_size=24
)
ENDLESS = Limits(depth=40, fan=99, nodes=99)


class Any:
    """A source with any links."""

    kinds: frozenset[Kind] = frozenset(KINDS)

    def __init__(self, pairs: frozenset[tuple[Ref, Ref]], mine: Sequence[Ref] = THINGS) -> None:
        self._links = [Link(a, b, "made") for a, b in sorted(pairs)]
        self._mine = mine

    def up(self, refs: Sequence[Ref], most: int) -> Found:
        return Found([one for one in self._links if one.after in refs][:most])

    def down(self, refs: Sequence[Ref], most: int) -> Found:
        return Found([one for one in self._links if one.before in refs][:most])

    def describe(self, refs: Sequence[Ref]) -> dict[Ref, Node]:
        return {
            one: Node(one, one.key, "mine" if one in self._mine else "other", "there")
            for one in refs
        }


def reached(start: Ref, pairs: frozenset[tuple[Ref, Ref]], among: Sequence[Ref]) -> set[Ref]:
    found, left = {start}, [start]
    while left:
        one = left.pop()
        more = {b for a, b in pairs if a == one and b in among} - found
        found |= more
        left += more
    return found


@given(GRAPHS)
def test_what_can_be_reached_is_found_and_nothing_else(pairs: frozenset[tuple[Ref, Ref]]):
    start = THINGS[0]
    down = {one.ref for one in walk(start, [Any(pairs)], {}, None, ("down",), ENDLESS).nodes}
    assert down == reached(start, pairs, THINGS)
    up = {one.ref for one in walk(start, [Any(pairs)], {}, None, ("up",), ENDLESS).nodes}
    assert up == reached(start, frozenset((b, a) for a, b in pairs), THINGS)


@given(GRAPHS, some.frozensets(some.sampled_from(THINGS[1:])))
def test_nothing_of_another_project_is_shown_nor_what_is_behind_it(
    pairs: frozenset[tuple[Ref, Ref]], mine: frozenset[Ref]
):
    seen = (THINGS[0], *mine)
    thread = walk(THINGS[0], [Any(pairs, seen)], {}, ("mine",), ("down",), ENDLESS)
    assert {one.ref for one in thread.nodes} == reached(THINGS[0], pairs, seen)
    assert {end for one in thread.links for end in (one.before, one.after)} <= set(seen)


@given(GRAPHS, some.integers(1, 9))
def test_a_walk_never_shows_more_than_it_may_and_says_so(
    pairs: frozenset[tuple[Ref, Ref]], most: int
):
    thread = walk(THINGS[0], [Any(pairs)], {}, None, ("down",), Limits(40, 99, most))
    assert len(thread.nodes) <= most
    assert bool(thread.more) == (len(reached(THINGS[0], pairs, THINGS)) > most)


@given(GRAPHS, some.sampled_from(THINGS))
def test_exactly_what_came_of_a_bad_thing_says_so(pairs: frozenset[tuple[Ref, Ref]], bad: Ref):
    marks = {bad: Mark(bad, None, "bad", "ana", 0.0, None)}
    thread = walk(THINGS[0], [Any(pairs)], marks, None, ("down",), ENDLESS)
    there = {one.ref for one in thread.nodes}
    spoilt = reached(bad, pairs, THINGS) - {bad} if bad in there else set()
    assert {one.ref for one in thread.nodes if one.under} == spoilt & there


@given(GRAPHS)
def test_the_drawing_leaves_out_no_thing_that_a_line_led_to(pairs: frozenset[tuple[Ref, Ref]]):
    """Of links without a circle: what could be reached over lines still can."""
    onward = frozenset((a, b) for a, b in pairs if a < b)
    drawn = frozenset(
        (THINGS[int(a[4:], 16)], THINGS[int(b[4:], 16)])
        for a, b in shown([Link(a, b, "made") for a, b in onward])
    )
    for one in THINGS:
        assert reached(one, drawn, THINGS) == reached(one, onward, THINGS)
