"""A thread of things that came of each other. Times: seconds since 1970."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from services.errors import InputError

Kind = Literal[
    "data", "workflow", "run", "models", "version", "bundle", "deployment", "predictions",
    "verdict", "alert", "retraining",
]  # fmt: skip
"""What there is, in the order in which it comes to be."""
KINDS: tuple[Kind, ...] = get_args(Kind)
State = Literal["there", "gone", "unknown"]
"""``gone``: something names it, and it is not there; ``unknown``: it could not be looked for."""
Direction = Literal["up", "down"]
Carries = Literal["all", "some", "none"]
"""How much of what is bad before is in what is after. ``some``: perhaps, and nobody can tell
whether; ``none``: what is after was made because of it, and not from it, as a retraining is."""
LONGEST = 600
"""Characters of an id."""


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """What names one thing.

    The key of data and models is a revision (it says the content, whatever project has it), of a
    workflow ``DAG/RUN``, of a run its id in MLflow; from version to predictions it is
    ``PROJECT/MODEL:NUMBER``; of a verdict, alert or retraining its own id.
    """

    kind: Kind
    key: str

    @property
    def id(self) -> str:
        """Return it as one word: ``run:0123…``."""
        return f"{self.kind}:{self.key}"

    @property
    def numbered(self) -> tuple[str, str, int]:
        """Return project, model and number of what is named by them.

        Raises:
            InputError: It is not named so.
        """
        project, _, rest = self.key.partition("/")
        model, _, number = rest.rpartition(":")
        if not (project and model and number.isascii() and number.isdecimal()):
            raise InputError(f"{self.id[:100]!r} names no version.", "Write PROJECT/MODEL:NUMBER.")
        return project, model, int(number)


NUMBERED: frozenset[Kind] = frozenset(("version", "bundle", "deployment", "predictions"))
"""Kinds that are of one version of one model."""


def numbered(kind: Kind, project: str, model: str, number: int) -> Ref:
    """Return what names a version, or something of it."""
    return Ref(kind, f"{project}/{model}:{number}")


def ref_of(text: str) -> Ref | None:
    """Return what an id names, None when it begins with no kind."""
    word, _, key = text.partition(":")
    kind = next((one for one in KINDS if one == word), None)
    return Ref(kind, key) if kind is not None and key and len(text) <= LONGEST else None


@dataclass(frozen=True, slots=True)
class Mark:
    """Somebody said that a thing is bad."""

    ref: Ref
    project: str | None
    reason: str
    by: str
    at: float
    action_id: int | None


@dataclass(frozen=True, slots=True)
class Node:
    """One thing of a thread."""

    ref: Ref
    title: str
    """Its name, without the word for what it is."""
    project: str | None
    """None: of no project alone."""
    said: str
    """One short line: how it is."""
    at: float | None = None
    """When it came to be."""
    state: State = "there"
    live: bool = False
    """Whether it answers requests now."""
    mark: Mark | None = None
    under: tuple[str, ...] = ()
    """Ids of things marked as bad that it came from, as far as the thread shows."""
    perhaps: tuple[str, ...] = ()
    """Ids of those that it may have come from: it holds some of their files, or loaded them."""

    @property
    def id(self) -> str:
        """Return its id."""
        return self.ref.id


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """One came of the other."""

    before: Ref
    after: Ref
    how: str
    """The verb between them: “was read by”."""
    carries: Carries = "all"
    holds: bool = True
    """Whether something of what is before may be in what is after. False: it was only loaded, or
    set the other off, or every answer of it has a label beside it: that is shown alone."""

    @property
    def aside(self) -> bool:
        """Return whether it carries a mark on from the marked thing itself alone.

        What holds files of a third that holds files of the first need hold none of the first; and
        a run that is bad spoils no version of another run that left the same models.
        """
        return (self.before.kind, self.after.kind) in {("data", "data"), ("models", "version")}


@dataclass(frozen=True, slots=True)
class More:
    """What is not walked: there is more than is shown."""

    ref: Ref
    direction: Direction
    left: int | None
    """How many; None: not counted."""
    said: str


@dataclass(frozen=True, slots=True)
class Broken:
    """A link that leads nowhere."""

    ref: Ref
    """What names it."""
    missing: str
    """What is named: an id, or a word when it has none."""
    project: str | None
    said: str
    hint: str


@dataclass(frozen=True, slots=True)
class Thread:
    """What a thing came from, and what came of it."""

    start: Node
    nodes: tuple[Node, ...]
    """In the order of kinds and times, the start among them."""
    links: tuple[Link, ...]
    broken: tuple[Broken, ...]
    more: tuple[More, ...]
    hidden: int
    """Things of projects that the asker does not see: left out, with all behind them."""
    unknown: tuple[str, ...]
    """Sentences: what could not be asked, so that there may be more."""

    def as_json(self) -> dict[str, Any]:
        """Return it in the documented shape."""
        return {
            "start": self.start.id,
            "nodes": [node_json(one) for one in self.nodes],
            "links": [
                {
                    "before": one.before.id,
                    "after": one.after.id,
                    "how": one.how,
                    "carries": one.carries,
                }
                for one in self.links
            ],
            "broken": [broken_json(one) for one in self.broken],
            "more": [
                {"id": one.ref.id, "direction": one.direction, "left": one.left, "said": one.said}
                for one in self.more
            ],
            "hidden": self.hidden,
            "unknown": list(self.unknown),
        }


def node_json(one: Node) -> dict[str, Any]:
    """Return a thing in the documented shape."""
    return {
        "id": one.id,
        "kind": one.ref.kind,
        "title": one.title,
        "project": one.project,
        "said": one.said,
        "at": one.at,
        "state": one.state,
        "live": one.live,
        "bad": None if one.mark is None else mark_json(one.mark),
        "came_from_bad": list(one.under),
        "maybe_from_bad": list(one.perhaps),
    }


def mark_json(one: Mark) -> dict[str, Any]:
    """Return a mark in the documented shape."""
    return {
        "id": one.ref.id, "project": one.project, "reason": one.reason, "by": one.by, "at": one.at,
        "action": one.action_id,
    }  # fmt: skip


def broken_json(one: Broken) -> dict[str, Any]:
    """Return a broken link in the documented shape."""
    return {
        "id": one.ref.id, "missing": one.missing, "project": one.project, "said": one.said,
        "hint": one.hint,
    }  # fmt: skip
