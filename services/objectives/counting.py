"""Requests by the minute, of the prediction log: each file is counted once.

A Parquet file of the log never changes, so what was counted of it holds as long as it is there;
what is in segments yet is counted with each look. The cost of a look follows the new rows, and a
process that begins anew counts again from what is on disk.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from services.errors import PlatformError
from services.home import Home
from services.objectives.budget import Counts
from services.objectives.models import DAY_S, DAYS, Kind
from services.predictions import querying
from services.predictions.folder import Folder, Partition, day
from services.predictions.tails import Look

if TYPE_CHECKING:
    import pyarrow as pa

Whole = NDArray[np.int64]
MINUTE_S = 60.0
_MINUTE_US = 60_000_000
_FAILED = 500
_COLUMNS = ("answered_at", "status", "latency_ms", "shadow")
_NARROW = 200_000
"""Minutes between the first and the last up to which places are counted without sorting."""
_REACH_S = (DAYS + 1) * DAY_S
_Asked = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Minutes:
    """Minutes in which something was answered, in order: four columns of one length."""

    minute: Whole
    """Since 1970."""
    requests: Whole
    failed: Whole
    """Answered with 5xx: by the model, for want of a model server, or too late."""
    slow: Whole
    """Answered well, and later than the bound."""

    @classmethod
    def none(cls) -> "Minutes":
        """Return no minute at all."""
        return cls(*(np.empty(0, dtype=np.int64) for _ in range(4)))

    @property
    def first_at(self) -> float | None:
        """Return the begin of the first minute."""
        return float(self.minute[0]) * MINUTE_S if len(self.minute) else None

    def within(self, since: float, until: float, kind: Kind) -> Counts:
        """Return what was counted from the minute of ``since`` to that of ``until``, with both."""
        begin = int(np.searchsorted(self.minute, np.int64(since // MINUTE_S), "left"))
        end = int(np.searchsorted(self.minute, np.int64(until // MINUTE_S), "right"))
        asked, failed, slow = (
            int(column[begin:end].sum()) for column in (self.requests, self.failed, self.slow)
        )
        return Counts(asked, failed) if kind == "errors" else Counts(asked - failed, slow)

    def between(self, since: float, until: float) -> "Minutes":
        """Return the minutes from that of ``since`` to that of ``until``, with both."""
        first, last = since // MINUTE_S, until // MINUTE_S
        kept = (self.minute >= first) & (self.minute <= last)
        return Minutes(*(one[kept] for one in self._columns()))

    def counted(self, kind: Kind) -> tuple[Whole, Whole]:
        """Return requests that count, and bad ones, by minute."""
        if kind == "errors":
            return self.requests, self.failed
        return self.requests - self.failed, self.slow

    def _columns(self) -> tuple[Whole, Whole, Whole, Whole]:
        return self.minute, self.requests, self.failed, self.slow


def summed(parts: Iterable[Minutes]) -> Minutes:
    """Return several counts as one."""
    known = [one for one in parts if len(one.minute)]
    if not known:
        return Minutes.none()
    if len(known) == 1:
        return known[0]
    columns = zip(*(one._columns() for one in known), strict=True)  # noqa: SLF001  our own
    minute, *counts = (np.concatenate(column) for column in columns)
    return _grouped(minute, counts)


def tally(table: "pa.Table", bound_ms: float | None) -> Minutes:
    """Count the rows of a table of predictions; those of a shadow, which nobody got, are left out.

    Args:
        table: With the columns of ``_COLUMNS``.
        bound_ms: What is slower is slow; None: nothing is.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(table):
        return Minutes.none()

    def column(name: str, missing: Any) -> NDArray[Any]:  # noqa: ANN401
        filled = pc.fill_null(table[name], pa.scalar(missing, table[name].type))
        found: NDArray[Any] = filled.to_numpy()
        return found

    times = table["answered_at"].cast(pa.int64())
    counted = ~column("shadow", missing=False) & times.is_valid().to_numpy()
    minute: Whole = pc.fill_null(times, 0).to_numpy()[counted] // _MINUTE_US
    failed = column("status", 0)[counted] >= _FAILED
    slow = np.zeros(len(minute), dtype=bool)
    if bound_ms is not None:
        slow = ~failed & (column("latency_ms", 0.0)[counted] > bound_ms)
    return _grouped(minute, [np.ones(len(minute), dtype=np.int64), failed, slow])


def _grouped(minute: Whole, columns: list[NDArray[Any]]) -> Minutes:
    if not len(minute):
        return Minutes.none()
    first, last = int(minute.min()), int(minute.max())
    if last - first < _NARROW:
        place = minute - first
        there = np.flatnonzero(np.bincount(place))
        sums = [np.bincount(place, one, last - first + 1)[there] for one in columns]
        return Minutes(there + first, *(one.astype(np.int64) for one in sums))
    found, place = np.unique(minute, return_inverse=True)
    return Minutes(found, *(np.bincount(place, one).astype(np.int64) for one in columns))


@dataclass(slots=True)
class Counter:
    """Counts the log of one home; any thread may ask. One object a process."""

    home: Home
    _known: dict[_Asked, dict[tuple[Path, float | None], Minutes]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def minutes(
        self, project: str, model: str, since: float, until: float, bound_ms: float | None = None
    ) -> Minutes:
        """Return what was answered by the minute, from that of ``since`` to that of ``until``.

        Args:
            project: Of the model.
            model: Its name.
            since: Seconds since 1970, as ``until``.
            until: As ``since``.
            bound_ms: From which latency on an answer is slow; None: none is.

        Raises:
            PlatformError: The log cannot be read.
        """

        def ask(folder: Folder, look: Look) -> Minutes:
            partitions = folder.rows(project, model)
            paths = [Path(one) for one in querying.files(partitions, look, since, until)]
            parts = [self._of(project, model, path, bound_ms) for path in paths]
            self._forget(project, model, set(paths), partitions, (since, until))
            parts.append(tally(_mine(look, project, model), bound_ms))
            return summed(parts)

        return querying.consistently(self.home, ask).between(since, until)

    def _of(self, project: str, model: str, path: Path, bound_ms: float | None) -> Minutes:
        with self._guard:
            files = self._known.setdefault((project, model), {})
            found = files.get((path, bound_ms))
        if found is None:
            found = tally(_read(path), bound_ms)
            with self._guard:
                files[path, bound_ms] = found
        return found

    def _forget(
        self,
        project: str,
        model: str,
        there: set[Path],
        partitions: Sequence[Partition],
        asked: tuple[float, float],
    ) -> None:
        """Forget files that went into others, and those that no objective reaches back to."""
        first, last, oldest = day(asked[0]), day(asked[1]), day(asked[1] - _REACH_S)
        kept = {one.path for one in partitions if one.day >= oldest}
        looked_at = {one.path for one in partitions if first <= one.day <= last}
        with self._guard:
            files = self._known.get((project, model), {})
            for key in list(files):
                path = key[0]
                gone = path.parent in looked_at and path not in there
                if gone or path.parent not in kept:
                    del files[key]


def _mine(look: Look, project: str, model: str) -> "pa.Table":
    import pyarrow.compute as pc

    table = look.table().select([*_COLUMNS, "project", "model"])
    return table.filter((pc.field("project") == project) & (pc.field("model") == model))


def _read(path: Path) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path).read(columns=list(_COLUMNS))
    except pa.ArrowInvalid as error:
        raise PlatformError(
            f"The file {path} of the prediction log cannot be read: {error}.",
            "Move it away: the others are read.",
        ) from error
