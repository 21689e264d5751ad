"""Samples put together by time: sums, extremes, last figures and counts a quality of each bucket.

Sums are whole numbers, so that buckets of buckets are exactly the buckets of the samples, in
whatever order and however often they are put together.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from services.telemetry.blocks import Block, Ints
from services.telemetry.rows import CODES, UNAVAILABLE, Rows

_FAR = np.int64(2**62)


@dataclass(frozen=True, slots=True)
class Stat:
    """One metric of each bucket, in steps; ``low`` to ``last`` mean nothing where none is known."""

    total: Ints
    low: Ints
    high: Ints
    last: Ints
    measured: Ints
    estimated: Ints
    unavailable: Ints
    reason: Ints
    """Number of the newest reason of a missing figure; -1: none is missing."""

    @property
    def known(self) -> Ints:
        """Return how many figures a bucket has."""
        return self.measured + self.estimated


@dataclass(frozen=True, slots=True)
class Buckets:
    """Buckets of one width, in order, those without a sample left out."""

    width_s: int
    keys: Ints
    """Begin in seconds since 1970, divided by the width."""
    stats: dict[str, Stat]
    reasons: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.keys)

    def between(self, start_s: int, end_s: int) -> "Buckets":
        """Return the buckets that begin in a half-open interval."""
        begin, end = -(-start_s // self.width_s), -(-end_s // self.width_s)
        low, high = np.searchsorted(self.keys, (begin, end))
        if low == 0 and high == len(self):
            return self
        return self.where(np.arange(low, high))

    def without(self, spans: Iterable[tuple[int, int]]) -> "Buckets":
        """Return the buckets that begin in none of some half-open intervals of seconds."""
        begins = self.keys * self.width_s
        kept = np.ones(len(self), dtype=bool)
        for start_s, end_s in spans:
            kept &= (begins < start_s) | (begins >= end_s)
        return self if kept.all() else self.where(np.flatnonzero(kept))

    def where(self, places: Ints) -> "Buckets":
        """Return some buckets."""
        stats = {name: _each(stat, lambda c: c[places]) for name, stat in self.stats.items()}
        return Buckets(self.width_s, self.keys[places], stats, self.reasons)


def _each(stat: Stat, change: Callable[[Ints], Ints]) -> Stat:
    return Stat(
        change(stat.total), change(stat.low), change(stat.high), change(stat.last),
        change(stat.measured), change(stat.estimated), change(stat.unavailable),
        change(stat.reason),
    )  # fmt: skip


def of_rows(rows: Rows, width_s: int, metrics: Sequence[str] | None = None) -> Buckets:
    """Put samples together; they must be in order of time."""
    names = rows.metrics() if metrics is None else metrics
    keys = rows.times // (width_s * 1_000_000)
    reasons: dict[str, int] = {}
    stats = {}
    for name in names:
        code = rows.code(name)
        value = rows.values.get(name)
        value = np.zeros(len(rows), dtype=np.int64) if value is None else value
        known = (code > 0) & (code < UNAVAILABLE)
        stats[name] = Stat(
            value,  # 0 where there is no figure
            np.where(known, value, _FAR),
            np.where(known, value, -_FAR),
            value,
            (code == CODES["measured"]).astype(np.int64),
            (code == CODES["estimated"]).astype(np.int64),
            (code == UNAVAILABLE).astype(np.int64),
            _reason(rows, name, code, reasons),
        )
    return _grouped(Buckets(width_s, keys, stats, tuple(reasons)))


def _reason(rows: Rows, metric: str, code: Ints, reasons: dict[str, int]) -> Ints:
    missing = code == UNAVAILABLE
    if not missing.any():
        return np.full(len(rows), -1, dtype=np.int64)
    table = np.full(len(rows.shapes), -1, dtype=np.int64)
    for number, shape in enumerate(rows.shapes):
        place = shape.index.get(metric)
        if place is not None and shape.said[place].quality == "unavailable":
            table[number] = reasons.setdefault(shape.said[place].reason, len(reasons))
    return table[rows.shape]


def wider(
    parts: Sequence[Buckets], width_s: int, metrics: Iterable[str], *, last: bool = True
) -> Buckets:
    """Put buckets together to wider ones.

    Args:
        parts: In any order, none overlapping another; their widths divide ``width_s``.
        width_s: Of the result.
        metrics: Which; one that a part does not know is not asked there.
        last: Without it, the last figures mean nothing: a chart draws none.
    """
    parts = [part for part in parts if len(part)]
    if not parts:
        return Buckets(width_s, np.zeros(0, dtype=np.int64), {})
    begins = np.concatenate([part.keys * part.width_s for part in parts])
    numbers: dict[str, int] = {}
    for part in parts:
        for reason in part.reasons:
            numbers.setdefault(reason, len(numbers))
    tables = [np.array([*(numbers[r] for r in p.reasons), -1], dtype=np.int64) for p in parts]
    stats = {name: _joined(parts, tables, name) for name in metrics}
    joined = Buckets(width_s, begins // width_s, stats, tuple(numbers))
    if (np.diff(begins) < 0).any():
        joined = joined.where(np.argsort(begins, kind="stable"))
    return _grouped(joined, last=last)


def _joined(parts: Sequence[Buckets], tables: Sequence[Ints], name: str) -> Stat:
    found = [part.stats.get(name) or _unasked(len(part)) for part in parts]

    def column(field: str) -> Ints:
        return np.concatenate([getattr(stat, field) for stat in found])

    known = column("measured") + column("estimated") > 0
    return Stat(
        column("total"),
        np.where(known, column("low"), _FAR),
        np.where(known, column("high"), -_FAR),
        column("last"),
        column("measured"),
        column("estimated"),
        column("unavailable"),
        np.concatenate([t[stat.reason] for t, stat in zip(tables, found, strict=True)]),
    )


def _unasked(length: int) -> Stat:
    zero = np.zeros(length, dtype=np.int64)
    return Stat(zero, zero, zero, zero, zero, zero, zero, zero - 1)


def _grouped(fine: Buckets, *, last: bool = True) -> Buckets:
    """Put rows with the same key together; the keys must be in order."""
    if not len(fine):
        return fine
    begins = np.flatnonzero(np.diff(fine.keys, prepend=fine.keys[0] - 1))
    if len(begins) == len(fine):
        return fine
    stats = {name: _grouped_stat(stat, begins, last=last) for name, stat in fine.stats.items()}
    return Buckets(fine.width_s, fine.keys[begins], stats, fine.reasons)


def _grouped_stat(stat: Stat, begins: Ints, *, last: bool) -> Stat:
    known = stat.measured + stat.estimated > 0
    return Stat(
        np.add.reduceat(stat.total, begins),
        np.minimum.reduceat(stat.low, begins),
        np.maximum.reduceat(stat.high, begins),
        stat.last[_last(known, begins) if last else begins],
        np.add.reduceat(stat.measured, begins),
        np.add.reduceat(stat.estimated, begins),
        np.add.reduceat(stat.unavailable, begins),
        stat.reason[_last(stat.reason >= 0, begins)],
    )


def _last(wanted: np.ndarray[tuple[int], np.dtype[np.bool_]], begins: Ints) -> Ints:
    """Return the place of the last wanted row of each group (the first row where none is)."""
    places = np.where(wanted, np.arange(len(wanted)), 0)
    return np.maximum(np.maximum.reduceat(places, begins), begins)


def columns_of(buckets: Buckets) -> dict[str, Ints]:
    """Return the columns to keep: extremes as distances from the mean, which are small numbers."""
    columns = {"keys": buckets.keys}
    for name, stat in buckets.stats.items():
        known = stat.known
        mean = stat.total // np.maximum(known, 1)
        for suffix, column in (
            ("m", mean),
            ("+", stat.total - mean * known),
            ("l", np.where(known > 0, mean - stat.low, 0)),
            ("h", np.where(known > 0, stat.high - mean, 0)),
            ("z", np.where(known > 0, stat.last - mean, 0)),
            ("n", stat.measured),
            ("e", stat.estimated),
            ("u", stat.unavailable),
            ("r", stat.reason),
        ):
            columns[f"{name}.{suffix}"] = column
    return columns


def of_block(
    block: Block, width_s: int, metrics: Iterable[str] | None = None, *, last: bool = True
) -> Buckets:
    """Read buckets again; without ``last`` where nobody looks at the last figures.

    Raises:
        DamagedError: A column is not as it was written.
    """
    names = metrics if metrics is not None else block.header["metrics"]
    stats = {name: _read_stat(block, name, last=last) for name in names if f"{name}.m" in block}
    return Buckets(width_s, block.column("keys"), stats, tuple(block.header["reasons"]))


def _read_stat(block: Block, name: str, *, last: bool) -> Stat:
    mean = block.column(f"{name}.m")
    measured, estimated = block.column(f"{name}.n"), block.column(f"{name}.e")
    return Stat(
        mean * (measured + estimated) + block.column(f"{name}.+"),
        mean - block.column(f"{name}.l"),
        mean + block.column(f"{name}.h"),
        mean + block.column(f"{name}.z") if last else mean,
        measured,
        estimated,
        block.column(f"{name}.u"),
        block.column(f"{name}.r"),
    )
