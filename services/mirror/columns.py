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
            found = Numbers(_NONE, np.empty(0)) if group == "metrics" else Labels()
            found.replace(_NONE, *self._fetch(connection, group, key_id, None))
        elif len(changed):
            gone = self._places[changed]
            for start in range(0, len(changed), _ID_CHUNK):
                rids = changed[start : start + _ID_CHUNK]
                fetched = self._fetch(connection, group, key_id, rids)
                found.replace(gone if start == 0 else _NONE, *fetched)
        if isinstance(found, Labels):
            found.size = self.size
        self._values[group, name] = (found, len(self._log))
        return found

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

    def _fetch(
        self, connection: Connection, group: str, key_id: int, rids: Positions | None
    ) -> tuple[Positions, Sequence[Any]]:
        # Rows straight from the driver: 100,000 pass here, and SQLAlchemy's cost as much again.
        query = f"SELECT rid, value FROM {group} WHERE key_id = {key_id}"  # noqa: S608 - our table, a number
        if rids is not None:
            query += f" AND rid IN ({', '.join(map(str, rids.tolist()))})"
        with contextlib.closing(connection.exec_driver_sql(query)) as result:
            rows = result.cursor.fetchall()
        if not rows:
            return _NONE, ()
        found, values = zip(*rows, strict=True)
        places = np.array(found, np.int64)
        # A run written after the runs were read has no place yet: its change number brings it.
        known = places < len(self._places)
        places = np.where(known, self._places[np.where(known, places, 0)], -1)
        keep = places >= 0
        if keep.all():
            return places, values
        return places[keep], [v for v, kept in zip(values, keep, strict=True) if kept]

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


def _grown(array: NDArray, size: int, fill: float) -> NDArray:  # type: ignore[type-arg]  # keeps its dtype
    if size <= len(array):
        return array
    grown = np.full(size, fill, array.dtype)
    grown[: len(array)] = array
    return grown
