"""What a reader sees of one host at one moment, without a lock: segments first, then blocks.

The merger writes the blocks of a segment before it removes the segment, so nothing is missed. What
is in both counts once: an hour with samples in a segment is read sample by sample, and of two with
one time one is kept; coarser blocks are used for the hours without.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from services.telemetry import buckets, closed, states
from services.telemetry import owners as by_owner
from services.telemetry.blocks import Block, DamagedError
from services.telemetry.buckets import Buckets
from services.telemetry.folder import HOUR_S, TIERS, WINDOWS, HostFolder
from services.telemetry.rows import Rows, SegmentReader, merged

_US = 1_000_000
_BLOCKS = 96
_TRIES = 50
_BACK = 2
"""Hours in which the newest samples are looked for, from the last that has any."""


class Segments:
    """The segments of a host as far as they were read; kept from question to question."""

    def __init__(self, folder: HostFolder) -> None:
        self._folder = folder
        self._readers: dict[str, SegmentReader] = {}
        self._lock = threading.Lock()

    def read(self) -> list[tuple[str, Rows]]:
        """Return each segment's id and samples, oldest segment first."""
        with self._lock:
            for _ in range(_TRIES):
                try:
                    return self._read()
                except FileNotFoundError:  # closed or merged since it was listed: list again
                    continue
            return self._read()

    def _read(self) -> list[tuple[str, Rows]]:
        found: dict[str, SegmentReader] = {}
        for path in self._folder.segments():
            key = path.name.partition(".")[0]
            reader = self._readers.get(key) or SegmentReader(path)
            reader.path = path
            reader.refresh()
            found[key] = reader
        self._readers = found
        return [(key, reader.ordered()) for key, reader in found.items()]


