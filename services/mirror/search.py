"""A parsed filter over the columns: each node becomes a boolean mask of all runs."""

import functools
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import Connection

from services.errors import FilterError, InputError
from services.mirror.columns import Columns, Numbers
from services.mirror.filters import (
    ATTRIBUTES,
    Both,
    Either,
    Node,
    Not,
    Operator,
    Test,
    Words,
    split_field,
)
from services.mirror.text import Floats, Mask, Text, number_of

_TIMES = frozenset({"started_at", "ended_at"})
_NUMBERS = frozenset({"duration_s"})
_WORD_FIELDS = ("name", "technique", "project", "run_id")
_AGO = re.compile(r"-(\d+(?:\.\d+)?)([smhdw])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class Search:
    """Evaluates filters and sort keys over one state of the columns."""

    def __init__(self, columns: Columns, connection: Connection, text: str = "") -> None:
        self._columns = columns
        self._connection = connection
        self._text = text

    def mask(self, node: Node) -> Mask:
        """Return where the filter holds, one truth value a run."""
        if isinstance(node, Both):
            return functools.reduce(np.logical_and, map(self.mask, node.parts))
        if isinstance(node, Either):
            return functools.reduce(np.logical_or, map(self.mask, node.parts))
        if isinstance(node, Not):
            return ~self.mask(node.part)
        if isinstance(node, Words):
            return self._words(node.text)
        return self._test(node)

    def _words(self, text: str) -> Mask:
        found = np.zeros(self._columns.size, np.bool_)
        for name in _WORD_FIELDS:
            found |= self._columns.texts[name].contain(text)[: self._columns.size]
        return found

    def _test(self, test: Test) -> Mask:
        size = self._columns.size
        column = self.column(test.field)
        if column is None:
            missing = test.operator == "missing"
            return np.full(size, missing)
        if test.operator in {"exists", "missing"}:
            present = logged(column, size)
            return present if test.operator == "exists" else ~present
        if isinstance(column, Numbers):
            return self._number_test(test, column)
        return self._text_test(test, column)[:size]

    def column(self, field: str) -> Text | Numbers | None:
        """Return a field's column; None when no run ever had it.

        Raises:
            InputError: There is no such field.
        """
        group, name = split_field(field)
        columns = self._columns
        if group:
            return columns.values(self._connection, group, name)
        if name in columns.texts:
            return columns.texts[name]
        if name == "baseline":
            column = Text(len(columns.baseline))
            words = np.where(columns.baseline, "true", "false").tolist()
            column.put(np.arange(len(words)), words)
            return column
        if name in _TIMES | _NUMBERS:
            values = self._moments(name)[: columns.size]
            known = np.flatnonzero(~np.isnan(values))
            return Numbers(known, values[known])
        raise InputError(
            f"There is no field {field[:80]}.",
            f"Fields are {', '.join(ATTRIBUTES)}, metrics.NAME, params.NAME and tags.NAME.",
        )

    def _moments(self, name: str) -> Floats:
        """Return seconds: since 1970 UTC for a time, wall time for a duration."""
        columns = self._columns
        if name == "started_at":
            return columns.started_ms / 1000
        if name == "ended_at":
            return columns.ended_ms / 1000
        return (columns.ended_ms - columns.started_ms) / 1000

    def _number_test(self, test: Test, column: Numbers) -> Mask:
        values = column.values(self._columns.size)
        compared = [self._number(test, value) for value in test.values]
        if test.operator in {"~", "!~"}:
            name = test.field
            raise self._error(test, f"{name} is a number: `~` compares texts", "Use = < or >.")
        if test.operator in {"in", "=", "!="}:
            # A logged NaN is a value like others here: NaN is NaN, and it is not 0.5.
            present = column.present(self._columns.size)
            found: Mask = present & np.isin(values, compared)
            if np.isnan(compared).any():
                found |= present & np.isnan(values)
            return present & ~found if test.operator == "!=" else found
        if np.isnan(compared[0]):
            sentence = f"No number is above or below NaN: {test.field} cannot be either"
            raise self._error(test, sentence, f"{test.field} = nan finds the runs that logged it.")
        return _COMPARE[test.operator](values, compared[0])

    def _number(self, test: Test, value: str) -> float:
        _, name = split_field(test.field)
        if name in _TIMES and test.field in _TIMES:
            return self._moment(test, value)
        try:
            return float(value)
        except ValueError:
            sentence = f"{test.field} is a number and {value[:40]!r} is none"
            raise self._error(test, sentence, "For example metrics.loss < 0.2") from None

    def _moment(self, test: Test, value: str) -> float:
        if ago := _AGO.fullmatch(value):
            span = timedelta(seconds=float(ago.group(1)) * _UNIT_S[ago.group(2)])
            return (datetime.now(UTC) - span).timestamp()
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            sentence = f"{value[:40]!r} is no time"
            hint = "Write 2026-11-24, 2026-11-24T08:00 (UTC), or -24h."
            raise self._error(test, sentence, hint) from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

    def _text_test(self, test: Test, column: Text) -> Mask:
        if test.operator in {"~", "!~"}:
            found = column.contain(test.values[0])
            return found if test.operator == "~" else ~found
        if test.operator in {"=", "!=", "in"}:
            found = column.equal(*test.values)
            return found if test.operator != "!=" else ~found & column.present()
        # An order was asked for: numbers compare as numbers when both sides are some.
        value = test.values[0]
        number = number_of(value)
        if np.isnan(number):
            compare = _COMPARE_TEXT[test.operator]
            return column.compare(np.array([compare(w, value) for w in column.words], np.bool_))
        return _COMPARE[test.operator](column.numbers(), number)

    def _error(self, test: Test, sentence: str, hint: str) -> FilterError:
        where = f"{sentence} (at character {test.position + 1} of the filter)."
        return FilterError(where, self._text, test.position, hint)

    def sort_keys(self, field: str) -> Callable[[], Floats]:
        """Return a function that makes the sort keys of a field: NaN where missing.

        Raises:
            InputError: There is no such field.
        """
        column = self.column(field)
        if column is None:
            return lambda: np.full(self._columns.size, np.nan)
        if isinstance(column, Numbers):
            numbers = column
            return lambda: numbers.values(self._columns.size)
        return column.sort_keys


def logged(column: Text | Numbers, size: int) -> Mask:
    """Return where a run has a value, NaN included."""
    return column.present(size) if isinstance(column, Numbers) else column.present()[:size]


_COMPARE: dict[Operator, Callable[[Floats, float], Mask]] = {
    "=": lambda values, value: values == value,
    "!=": lambda values, value: (values != value) & ~np.isnan(values),
    ">": lambda values, value: values > value,
    ">=": lambda values, value: values >= value,
    "<": lambda values, value: values < value,
    "<=": lambda values, value: values <= value,
}
_COMPARE_TEXT: dict[Operator, Callable[[str, str], bool]] = {
    ">": lambda word, value: word > value,
    ">=": lambda word, value: word >= value,
    "<": lambda word, value: word < value,
    "<=": lambda word, value: word <= value,
}
