"""Columns of all runs in memory, loaded when first asked for and kept up to date by change number.

A page of a sorted, filtered table touches a handful of columns: a boolean mask for each test and
one permutation for the sort. At 100,000 runs that is a millisecond a column, whatever the question.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from services.mirror import schema

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Mask = NDArray[np.bool_]
_RELOAD_SHARE = 0.2
_ID_CHUNK = 900
NOT_LOGGED = -1


@dataclass(slots=True)
class Text:
    """Strings as codes into ``words``; ``NOT_LOGGED`` where a run has none."""

    codes: Codes
    words: list[str]
    index: dict[str, int]
    _numbers: Floats | None = None
    _ranks: Codes | None = None

    @classmethod
    def empty(cls, size: int) -> "Text":
        """Return a column in which no run has a value."""
        return cls(np.full(size, NOT_LOGGED, np.int32), [], {})

    def put(self, position: int, value: str | None) -> None:
        """Set one run's value."""
        if value is None:
            self.codes[position] = NOT_LOGGED
            return
        code = self.index.get(value)
        if code is None:
            code = self.index[value] = len(self.words)
            self.words.append(value)
            self._numbers = self._ranks = None
        self.codes[position] = code

    def present(self) -> Mask:
        """Return where a run has a value."""
        found: Mask = self.codes != NOT_LOGGED
        return found

    def where(self, holds: Callable[[str], bool]) -> Mask:
        """Return where a run has a value for which ``holds`` is true: asked once a word."""
        # The last entry is what NOT_LOGGED (-1) finds.
        truth: Mask = np.array([*map(holds, self.words), False], dtype=np.bool_)
        found: Mask = truth[self.codes]
        return found

    def numbers(self) -> Floats:
        """Return the values read as numbers, NaN where they are none."""
        if self._numbers is None:
            self._numbers = np.array([_number(word) for word in self.words] + [np.nan])
        return self._numbers[self.codes]

    def ranks(self) -> Codes:
        """Return sort keys: numbers by value and before words, words without regard to case."""
        if self._ranks is None:
            order = sorted(range(len(self.words)), key=lambda code: _sort_key(self.words[code]))
            self._ranks = np.full(len(self.words) + 1, NOT_LOGGED, np.int32)
            self._ranks[order] = np.arange(len(order), dtype=np.int32)
        return self._ranks[self.codes]

    def grow(self, size: int) -> None:
        """Make room for more runs."""
        self.codes = _grown(self.codes, size, NOT_LOGGED)


@dataclass(slots=True)
class Numbers:
    """Numbers, with a mask of the runs that logged one (a logged NaN is not "missing")."""

    values: Floats
    logged: Mask

    @classmethod
    def empty(cls, size: int) -> "Numbers":
        """Return a column in which no run has a value."""
        return cls(np.full(size, np.nan), np.zeros(size, np.bool_))

    def put(self, position: int, value: float | None) -> None:
        """Set one run's value; None is a NaN that was logged."""
        self.values[position] = np.nan if value is None else value
        self.logged[position] = True

    def grow(self, size: int) -> None:
        """Make room for more runs."""
        self.values = _grown(self.values, size, np.nan)
        self.logged = _grown(self.logged, size, fill=False)


