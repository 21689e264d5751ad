"""Data that hold files of earlier data: what was wrong in the first may be in the second.

A revision says all its content, so one more file makes another revision. Only later revisions came
of earlier ones. A walk compares a few; ``all_after`` compares all.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from services.data.models import Held, Version
from services.errors import MlopsError
from services.lineage.models import Carries, Direction, Kind, Link, More, Node, Ref
from services.lineage.source import Found, of_kind
from services.lineage.sources.data import Revisions

_COMPARED = 48
"""Pairs that one step of a walk compares: each is a list of files to read when it is new."""
_UPWARDS = 4
"""Upwards one part in so many is shown of what would be downwards: the drawing stays short."""
Compare = Callable[[Version, Version], Held]


@dataclass(slots=True)
class Holding:
    """Revisions and how many files each shares with another."""

    found: dict[str, Held] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


class Files:
    """What revisions of data hold of each other."""

    def __init__(self, versions: Callable[[], Revisions], compare: Compare) -> None:
        self._versions = versions
        self._compare = compare

    @property
    def unread(self) -> tuple[str, ...]:
        """Return which repositories cannot be read: what is in them is compared with nothing."""
        return self._versions().unread

    @cached_property
    def _aged(self) -> dict[str, Version]:
        """Revisions of data, the oldest first."""
        known = self._versions().known
        first = [min(versions, key=lambda one: one.at) for (kind, _), versions in known.items()
                 if kind == "data"]  # fmt: skip
        first.reverse()  # versions come with the newest first, also those of one second
        return {one.revision: one for one in sorted(first, key=lambda one: one.at)}

    def all_after(self, revision: str, among: Collection[str]) -> Holding:
        """Return which of some later revisions hold files of one, all of them.

        Raises:
            PlatformError: The data repositories cannot be listed.
        """
        holding = Holding()
        for later in self.later(revision):
            if later in among:
                self.compare(revision, later, later, holding)
        return holding

    def later(self, revision: str) -> list[str]:
        """Return the revisions after one, the next first."""
        names = list(self._aged)
        return names[names.index(revision) + 1 :] if revision in self._aged else []

    def earlier(self, revision: str) -> list[str]:
        """Return the revisions before one, the last first."""
        names = list(self._aged)
        return names[: names.index(revision)][::-1] if revision in self._aged else []

    def compare(self, bad: str, by: str, told: str, holding: Holding) -> None:
        """Count how many files of one another holds, and note it under the name of either."""
        try:
            held = self._compare(self._aged[bad], self._aged[by])
        except MlopsError as error:
            holding.unknown.append(
                f"Whether the data {by[:12]} hold files of {bad[:12]} cannot be told: "
                f"{error.message}"
            )
            return
        if held.files:
            holding.found[told] = held


class FilesSource:
    """Edges between revisions of data. One walk long: it remembers what it came to by files."""

    kinds: frozenset[Kind] = frozenset()

    def __init__(self, files: Files, first: Callable[[], Iterable[str]]) -> None:
        """Take what compares, and the revisions that are never left out: marked, or live."""
        self._files = files
        self._first = first
        self._reached: set[tuple[Direction, Ref]] = set()

    def up(self, refs: Sequence[Ref], most: int) -> Found:
        """Return the earlier data whose files are in data."""
        found = Found()
        for one in self._asked(refs, "up"):
            found.unknown += self._files.unread
            before = self._files.earlier(one.key)
            self._links(one, before, max(1, most // _UPWARDS), "up", found)
        return found

    def down(self, refs: Sequence[Ref], most: int) -> Found:
        """Return the later data that hold files of data."""
        found = Found()
        for one in self._asked(refs, "down"):
            found.unknown += self._files.unread
            self._links(one, self._files.later(one.key), most, "down", found)
        return found

    def _asked(self, refs: Sequence[Ref], way: Direction) -> list[Ref]:
        """Return those not reached by files: what has files of a third has a link of its own."""
        return [one for one in of_kind(refs, "data") if (way, one) not in self._reached]

    def _links(
        self, one: Ref, others: Sequence[str], most: int, way: Direction, found: Found
    ) -> None:
        wanted = set(self._first())
        order = sorted(others, key=lambda other: other not in wanted)
        holding = Holding()
        for tried, other in enumerate(order):
            full = len(holding.found) >= most or tried >= _COMPARED
            if full and other not in wanted:
                left = len(others) - tried
                said = f"{left:,} {'earlier' if way == 'up' else 'later'} revisions of data are not"
                found.more.append(More(one, way, left, f"{said} compared with {one.key[:12]}."))
                break
            bad, by = (other, one.key) if way == "up" else (one.key, other)
            self._files.compare(bad, by, other, holding)
        for other, held in holding.found.items():
            end = Ref("data", other)
            self._reached.add((way, end))
            before, after = (end, one) if way == "up" else (one, end)
            carries: Carries = "all" if held.all else "some"
            found.links.append(Link(before, after, verb(held), carries))
        found.unknown += holding.unknown

    def describe(self, refs: Sequence[Ref]) -> dict[Ref, Node]:
        """Return nothing: revisions are described by what knows them."""
        del refs
        return {}


def verb(held: Held) -> str:
    """Return how a revision leads to one that holds files of it."""
    if held.all:
        return "has every file in"
    files = "file" if held.of == 1 else "files"
    return f"has {held.files:,} of {held.of:,} {files} in"
