"""Columns of all runs that answer a question, for figures over many of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from services.mirror.columns import Columns, Numbers, Positions
from services.mirror.projects import results
from services.mirror.search import Search
from services.mirror.text import NOT_LOGGED, Codes, Floats, Mask, Text


@dataclass(frozen=True, slots=True)
class FrameWords:
    """Strings of the runs: one code a run into the words, ``NOT_LOGGED`` where there is none."""

    codes: Codes
    column: Text
    """Whose words they are: it grows, what a code means stays."""

    def word(self, code: int) -> str:
        """Return what a code stands for, empty for none."""
        return self.column.words[code] if code >= 0 else ""


@dataclass(frozen=True, slots=True)
class Frame:
    """One place a run, newest first, in each of the arrays."""

    size: int
    baseline: Mask
    numbers: Mapping[str, Floats]
    """By field; NaN where a run logged none, or NaN."""
    logged: Mapping[str, Mask]
    """Where a number was logged at all."""
    words: Mapping[str, FrameWords]


def frame_of(
    connection: Connection,
    columns: Columns,
    positions: Positions,
    numbers: Sequence[str],
    words: Sequence[str],
) -> Frame:
    """Return fields of the runs at ``positions`` that finished and trained something.

    Raises:
        InputError: There is no such field.
    """
    kept = positions[results(connection, columns)[positions]]
    search = Search(columns, connection)
    found = {field: _numbers(search.column(field), columns.size, kept) for field in numbers}
    return Frame(
        size=len(kept),
        baseline=columns.baseline[kept],
        numbers={field: values for field, (values, _) in found.items()},
        logged={field: logged for field, (_, logged) in found.items()},
        words={field: _words(search.column(field), kept) for field in words},
    )


def _numbers(column: Text | Numbers | None, size: int, kept: Positions) -> tuple[Floats, Mask]:
    if not isinstance(column, Numbers):
        return np.full(len(kept), np.nan), np.zeros(len(kept), np.bool_)
    return column.values(size)[kept], column.present(size)[kept]


def _words(column: Text | Numbers | None, kept: Positions) -> FrameWords:
    if not isinstance(column, Text):
        return FrameWords(np.full(len(kept), NOT_LOGGED, np.int32), Text(0))
    return FrameWords(column.codes[kept], column)
