"""Columns of all runs in memory, loaded when first asked for and kept up to date by change number.

A page of a sorted, filtered table touches a handful of columns: a boolean mask for each test and
one permutation for the sort. At 100,000 runs that is a millisecond a column, whatever the question.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, select

from services.mirror import schema
from services.mirror.text import NOT_LOGGED, Codes, Floats, Mask, Text

Positions = NDArray[np.int64]
_NONE: Positions = np.empty(0, np.int64)
_RELOAD_SHARE = 0.2
_LOG_LIMIT = 500
_ID_CHUNK = 900
_MOST_AT_ONCE = 500
_ROWS_AT_ONCE = 100_000
TEXTS = (
    "run_id",
    "project",
    "experiment_id",
    "name",
    "status",
    "status_reason",
    "technique",
    "user",
    "host",
)


class Numbers:
    """Numbers of the runs that logged one: most metrics belong to one project of nine."""

    def __init__(self, positions: Positions, cells: Floats) -> None:
        self.positions = positions
        self.cells = cells

    def replace(
        self, gone: Positions, positions: Positions, values: Sequence[float | None]
    ) -> None:
        """Drop the runs at ``gone`` and set those at ``positions``; None is a NaN."""
        keep = ~np.isin(self.positions, gone)
        self.positions = np.concatenate([self.positions[keep], positions])
        self.cells = np.concatenate([self.cells[keep], np.array(values, np.float64)])

    def values(self, size: int) -> Floats:
        """Return one number a run, NaN where none was logged."""
        dense = np.full(size, np.nan)
        dense[self.positions] = self.cells
        return dense

    def present(self, size: int) -> Mask:
        """Return where a run logged one; a logged NaN is not missing."""
        dense = np.zeros(size, np.bool_)
        dense[self.positions] = True
        return dense


class Labels(Text):
    """Strings of the runs that have one: a parameter or a tag."""

    def __init__(self) -> None:
        super().__init__(0)
        self.positions: Positions = np.empty(0, np.int64)
        self.size = 0

    @property
    def codes(self) -> Codes:
        """One code a run, ``NOT_LOGGED`` where it has no value."""
        dense = np.full(self.size, NOT_LOGGED, np.int32)
        dense[self.positions] = self._codes
        return dense

    def replace(self, gone: Positions, positions: Positions, values: Sequence[str]) -> None:
        """Drop the runs at ``gone`` and set those at ``positions``."""
        keep = ~np.isin(self.positions, gone)
        self.positions = np.concatenate([self.positions[keep], positions])
        self._codes = np.concatenate([self._codes[keep], self.encoded(values)])


class Columns:
    """All runs, each at its position."""

    def __init__(self) -> None:
        self.change = -1
        self.size = 0
        self._capacity = 0
        self._places: Positions = np.full(1, -1, np.int64)  # rid → position, -1 unknown
        self.texts = {name: Text(0) for name in TEXTS}
        self.started_ms: Floats = np.empty(0)
        self.ended_ms: Floats = np.empty(0)
        self.archived: Mask = np.empty(0, np.bool_)
        self.baseline: Mask = np.empty(0, np.bool_)
        self._key_ids: dict[tuple[str, str], int] = {}
        self._values: dict[tuple[str, str], tuple[Labels | Numbers, int]] = {}
        self._log: list[Positions] = []  # the runs each refresh brought; columns follow when used
        self._orders: dict[tuple[str, bool], Positions] = {}
        self._newest: Positions | None = None

    def refresh(self, connection: Connection, change: int) -> None:
        """Bring in the runs that changed since the last call."""
        if change == self.change:
            return
        table = schema.runs
        rows = connection.execute(
            select(table).where(table.c.change > self.change).order_by(table.c.rid)
        ).all()
        self.change = change
        if not rows:
            return
        self._orders.clear()
        self._newest = None
        rids = np.array([row.rid for row in rows], np.int64)
        positions = self._place(rids)
        self._put(rows, positions)
        self._log.append(rids)
        if len(self._log) > _LOG_LIMIT:
            self._log = [np.unique(np.concatenate(self._log))]
            self._values = {key: (column, 0) for key, (column, _) in self._values.items()}

    def _place(self, rids: Positions) -> Positions:
        """Return the positions of runs, new ones at the end."""
        highest = int(rids.max())
        if highest >= len(self._places):
            self._places = _grown(self._places, max(highest + 1, 2 * len(self._places)), -1)
        new = rids[self._places[rids] < 0]
        self._places[new] = np.arange(self.size, self.size + len(new))
        self.size += len(new)
        self._make_room(self.size)
        return self._places[rids]

    def _put(self, rows: Sequence[Row], positions: Positions) -> None:  # type: ignore[type-arg]  # of runs
        for name, column in self.texts.items():
            place = rows[0]._fields.index(name)
            column.put(positions, [row[place] for row in rows])
        self.started_ms[positions] = np.array([row.started_ms for row in rows], np.float64)
        self.ended_ms[positions] = np.array([row.ended_ms for row in rows], np.float64)
        self.archived[positions] = [row.archived for row in rows]
        self.baseline[positions] = [row.baseline for row in rows]

    def _make_room(self, size: int) -> None:
        if size <= self._capacity:
            return
        self._capacity = max(size, self._capacity * 2, 1024)
        for column in self.texts.values():
            column.grow(self._capacity)
        self.started_ms = _grown(self.started_ms, self._capacity, np.nan)
        self.ended_ms = _grown(self.ended_ms, self._capacity, np.nan)
        self.archived = _grown(self.archived, self._capacity, 0)
        self.baseline = _grown(self.baseline, self._capacity, 0)

    def values(self, connection: Connection, group: str, name: str) -> Labels | Numbers | None:
        """Return the column of a metric, parameter or tag; None when no run ever logged it."""
        key_id = self._key_id(connection, group, name)
        if key_id is None:
            return None
        found, seen = self._values.get((group, name), (None, 0))
        changed = self._changed(seen) if found is not None else None
        if found is None or changed is None:
            found = _empty(group)
            found.replace(_NONE, *self._rows(connection, group, [key_id], None)[1:])
        elif len(changed):
            fetched = self._rows(connection, group, [key_id], changed)[1:]
            found.replace(self._places[changed], *fetched)
        if isinstance(found, Labels):
            found.size = self.size
        self._values[group, name] = (found, len(self._log))
        return found

    @property
    def at_once(self) -> int:
        """How many columns ``load`` should be asked for: their rows fit into one short read."""
        return max(1, min(_MOST_AT_ONCE, _ROWS_AT_ONCE // max(self.size, 1)))

    def load(self, connection: Connection, group: str, names: Sequence[str]) -> None:
        """Bring many columns up to date with a few queries: ``values`` then asks none.

        One after the other, 5,000 metric names of three runs take seconds at every change.
        """
        self._know(connection, group, names)
        behind: dict[int, list[str]] = {}
        for name in names:
            found, seen = self._values.get((group, name), (None, -1))
            if (group, name) in self._key_ids and (found is None or seen != len(self._log)):
                behind.setdefault(seen, []).append(name)
        for seen, wanted in behind.items():
            self._bring(connection, group, wanted, None if seen < 0 else self._changed(seen))

    def _know(self, connection: Connection, group: str, names: Sequence[str]) -> None:
        table = schema.keys
        unknown = [name for name in names if (group, name) not in self._key_ids]
        for start in range(0, len(unknown), _ID_CHUNK):
            named = table.c.name.in_(unknown[start : start + _ID_CHUNK])
            query = select(table.c.name, table.c.key_id).where(table.c.kind == group[0], named)
            self._key_ids |= {(group, row.name): row.key_id for row in connection.execute(query)}

    def _bring(
        self, connection: Connection, group: str, names: Sequence[str], changed: Positions | None
    ) -> None:
        """Read what ``changed`` (None: all) of columns that stand at the same place of the log."""
        keys = [self._key_ids[group, name] for name in names]
        key_ids, places, values = self._rows(connection, group, keys, changed)
        order = np.argsort(key_ids, kind="stable")
        starts = np.searchsorted(key_ids[order], keys)
        ends = np.searchsorted(key_ids[order], keys, side="right")
        gone = _NONE if changed is None else self._places[changed]
        for name, start, end in zip(names, starts, ends, strict=True):
            found = self._values[group, name][0] if changed is not None else _empty(group)
            mine = order[start:end]
            found.replace(gone, places[mine], [values[place] for place in mine])
            self._values[group, name] = (found, len(self._log))

    def _changed(self, seen: int) -> Positions | None:
        """Return the runs that changed since the log was ``seen`` long; None: too many."""
        if seen == len(self._log):
            return _NONE
        changed = np.unique(np.concatenate(self._log[seen:]))
        return changed if len(changed) <= max(_ID_CHUNK, _RELOAD_SHARE * self.size) else None

    def _key_id(self, connection: Connection, group: str, name: str) -> int | None:
        known = self._key_ids.get((group, name))
        if known is None:
            table = schema.keys
            known = connection.execute(
                select(table.c.key_id).where(table.c.kind == group[0], table.c.name == name)
            ).scalar()
            if known is not None:
                self._key_ids[group, name] = known
        return known

    def _rows(
        self, connection: Connection, group: str, keys: Sequence[int], changed: Positions | None
    ) -> tuple[Positions, Positions, Sequence[Any]]:
        """Return key, position and value of what the runs (None: all) logged under some keys."""
        # Rows straight from the driver: 100,000 pass here, and SQLAlchemy's cost as much again.
        query = f"SELECT key_id, rid, value FROM {group} WHERE key_id IN ({_list(keys)})"  # noqa: S608 - our table, numbers
        queries = [query]
        if changed is not None:
            pieces = range(0, len(changed), _ID_CHUNK)
            rids = [changed[start : start + _ID_CHUNK].tolist() for start in pieces]
            queries = [f"{query} AND rid IN ({_list(some)})" for some in rids]
        rows: list[Any] = []
        for query in queries:
            with contextlib.closing(connection.exec_driver_sql(query)) as result:
                rows += result.cursor.fetchall()
        if not rows:
            return _NONE, _NONE, ()
        key_ids, found, read = zip(*rows, strict=True)
        values: Sequence[Any] = read
        places = np.array(found, np.int64)
        # A run written after the runs were read has no place yet: its change number brings it.
        known = places < len(self._places)
        places = np.where(known, self._places[np.where(known, places, 0)], -1)
        keep = places >= 0
        if not keep.all():
            values = [v for v, kept in zip(values, keep, strict=True) if kept]
        return np.array(key_ids, np.int64)[keep], places[keep], values

    def order(self, name: str, keys: Callable[[], Floats], *, descending: bool) -> Positions:
        """Return all positions sorted by ``keys``: missing last, ties newest first."""
        found = self._orders.get((name, descending))
        if found is not None:
            return found
        if self._newest is None:
            self._newest = np.argsort(-np.nan_to_num(self.started_ms[: self.size]), kind="stable")
        wanted = keys()[: self.size][self._newest]
        ranked = -wanted if descending else wanted
        # NaN sorts after everything, infinities that were logged included.
        order: Positions = self._newest[np.argsort(ranked, kind="stable")]
        self._orders[name, descending] = order
        return order


def _empty(group: str) -> Labels | Numbers:
    return Numbers(_NONE, np.empty(0)) if group == "metrics" else Labels()


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _grown(array: NDArray, size: int, fill: float) -> NDArray:  # type: ignore[type-arg]  # keeps its dtype
    if size <= len(array):
        return array
    grown = np.full(size, fill, array.dtype)
    grown[: len(array)] = array
    return grown