_TEXTS = (
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


class Columns:
    """All runs, by position; ``order`` of appearance is the order of ``rid``."""

    def __init__(self) -> None:
        self.change = -1
        self.size = 0
        self._capacity = 0
        self._position: dict[int, int] = {}
        self.texts = {name: Text.empty(0) for name in _TEXTS}
        self.started_ms: Floats = np.empty(0)
        self.ended_ms: Floats = np.empty(0)
        self.archived: Mask = np.empty(0, np.bool_)
        self.baseline: Mask = np.empty(0, np.bool_)
        self._key_ids: dict[tuple[str, str], int] = {}
        self._values: dict[tuple[str, str], Text | Numbers] = {}
        self._orders: dict[tuple[str, bool], NDArray[np.int64]] = {}

    def text(self, name: str) -> Codes:
        """Return the codes of an attribute, one a run."""
        return self.texts[name].codes[: self.size]

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
        self._make_room(self.size + len(rows))
        for row in rows:
            position = self._position.get(row.rid)
            if position is None:
                position = self._position[row.rid] = self.size
                self.size += 1
            for name, column in self.texts.items():
                column.put(position, getattr(row, name))
            self.started_ms[position] = _or_nan(row.started_ms)
            self.ended_ms[position] = _or_nan(row.ended_ms)
            self.archived[position] = row.archived
            self.baseline[position] = row.baseline
        self._refresh_values(connection, [row.rid for row in rows])

    def _make_room(self, size: int) -> None:
        if size <= self._capacity:
            return
        self._capacity = max(size, self._capacity * 2, 1024)
        for column in (*self.texts.values(), *self._values.values()):
            column.grow(self._capacity)
        self.started_ms = _grown(self.started_ms, self._capacity, np.nan)
        self.ended_ms = _grown(self.ended_ms, self._capacity, np.nan)
        self.archived = _grown(self.archived, self._capacity, fill=False)
        self.baseline = _grown(self.baseline, self._capacity, fill=False)

    def _refresh_values(self, connection: Connection, rids: list[int]) -> None:
        if len(rids) > max(_ID_CHUNK, _RELOAD_SHARE * self.size):
            self._values.clear()
            return
        for key, column in self._values.items():
            self._forget(column, rids)
            for start in range(0, len(rids), _ID_CHUNK):
                self._fill(connection, key, column, rids[start : start + _ID_CHUNK])

    def _forget(self, column: Text | Numbers, rids: list[int]) -> None:
        positions = [self._position[rid] for rid in rids]
        if isinstance(column, Numbers):
            column.values[positions] = np.nan
            column.logged[positions] = False
        else:
            column.codes[positions] = NOT_LOGGED

    def values(self, connection: Connection, group: str, name: str) -> Text | Numbers | None:
        """Return the column of a metric, parameter or tag; None when no run ever logged it."""
        found = self._values.get((group, name))
        if found is not None:
            return found
        if self.key_id(connection, group, name) is None:
            return None
        column: Text | Numbers = (
            Numbers.empty(self._capacity) if group == "metrics" else Text.empty(self._capacity)
        )
        self._fill(connection, (group, name), column, None)
        self._values[group, name] = column
        return column

    def key_id(self, connection: Connection, group: str, name: str) -> int | None:
        """Return the mirror's number of a metric's, parameter's or tag's name."""
        known = self._key_ids.get((group, name))
        if known is None:
            table = schema.keys
            known = connection.execute(
                select(table.c.key_id).where(table.c.kind == group[0], table.c.name == name)
            ).scalar()
            if known is not None:
                self._key_ids[group, name] = known
        return known

    def _fill(
        self,
        connection: Connection,
        key: tuple[str, str],
        column: Text | Numbers,
        rids: list[int] | None,
    ) -> None:
        table = schema.metadata.tables[key[0]]
        query = select(table.c.rid, table.c.value).where(
            table.c.key_id == self.key_id(connection, *key)
        )
        if rids is not None:
            query = query.where(table.c.rid.in_(rids))
        position = self._position
        for rid, value in connection.execute(query):
            where = position.get(rid)
            if (
                where is not None
            ):  # None: written after the runs were read; the next change brings it
                column.put(where, value)

    def order(
        self, name: str, keys: Callable[[], Floats | Codes], *, descending: bool
    ) -> NDArray[np.int64]:
        """Return all positions sorted by ``keys``: missing last, ties newest first."""
        found = self._orders.get((name, descending))
        if found is not None:
            return found
        newest = np.argsort(-np.nan_to_num(self.started_ms[: self.size]), kind="stable")
        wanted = np.asarray(keys(), dtype=np.float64)[: self.size][newest]
        missing = np.isnan(wanted)
        ranked = np.where(missing, np.inf, -wanted if descending else wanted)
        # Two keys: an infinity that was logged still comes before what is missing.
        by_value = np.argsort(ranked, kind="stable")
        by_value = by_value[np.argsort(missing[by_value], kind="stable")]
        order: NDArray[np.int64] = newest[by_value]
        self._orders[name, descending] = order
        return order


def _grown(array: NDArray[np.generic], size: int, fill: float) -> NDArray:  # type: ignore[type-arg]  # keeps its dtype
    if size <= len(array):
        return array
    grown = np.full(size, fill, array.dtype)
    grown[: len(array)] = array
    return grown


def _or_nan(value: int | None) -> float:
    return np.nan if value is None else float(value)


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return np.nan


def _sort_key(word: str) -> tuple[bool, float, str]:
    number = _number(word)
    return (True, 0.0, word.casefold()) if np.isnan(number) else (False, number, "")