class Blocks:
    """The blocks last used, as files and headers; columns are decoded when asked for."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, int], tuple[tuple[int, int], Block]]
        self._kept = OrderedDict()
        self._lock = threading.Lock()

    def open(self, folder: HostFolder, kind: str, start: int) -> Block | None:
        """Return a block; None when there is none or it is damaged (then it is set aside)."""
        key = (str(folder.path), kind, start)
        try:
            stat = folder.block(kind, start).stat()
        except FileNotFoundError:
            return None
        version = (stat.st_ino, stat.st_mtime_ns)
        with self._lock:
            kept = self._kept.get(key)
            if kept and kept[0] == version:
                self._kept.move_to_end(key)
                return kept[1]
        block = closed.opened(folder, kind, start)
        if block:
            with self._lock:
                self._kept[key] = version, block
                while len(self._kept) > _BLOCKS:
                    self._kept.popitem(last=False)
        return block


class Snapshot:
    """One host at one moment."""

    def __init__(
        self, folder: HostFolder, segments: Sequence[tuple[str, Rows]], opened: Blocks
    ) -> None:
        self.folder = folder
        self._blocks = opened
        self._listed: dict[str, list[int]] = {}
        self._hours: dict[int, list[Rows]] = {}
        for _, rows in segments:
            for hour in set((rows.times // (HOUR_S * _US)).tolist()):
                start = hour * HOUR_S
                part = rows.between(start * _US, (start + HOUR_S) * _US)
                self._hours.setdefault(start, []).append(part)

    def hours(self) -> list[int]:
        """Return the hours of which there are single samples, in order."""
        return sorted({*self.starts("full"), *self._hours})

    def starts(self, kind: str) -> list[int]:
        """Return where the windows begin of which there is a block, in order; listed once."""
        if kind not in self._listed:
            self._listed[kind] = self.folder.starts(kind)
        return self._listed[kind]

    def block(self, kind: str, start: int) -> Block | None:
        """Return a block, None where there is none that can be read."""
        return self._blocks.open(self.folder, kind, start)

    def rows(
        self,
        start_us: int,
        end_us: int,
        metrics: Sequence[str] | None = None,
        *,
        processes: bool = False,
    ) -> Rows:
        """Return the single samples of a half-open interval, in the order of time."""
        first, last = start_us // _US - HOUR_S, -(-end_us // _US)
        parts: list[Rows] = []
        for hour in self.hours():
            if first < hour < last:
                parts += self._of_hour(hour, metrics, processes=processes)
        return merged(parts, metrics).between(start_us, end_us)

    def _of_hour(
        self, hour: int, metrics: Sequence[str] | None, *, processes: bool
    ) -> Iterable[Rows]:
        block = self.block("full", hour)
        rows = self._decoded(block, hour, metrics) if block else None
        if rows is not None:
            if processes:
                self._add_processes(hour, rows)
            yield rows
        yield from self._hours.get(hour, ())

    def _decoded(self, block: Block, hour: int, metrics: Sequence[str] | None) -> Rows | None:
        try:
            return closed.read_full(block, metrics)
        except DamagedError:
            self._set_aside("full", hour)
            return None

    def _add_processes(self, hour: int, rows: Rows) -> None:
        block = self.block("processes", hour)
        if block:
            try:
                closed.add_processes(block, rows)
            except DamagedError:
                self._set_aside("processes", hour)

    def _set_aside(self, kind: str, start: int) -> None:
        path = self.folder.block(kind, start)
        self.folder.set_aside(path, closed.sentence_of(self.folder, kind, start))

    def fresh(self, kind: str, start: int, end: int) -> list[int]:
        """Return the hours of an interval whose samples are perhaps not in the blocks of a kind."""
        return [hour for hour in sorted(self._hours) if start - WINDOWS[kind] < hour < end]

    def tier(
        self, width: int, start: int, end: int, metrics: Sequence[str] | None
    ) -> list[Buckets]:
        """Return buckets of a tier that begin in an interval of seconds; parts in any order."""
        kind, size = str(width), max(HOUR_S, width)
        spans = sorted({hour - hour % size for hour in self.fresh(kind, start, end)})
        parts = []
        for begin in self._starts(kind, start, end):
            block = self.block(kind, begin)
            if block:
                found = self._buckets(block, width, begin, metrics)
                parts.append(found.without([(s, s + size) for s in spans]))
        for begin in spans:
            rows = self.rows(begin * _US, (begin + size) * _US, metrics)
            parts.append(buckets.of_rows(rows, width, metrics))
        return [part.between(start, end) for part in parts]

    def _starts(self, kind: str, start: int, end: int) -> list[int]:
        window = WINDOWS[kind]
        return [begin for begin in self.starts(kind) if start - window < begin < end]

    def _buckets(
        self, block: Block, width: int, begin: int, metrics: Sequence[str] | None
    ) -> Buckets:
        try:
            return buckets.of_block(block, width, metrics, last=False)
        except DamagedError:
            self._set_aside(str(width), begin)
            return buckets.wider([], width, ())

    def holds_before(self, kind: str, start: int, end: int) -> bool:
        """Return whether a tier has buckets that begin in an interval."""
        width = int(kind)
        for begin in self._starts(kind, start, end):
            block = self.block(kind, begin)
            if block and len(self._buckets(block, width, begin, ()).between(start, end)):
                return True
        return False

    def owners(self, start: int, end: int) -> list[by_owner.OwnerRows]:
        """Return minutes by owner that begin in an interval of seconds."""
        hours = self.fresh("owners", start, end)
        parts = []
        for begin in self._starts("owners", start, end):
            block = self.block("owners", begin)
            if block:
                found = self._owner_rows(block, begin)
                parts.append(found.without([(hour, hour + HOUR_S) for hour in hours]))
        for hour in hours:
            rows = self.rows(hour * _US, (hour + HOUR_S) * _US, (), processes=True)
            parts.append(by_owner.of_rows(rows))
        return [part.between(start, end) for part in parts]

    def _owner_rows(self, block: Block, begin: int) -> by_owner.OwnerRows:
        try:
            return by_owner.of_block(block)
        except DamagedError:
            self._set_aside("owners", begin)
            return by_owner.wider([], by_owner.OWNER_WIDTH_S)

    def changes(self, start: int, lost_after_s: float) -> list[states.Changes]:
        """Return the changes of state of each hour, from some time before ``start`` to now."""
        kind = str(TIERS[1])
        begins = self.starts(kind)
        before = [begin for begin in begins if begin < start]
        known: dict[int, states.Changes] = {}
        for begin in [*before[-2:], *(b for b in begins if b >= start)]:
            block = self.block(kind, begin)
            if block:
                known.update(block.hours)
        for hour in self.fresh(kind, min(known, default=0), 1 << 62):
            rows = self.rows(hour * _US, (hour + HOUR_S) * _US, tuple(states.WATCHED))
            known[hour] = states.changes_of(rows, lost_after_s)
        return [known[hour] for hour in sorted(known)]

    def newest(self, now_us: int, wanted: int, metrics: Sequence[str] | None = None) -> Rows:
        """Return the newest samples that are not of the future: up to so many.

        With ``metrics``, only these and no processes.
        """
        found: list[Rows] = []
        for hour in reversed(self.hours()):
            if hour * _US > now_us:
                continue
            parts = self._of_hour(hour, metrics, processes=metrics is None)
            tails = [part.between(0, now_us + 1).newest(wanted) for part in parts]
            found.insert(0, merged(tails, metrics).newest(wanted))
            if len(found[0]) >= wanted or len(found) == _BACK:
                break
        return merged(found, metrics).newest(wanted)
