"""Predictions that were collected into data: what a model was asked, and learned from later.

Of whose predictions there are rows in a revision, the revision says itself; what was collected into
one that is in no repository any more, the journal says.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson
from sqlalchemy import select

from services.actions import schema
from services.actions.journal import Journal
from services.data.models import Collected
from services.lineage.models import Kind, Link, More, Node, Ref, numbered
from services.lineage.source import Found, of_kind
from services.lineage.sources.data import Revisions

COLLECTED = "were collected into"
_ACTIONS = schema.actions
_KIND = "data-collect"  # of ``DataCollect``, which is above this
_NEWEST = 1_000


@dataclass(frozen=True, slots=True)
class Brought:
    """An action that brought rows into a revision."""

    action_id: int
    project: str
    revision: str
    rows: tuple[Collected, ...]
    submitted_ms: int
    """Since 1970 UTC, as ``finished_ms``."""
    finished_ms: int


def brought(journal: Journal, since_ms: int = 0) -> Iterator[Brought]:
    """Yield the actions that collected and ended since a moment, the newest first.

    Raises:
        JournalError: The journal cannot be read.
    """
    query = (
        select(_ACTIONS)
        .where(_ACTIONS.c.kind == _KIND, _ACTIONS.c.state == "done",
               _ACTIONS.c.finished_ms >= since_ms)
        .order_by(_ACTIONS.c.id.desc())
        .limit(_NEWEST)
    )  # fmt: skip
    with journal.read() as connection:
        found = connection.execute(query).all()
    for row in found:
        said = orjson.loads(row.memory)
        if said.get("revision"):
            yield Brought(
                row.id, row.project, said["revision"], _rows(said.get("collected", ())),
                row.submitted_ms, row.finished_ms,
            )  # fmt: skip


class Rows:
    """Which revisions of data hold rows of whose predictions."""

    def __init__(self, versions: Callable[[], Revisions], journal: Journal) -> None:
        self._versions = versions
        self._journal = journal

    @property
    def unread(self) -> tuple[str, ...]:
        """Return which repositories cannot be read: what is in them is not known."""
        return self._versions().unread

    @cached_property
    def gone(self) -> tuple[Brought, ...]:
        """Return what was collected into revisions that are in no repository, the newest first.

        Raises:
            JournalError: The journal cannot be read.
        """
        there = {revision for kind, revision in self._versions().known if kind == "data"}
        return tuple(one for one in brought(self._journal) if one.revision not in there)

    @cached_property
    def _of(self) -> Mapping[str, tuple[Collected, ...]]:
        """Rows by revision, the one that was tracked first first."""
        known = self._versions().known.items()
        first = {
            revision: min(versions, key=lambda one: one.at)
            for (kind, revision), versions in known
            if kind == "data"
        }
        # The same data may be in several projects; each counted its files itself.
        found = {
            revision: max((one.collected for one in versions), key=len)
            for (kind, revision), versions in known
            if kind == "data"
        }
        order = sorted(found, key=lambda revision: first[revision].at)
        gone = {one.revision: one.rows for one in self.gone}
        return {revision: found[revision] for revision in order if found[revision]} | gone

    @cached_property
    def _into(self) -> Mapping[str, Mapping[str, Collected]]:
        into: dict[str, dict[str, Collected]] = {}
        for revision, rows in self._of.items():
            for one in rows:
                key = numbered("predictions", one.project, one.model, one.version).key
                into.setdefault(key, {})[revision] = one
        return into

    def of(self, revision: str) -> tuple[Collected, ...]:
        """Return whose predictions are in a revision.

        Raises:
            PlatformError: The data repositories cannot be listed, or the journal cannot be read.
        """
        return self._of.get(revision, ())

    def into(self, key: str) -> Mapping[str, Collected]:
        """Return by revision which rows it holds of a version, ``PROJECT/MODEL:NUMBER``.

        Raises:
            PlatformError: The data repositories cannot be listed, or the journal cannot be read.
        """
        return self._into.get(key, {})


class CollectedSource:
    """Edges from predictions to data."""

    kinds: frozenset[Kind] = frozenset()

    def __init__(self, rows: Rows, first: Callable[[], Iterable[str]]) -> None:
        """Take what knows them, and the revisions that are shown before others: marked, or live."""
        self._rows = rows
        self._first = first

    def up(self, refs: Sequence[Ref], most: int) -> Found:
        """Return the predictions of which there are rows in data."""
        found = Found()
        for one in of_kind(refs, "data"):
            rows = sorted(self._rows.of(one.key), key=lambda row: -row.version)
            found.links += [_link(row, one.key) for row in rows[:most]]
            if len(rows) > most:
                said = f"{len(rows) - most:,} more versions' predictions are in it."
                found.more.append(More(one, "up", len(rows) - most, said))
        return found

    def down(self, refs: Sequence[Ref], most: int) -> Found:
        """Return the data that hold rows of predictions."""
        found = Found()
        for one in of_kind(refs, "predictions"):
            found.unknown += self._rows.unread
            rows = self._rows.into(one.key)
            wanted = set(self._first()) if len(rows) > most else set()
            order = sorted(rows, key=lambda revision: revision not in wanted)
            found.links += [_link(rows[revision], revision) for revision in order[:most]]
            if len(rows) > most:
                said = f"{len(rows) - most:,} more revisions of data hold rows of it."
                found.more.append(More(one, "down", len(rows) - most, said))
        return found

    def describe(self, refs: Sequence[Ref]) -> dict[Ref, Node]:
        """Return nothing: predictions and revisions are described by what knows them."""
        del refs
        return {}


def _link(one: Collected, revision: str) -> Link:
    """Return how predictions lead to data: whether a bad answer was learned nobody can tell.

    Where every row has a label, its answers were replaced by what was right.
    """
    before = numbered("predictions", one.project, one.model, one.version)
    return Link(before, Ref("data", revision), verb(one), "some", holds=answers(one) > 0)


def answers(one: Collected) -> int:
    """Return the rows that have no label, so that the version's own answer is all there is."""
    return max(0, one.rows - one.labelled)


def verb(one: Collected) -> str:
    """Return how predictions lead to data that hold rows of them."""
    alone = answers(one)
    if not alone:
        return COLLECTED
    return f"were collected, {alone:,} of {one.rows:,} rows without a label, into"


def told(one: Collected, revision: str) -> str:
    """Return what data hold of a version, in a few words."""
    alone = answers(one)
    labels = f"{alone:,} of them without a label" if alone else "all with a label"
    rows = "1 row" if one.rows == 1 else f"{one.rows:,} rows"
    name = f"{one.project}/{one.model}:{one.version}"
    return f"its data {revision[:12]} hold {rows} that {name} was asked, {labels}"


def _rows(said: Iterable[Mapping[str, Any]]) -> tuple[Collected, ...]:
    return tuple(Collected(**one) for one in said)
