"""A walk over all sources: level by level, both ways, bounded; a level costs a source one ask."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from services.errors import MlopsError
from services.lineage.models import (
    KINDS,
    Broken,
    Carries,
    Direction,
    Link,
    Mark,
    More,
    Node,
    Ref,
    Thread,
)
from services.lineage.source import Found, Projects, Source, sees
from services.lineage.sources import data

DIRECTIONS: tuple[Direction, ...] = ("up", "down")
_SURE: tuple[Carries, ...] = ("all",)
_MAYBE: tuple[Carries, ...] = ("all", "some")
_PLACE = {kind: number for number, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a walk goes."""

    depth: int = 24
    """Steps each way: one round from data to retraining is ten."""
    fan: int = 12
    """Of what came of one thing."""
    nodes: int = 160


LIMITS = Limits()
_NODES_AT_MOST = 20_000


def widened(limits: Limits, depth: int | None, fan: int | None) -> Limits:
    """Return limits with what was asked for; so many more things are walked as the fan is wider."""
    wide = fan or limits.fan
    nodes = min(_NODES_AT_MOST, max(limits.nodes, limits.nodes * wide // limits.fan))
    return Limits(depth or limits.depth, wide, nodes)


def walk(
    start: Ref,
    sources: Sequence[Source],
    marks: Mapping[Ref, Mark],
    projects: Projects = None,
    directions: Sequence[Direction] = DIRECTIONS,
    limits: Limits = LIMITS,
) -> Thread:
    """Return what a thing came from, and what came of it.

    Args:
        start: The thing; the caller has seen that it may be seen.
        sources: One a kind of edge.
        marks: What is marked as bad.
        projects: Those the asker sees: what is of others is left out, with all behind it.
        directions: ``up`` and ``down``.
        limits: How far to go.
    """
    going = _Walk(sources, marks, projects, limits)
    going.describe([start])
    for direction in directions:
        going.go(start, direction)
    return going.thread(start)


class _Walk:
    def __init__(
        self,
        sources: Sequence[Source],
        marks: Mapping[Ref, Mark],
        projects: Projects,
        limits: Limits,
    ) -> None:
        self._sources = sources
        self._marks = marks
        self._projects = projects
        self._limits = limits
        self._nodes: dict[Ref, Node] = {}
        self._links: dict[Link, None] = {}
        self._hidden: set[Ref] = set()
        self._found = Found()

    def go(self, start: Ref, direction: Direction) -> None:
        """Walk one way until nothing is left, or a limit is met."""
        level, walked = [start], {start}
        for _ in range(self._limits.depth):
            asked = [one for one in level if self._nodes[one].state != "gone" or one == start]
            if not asked:
                return
            links = self._step(asked, direction)
            ends = dict.fromkeys(one.before if direction == "up" else one.after for one in links)
            self.describe([one for one in ends if one not in self._nodes])
            self._links |= dict.fromkeys(
                one for one in links if one.before in self._nodes and one.after in self._nodes
            )
            level = [one for one in ends if one in self._nodes and one not in walked]
            walked.update(level)
        if level:
            said = f"The thread goes on: {self._limits.depth} steps are shown."
            self._found.more.append(More(level[0], direction, None, said))

    def _step(self, level: Sequence[Ref], direction: Direction) -> list[Link]:
        fan, links = self._limits.fan, []
        for source in self._sources:
            try:
                found = source.up(level, fan) if direction == "up" else source.down(level, fan)
            except MlopsError as error:
                self._found.unknown.append(str(error))
                continue
            links += found.links
            self._found.add(found)
        return links

    def describe(self, refs: Sequence[Ref]) -> None:
        """Take in what things are, as far as they may be seen and there is room."""
        refs = [one for one in refs if one not in self._hidden]
        room = self._limits.nodes - len(self._nodes)
        if len(refs) > room:
            self._found.more.append(
                More(refs[room], "down", None,
                     f"The thread goes on: {self._limits.nodes} things are shown.")
            )  # fmt: skip
            refs = refs[: max(0, room)]
        for one, node in described(refs, self._sources).items():
            if sees(self._projects, node.project):
                self._nodes[one] = replace(node, mark=self._marks.get(one))
            else:
                self._hidden.add(one)

    def thread(self, start: Ref) -> Thread:
        """Return what was walked."""
        links = tuple(sorted(self._links, key=lambda one: (_PLACE[one.before.kind], one)))
        bad = [one for one, node in self._nodes.items() if node.mark is not None]
        under = _under(links, bad, _SURE)
        perhaps = _under(links, bad, _MAYBE)
        nodes = {one: replace(
            node, under=tuple(sorted(under.get(one, ()))),
            perhaps=tuple(sorted(perhaps.get(one, set()) - under.get(one, set()))),
        ) for one, node in self._nodes.items()}  # fmt: skip
        order = sorted(nodes.values(), key=lambda n: (_PLACE[n.ref.kind], n.at or 0.0, n.ref))
        return Thread(
            start=nodes[start],
            nodes=tuple(order),
            links=links,
            broken=tuple(dict.fromkeys([*self._found.broken, *_gone(order, links)])),
            more=tuple(dict.fromkeys(self._found.more)),
            hidden=len(self._hidden) + self._found.hidden,
            unknown=tuple(dict.fromkeys([*self._found.unknown, *_unread(order)])),
        )


def described(refs: Sequence[Ref], sources: Sequence[Source]) -> dict[Ref, Node]:
    """Return what things are, each; what no source knows, or cannot ask, is unknown."""
    said = {one: _unknown(one, "cannot be looked for here") for one in refs}
    for source in sources:
        said |= _described(source, [one for one in refs if one.kind in source.kinds])
    return said


def _described(source: Source, refs: Sequence[Ref]) -> dict[Ref, Node]:
    try:
        return source.describe(refs) if refs else {}
    except MlopsError as error:
        return {one: _unknown(one, error.message) for one in refs}


def _unknown(one: Ref, why: str) -> Node:
    return Node(one, one.key[:40], None, why, None, "unknown")


def holding(thread: Thread) -> frozenset[str]:
    """Return the marked things of which something may be in what a thread begins at.

    What was only loaded, set it off, or was asked and then labelled is none of them.
    """
    links = [one for one in thread.links if one.holds]
    bad = [one.ref for one in thread.nodes if one.mark is not None]
    return frozenset(_under(links, bad, _MAYBE).get(thread.start.ref, ()))


def _unread(nodes: Sequence[Node]) -> list[str]:
    return [f"{one.id}: {one.said}" for one in nodes if one.state == "unknown"]


def _under(
    links: Sequence[Link], bad: Sequence[Ref], carries: Collection[Carries]
) -> dict[Ref, set[str]]:
    """Return what came of bad things, and of which, over links that carry so much."""
    after: dict[Ref, list[Link]] = {}
    for link in links:
        if link.carries in carries:
            after.setdefault(link.before, []).append(link)
    found: dict[Ref, set[str]] = {}
    for one in bad:
        for other in _reached(one, after) - {one}:
            found.setdefault(other, set()).add(one.id)
    return found


def _reached(start: Ref, after: Mapping[Ref, Sequence[Link]]) -> set[Ref]:
    """Return what links lead to; those aside lead on from the start alone."""
    seen: set[Ref] = set()
    left = [start]
    while left:
        one = left.pop()
        for link in after.get(one, ()):
            if link.after not in seen and (one == start or not link.aside):
                seen.add(link.after)
                left.append(link.after)
    return seen


_LOST = {
    "workflow": "Airflow keeps runs for a time; what it made is still here.",
    "run": "It was deleted for good, or belongs to another MLflow.",
    "version": "It was deleted from the registry: take it out of service, or register it again.",
    "bundle": "Deploy the version again, which packs it.",
    "deployment": "It answered nothing here.",
    "predictions": "Predictions are kept for a time (`MLOPS_PREDICTIONS_DAYS`).",
    "verdict": "Verdicts are kept for a time.",
    "alert": "Alerts are kept for a time.",
    "retraining": "Proposals are kept for a time.",
}


def _gone(nodes: Sequence[Node], links: Sequence[Link]) -> list[Broken]:
    """Return the links that lead to what is not there."""
    found = []
    for node in nodes:
        if node.state != "gone":
            continue
        beside = [one.after for one in links if one.before == node.ref]
        beside += [one.before for one in links if one.after == node.ref]
        names = [one.id for one in beside]
        if node.ref.kind in {"data", "models"}:
            found.append(data.broken(node, names))
            continue
        by = f" {names[0]} names it." if names else ""
        said = f"{node.id}: {node.said}.{by}"
        found.append(Broken(beside[0] if beside else node.ref, node.id, node.project, said,
                            _LOST[node.ref.kind]))  # fmt: skip
    return found
