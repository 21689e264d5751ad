"""What every kind of edge is asked: what is before, what is after, what a thing is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from services.errors import MlopsError
from services.lineage.models import Broken, Kind, Link, More, Node, Ref

Projects = tuple[str, ...] | None
"""Those a person sees; None: all."""


@dataclass(slots=True)
class Found:
    """What one step of a walk found."""

    links: list[Link] = field(default_factory=list)
    more: list[More] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    hidden: int = 0
    unknown: list[str] = field(default_factory=list)

    def add(self, other: "Found") -> None:
        """Take in what another found."""
        self.links += other.links
        self.more += other.more
        self.broken += other.broken
        self.hidden += other.hidden
        self.unknown += other.unknown

    def guarded(self, what: str, ask: Callable[..., None], *asked: object) -> None:
        """Ask; that it could not be asked is a sentence, and the rest goes on."""
        try:
            ask(*asked)
        except MlopsError as error:
            self.unknown.append(f"{what}: {error.message}")


class Source(Protocol):
    """One kind of edge. A step asks for many things at once, so that it costs few queries."""

    kinds: frozenset[Kind]
    """What it can describe."""

    def up(self, refs: Sequence[Ref], most: int, /) -> Found:
        """Return what the things came from."""

    def down(self, refs: Sequence[Ref], most: int, /) -> Found:
        """Return what came of the things, at most so many of each."""

    def describe(self, refs: Sequence[Ref], /) -> dict[Ref, Node]:
        """Return what the things are; one that is not there has the state ``gone``."""


def of_kind(refs: Sequence[Ref], *kinds: Kind) -> list[Ref]:
    """Return those of some kinds, each once."""
    return [one for one in dict.fromkeys(refs) if one.kind in kinds]


def seconds(at: datetime | None) -> float | None:
    """Return a moment as it is kept here."""
    return None if at is None else at.timestamp()


def from_ms(at: int | None) -> float | None:
    """Return a stored moment as it is kept here."""
    return None if at is None else at / 1000


def sees(projects: Projects, project: str | None) -> bool:
    """Return whether a person sees what is of a project."""
    return projects is None or project is None or project in projects
