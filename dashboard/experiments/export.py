"""The whole filtered set as CSV, made when it is asked for and one page at a time."""

import csv
import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from services.mirror.filters import split_field
from services.mirror.main_metric import MAIN_METRIC
from services.mirror.models import Run, RunPage, RunQuery

_PAGE = 1_000
_ALWAYS = (
    "run_id",
    "project",
    "name",
    "status",
    "technique",
    "started_at",
    "ended_at",
    "duration_s",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Asks(Protocol):
    """What the export needs of the mirror."""

    def runs(self, query: RunQuery, /) -> RunPage:
        """Return one page of runs."""


def csv_bytes(mirror: Asks, query: RunQuery, columns: Iterable[str]) -> bytes:
    """Return the file of all runs of ``query``, whatever page it shows."""
    return "".join(csv_lines(mirror, query, columns)).encode()


def csv_lines(mirror: Asks, query: RunQuery, columns: Iterable[str]) -> Iterator[str]:
    """Yield the file line by line: the header, then one run a line."""
    extra = [name for name in columns if name not in _ALWAYS and name != MAIN_METRIC]
    header = [*_ALWAYS, *extra]
    yield _line(header)
    for run in _all_runs(mirror, replace(query, columns=tuple(n for n in extra if "." in n))):
        yield _line([cell(run, name) for name in header])


def _all_runs(mirror: Asks, query: RunQuery) -> Iterator[Run]:
    # A run that begins meanwhile moves the others down a place: none may come twice.
    seen: set[str] = set()
    offset = 0
    while True:
        page = mirror.runs(replace(query, offset=offset, limit=_PAGE))
        for run in page.rows:
            if run.run_id not in seen:
                seen.add(run.run_id)
                yield run
        offset += _PAGE
        if offset >= page.total:
            return


def cell(run: Run, field: str) -> str:
    """Return one value as CSV text: ISO times, full precision, ``NaN`` and ``inf`` as logged."""
    group, name = split_field(field)
    value = getattr(run, group or name, None)
    if group:
        value = value.get(name) if value else None
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else repr(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return _defused(str(value))


def _defused(text: str) -> str:
    """Keep a spreadsheet from running a run's name as a formula; numbers stay numbers."""
    if not text.startswith(_FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def _line(values: list[str]) -> str:
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerow(values)
    return target.getvalue()
