"""Samples as columns: out of segments, out of blocks, put together in the order of time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import orjson

from services.telemetry.blocks import Ints
from services.telemetry.frames import SAMPLE, SAMPLE_HEAD, SHAPE, USE, WHO, whole_frames
from services.telemetry.shapes import QUALITIES, Said, Shape, Who

CODES = {quality: code for code, quality in enumerate(QUALITIES, start=1)}
"""Of a quality in an array; 0: the machine was not asked."""
UNAVAILABLE = CODES["unavailable"]

_T = TypeVar("_T")
_USE = np.dtype([("who", "<u4"), ("use", "<i8", (6,))])


def _none() -> Ints:
    return np.zeros(0, dtype=np.int64)


@dataclass(slots=True)
class Rows:
    """Samples: one row each, a column a metric (steps; 0 where there is no figure)."""

    times: Ints
    """µs since 1970; in order, each once, when they come out of ``merged``."""
    windows: Ints
    """ms."""
    shapes: list[Shape]
    shape: Ints
    """Number of each row's shape."""
    values: dict[str, Ints]
    who: list[Who] = field(default_factory=list)
    use_row: Ints = field(default_factory=_none)
    """Of each process: the row of its sample."""
    use_who: Ints = field(default_factory=_none)
    use: Ints = field(default_factory=lambda: np.zeros((0, 6), dtype=np.int64))

    def __len__(self) -> int:
        return len(self.times)

    def code(self, metric: str) -> Ints:
        """Return the quality of a metric in each row, as ``CODES`` has it."""
        table = np.zeros(len(self.shapes) or 1, dtype=np.int64)
        for number, shape in enumerate(self.shapes):
            place = shape.index.get(metric)
            if place is not None:
                table[number] = CODES[shape.said[place].quality]
        return table[self.shape]

    def metrics(self) -> list[str]:
        """Return the metrics in the order in which they were first said."""
        return list(dict.fromkeys(name for shape in self.shapes for name in shape.index))

    def between(self, start_us: int, end_us: int) -> "Rows":
        """Return the rows in a half-open interval; these must be in order."""
        low, high = np.searchsorted(self.times, (start_us, end_us)).tolist()
        return self._slice(low, high)

    def newest(self, wanted: int) -> "Rows":
        """Return the last so many rows."""
        return self._slice(max(0, len(self) - wanted), len(self))

    def _slice(self, low: int, high: int) -> "Rows":
        if low == 0 and high == len(self):
            return self
        first, last = np.searchsorted(self.use_row, (low, high)).tolist()
        return Rows(
            self.times[low:high],
            self.windows[low:high],
            self.shapes,
            self.shape[low:high],
            {name: column[low:high] for name, column in self.values.items()},
            self.who,
            self.use_row[first:last] - low,
            self.use_who[first:last],
            self.use[first:last],
        )

    def take(self, rows: Ints) -> "Rows":
        """Return some rows, in that order, with their processes."""
        place = np.full(len(self) + 1, -1, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        moved = place[self.use_row]
        kept = np.flatnonzero(moved >= 0)
        kept = kept[np.argsort(moved[kept], kind="stable")]
        return Rows(
            self.times[rows],
            self.windows[rows],
            self.shapes,
            self.shape[rows],
            {name: column[rows] for name, column in self.values.items()},
            self.who,
            moved[kept],
            self.use_who[kept],
            self.use[kept],
        )


def empty() -> Rows:
    """Return no rows."""
    return Rows(_none(), _none(), [], _none(), {})


def merged(parts: Sequence[Rows], metrics: Iterable[str] | None = None) -> Rows:
    """Put samples together in the order of time; of two with one time the later part's is kept.

    Args:
        parts: What was written earlier first; within a part, what was written earlier first.
        metrics: Only the columns of these; None: of all.
    """
    parts = [part for part in parts if len(part)]
    if not parts:
        return empty()
    names = metrics if metrics is not None else [name for part in parts for name in part.values]
    numbers: dict[tuple[Said, ...], int] = {}
    people: dict[Who, int] = {}
    shape = [_renumbered([s.said for s in p.shapes], numbers)[p.shape] for p in parts]
    who = [_renumbered(p.who, people)[p.use_who] for p in parts]
    begins = np.cumsum([0, *(len(part) for part in parts[:-1])])
    together = Rows(
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.windows for part in parts]),
        [Shape(said) for said in numbers],
        np.concatenate(shape),
        {name: np.concatenate([_column(p, name) for p in parts]) for name in dict.fromkeys(names)},
        list(people),
        np.concatenate([p.use_row + b for p, b in zip(parts, begins, strict=True)]),
        np.concatenate(who),
        np.concatenate([part.use for part in parts]),
    )
    order = np.argsort(together.times, kind="stable")
    times = together.times[order]
    last = np.ones(len(order), dtype=bool)
    last[:-1] = times[1:] != times[:-1]
    if last.all() and (order[1:] > order[:-1]).all():
        return together
    return together.take(order[last])


def _column(part: Rows, name: str) -> Ints:
    column = part.values.get(name)
    return np.zeros(len(part), dtype=np.int64) if column is None else column


def _renumbered(items: Sequence[_T], numbers: dict[_T, int]) -> Ints:
    found = [numbers.setdefault(item, len(numbers)) for item in items]
    return np.array(found or [0], dtype=np.int64)


class SegmentReader:
    """A segment, read on from where the last look ended; never past the last whole frame."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged_bytes = 0
        self.unread_samples = 0
        """Whole, but of a shape or process that was lost in damage."""
        self._end = 0
        self._shapes: dict[int, Shape] = {}
        self._who: dict[int, Who] = {}
        self._heads: list[tuple[int, int, int, int]] = []
        self._bodies: list[bytes] = []
        self._ordered = empty()

    @property
    def key(self) -> str:
        """Return what names this segment for good, open or closed."""
        return self.path.name.partition(".")[0]

    def refresh(self) -> None:
        """Read what was appended since.

        Raises:
            FileNotFoundError: It was merged and removed.
        """
        with self.path.open("rb") as file:
            file.seek(self._end)
            data = file.read()
        begin, at = self._end, 0
        for offset, frame in whole_frames(data):
            self.damaged_bytes += offset - at
            self._take(frame.kind, frame.body)
            at = frame.end
        self._end = begin + at

    def _take(self, kind: int, body: bytes) -> None:
        if kind == SHAPE:
            number, said = orjson.loads(body)
            self._shapes[number] = Shape(Said(*one) for one in said)
        elif kind == WHO:
            number, *who = orjson.loads(body)
            self._who[number] = Who(*who)
        elif kind == SAMPLE:
            head = SAMPLE_HEAD.unpack_from(body)
            shape = self._shapes.get(head[2])
            if shape is None or not self._knows(body, shape, head[3]):
                self.unread_samples += 1
                return
            self._heads.append(head)
            self._bodies.append(body)

    def _knows(self, body: bytes, shape: Shape, processes: int) -> bool:
        begin = SAMPLE_HEAD.size + 8 * len(shape.said)
        if len(body) != begin + processes * USE.size:
            return False
        # Numbers are given before they are used: one is missing only where something was lost.
        return not self.damaged_bytes or all(
            int.from_bytes(body[at : at + 4], "little") in self._who
            for at in range(begin, len(body), USE.size)
        )

    def ordered(self) -> Rows:
        """Return its samples in the order of time, each time once."""
        if self._heads:
            self._ordered = merged([self._ordered, self._built()])
            self._heads, self._bodies = [], []
        return self._ordered

    def _built(self) -> Rows:
        heads = np.array(self._heads, dtype=np.int64)
        numbers = sorted(self._shapes)
        shape = np.searchsorted(numbers, heads[:, 2])
        shapes = [self._shapes[number] for number in numbers]
        rows = Rows(heads[:, 0], heads[:, 1], shapes, shape, {})
        for number, one in enumerate(shapes):
            self._scatter(rows, np.flatnonzero(shape == number), one)
        self._add_uses(rows, heads[:, 3])
        return rows

    def _scatter(self, rows: Rows, places: Ints, shape: Shape) -> None:
        width = len(shape.said)
        begin, end = SAMPLE_HEAD.size, SAMPLE_HEAD.size + 8 * width
        data = b"".join([self._bodies[place][begin:end] for place in places])
        table = np.frombuffer(data, dtype="<i8").reshape(len(places), width)
        for place, metric in enumerate(shape.index):
            column = rows.values.setdefault(metric, np.zeros(len(rows), dtype=np.int64))
            column[places] = table[:, place]

    def _add_uses(self, rows: Rows, counts: Ints) -> None:
        tails = [
            body[len(body) - count * USE.size :]
            for body, count in zip(self._bodies, counts.tolist(), strict=True)
            if count
        ]
        table = np.frombuffer(b"".join(tails), dtype=_USE)
        numbers = sorted(self._who)
        rows.who = [self._who[number] for number in numbers]
        rows.use_row = np.repeat(np.arange(len(rows)), counts)
        rows.use_who = np.searchsorted(numbers, table["who"])
        rows.use = table["use"].astype(np.int64)
