"""Closed segments become columns; old columns become coarser, then go.

``python -m services.telemetry.compaction JSON`` is started by the writer when a segment was closed,
and ends when there is nothing left to do: numpy stays out of the sampler. A kill at any point
leaves files that are whole (each is written in one step) and the segments, which are removed last
and merged again: merging twice is merging once, for of two samples with one time one is kept.
"""

import contextlib
import logging
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from services.errors import PlatformError
from services.telemetry import blocks, buckets, closed, removal, states
from services.telemetry import owners as by_owner
from services.telemetry.buckets import Buckets
from services.telemetry.folder import (
    DAY_S,
    HOUR_S,
    TIERS,
    WINDOWS,
    HostFolder,
    Retention,
    lock,
)
from services.telemetry.rows import Rows, SegmentReader, merged
from services.telemetry.writing import close_left

logger = logging.getLogger(__name__)

_AT_ONCE = 48
"""Segments merged in one go: two days; a longer absence is caught up in steps."""


@dataclass(slots=True)
class _Hours:
    """What a merge touched."""

    buckets: dict[int, Buckets] = field(default_factory=dict)
    owners: dict[int, by_owner.OwnerRows] = field(default_factory=dict)
    changes: dict[int, dict[str, Any]] = field(default_factory=dict)


class Compactor:
    """Merges the closed segments of one host and forgets what is too old."""

    def __init__(self, folder: HostFolder, keep: Retention, lost_after_s: float) -> None:
        self._folder = folder
        self._keep = keep
        self._lost_after_s = lost_after_s

    def run(self, now_s: float) -> None:
        """Merge what there is, then forget what is too old (also when there was no room).

        Raises:
            OSError: The disk is full; everything is still readable, and the next run goes on.
        """
        # In this order: an hour that is due to go may still be joined by its last samples.
        try:
            self._close_abandoned()
            while closed_ones := self._folder.segments(".log")[:_AT_ONCE]:
                self._merge([SegmentReader(path) for path in closed_ones])
        finally:
            self._forget(now_s)

    def _close_abandoned(self) -> None:
        """Close what a writer left that was killed and never came back."""
        old_s = time.time() - DAY_S
        left = [p for p in self._folder.segments(".open") if p.stat().st_mtime < old_s]
        if left:
            with contextlib.suppress(PlatformError):  # it is there, and takes samples rarely
                handle = lock(self._folder.path / "writer.lock", "")
                for path in left:
                    close_left(path)
                os.close(handle)

    def _forget(self, now_s: float) -> None:
        for kind, window in WINDOWS.items():
            for start in self._folder.starts(kind):
                if start + window + self._keep.of(kind) < now_s:
                    self._folder.block(kind, start).unlink(missing_ok=True)
        oldest = time.strftime("%Y-%m", time.gmtime(now_s - self._keep.of("notes")))
        for path in self._folder.notes.glob("*.jsonl"):
            if path.stem < oldest:
                path.unlink(missing_ok=True)

    def _merge(self, readers: Sequence[SegmentReader]) -> None:
        parts: dict[int, list[Rows]] = defaultdict(list)
        for reader in readers:
            reader.refresh()
            rows = reader.ordered()
            for hour in sorted(set((rows.times // (HOUR_S * 1_000_000)).tolist())):
                start = hour * HOUR_S
                parts[start].append(rows.between(start * 1_000_000, (start + HOUR_S) * 1_000_000))
        touched = _Hours()
        for start in sorted(parts):
            rows = self._merge_hour(start, parts[start])
            touched.buckets[start] = buckets.of_rows(rows, TIERS[0])
            touched.owners[start] = by_owner.of_rows(rows)
            touched.changes[start] = states.changes_of(rows, self._lost_after_s)
        self._merge_owners(touched)
        self._merge_tiers(touched)
        for reader in readers:
            self._done_with(reader)

    def _merge_hour(self, start: int, parts: list[Rows]) -> Rows:
        before = closed.opened(self._folder, "full", start, check=True)
        processes = closed.opened(self._folder, "processes", start, check=True)
        if before:
            old = closed.read_full(before)
            if processes:
                closed.add_processes(processes, old)
            parts = [old, *parts]
        rows = merged(parts)
        closed.write_processes(self._folder.block("processes", start), rows)
        closed.write_full(self._folder.block("full", start), rows)
        return rows

    def _merge_owners(self, touched: _Hours) -> None:
        for day, hours in _by_window(touched.owners, WINDOWS["owners"]).items():
            before = closed.opened(self._folder, "owners", day, check=True)
            spans = [(hour, hour + HOUR_S) for hour in hours]
            old = [by_owner.of_block(before).without(spans)] if before else []
            rows = by_owner.wider(
                [*old, *(touched.owners[h] for h in hours)], by_owner.OWNER_WIDTH_S
            )
            path = self._folder.block("owners", day)
            blocks.write(path, {"owners": rows.owners}, rows.columns)

    def _merge_tiers(self, touched: _Hours) -> None:
        for place, width in enumerate(TIERS):
            for start, hours in _by_window(touched.buckets, WINDOWS[str(width)]).items():
                before = closed.opened(self._folder, str(width), start, check=True)
                spans = sorted({_span(hour, width) for hour in hours})
                if before is None:
                    spans = [(start, start + WINDOWS[str(width)])]
                fresh = self._finer(place, spans, touched)
                old = [buckets.of_block(before, width).without(spans)] if before else []
                self._write_tier(width, start, [*old, *fresh], before, touched)

    def _finer(
        self, place: int, spans: Sequence[tuple[int, int]], touched: _Hours
    ) -> list[Buckets]:
        """Return the buckets of the tier below in some spans (of the hours below the first)."""
        if place == 0:
            return [self._minutes(hour, touched) for hour in self._hours_in(spans, touched)]
        kind = str(TIERS[place - 1])
        found = []
        for start in self._folder.starts(kind):
            inside = [s for s in spans if s[0] < start + WINDOWS[kind] and s[1] > start]
            block = closed.opened(self._folder, kind, start) if inside else None
            if block:
                rows = buckets.of_block(block, TIERS[place - 1])
                found += [rows.between(*span) for span in inside]
        return found

    def _hours_in(self, spans: Sequence[tuple[int, int]], touched: _Hours) -> list[int]:
        full = {*self._folder.starts("full"), *touched.buckets}
        return sorted(hour for hour in full if any(a <= hour < b for a, b in spans))

    def _minutes(self, hour: int, touched: _Hours) -> Buckets:
        if hour in touched.buckets:
            return touched.buckets[hour]
        block = closed.opened(self._folder, "full", hour, check=True)
        rows = closed.read_full(block) if block else merged([])
        if hour not in touched.changes:
            touched.changes[hour] = states.changes_of(rows, self._lost_after_s)
        return buckets.of_rows(rows, TIERS[0])

    def _write_tier(
        self,
        width: int,
        start: int,
        parts: Sequence[Buckets],
        before: blocks.Block | None,
        touched: _Hours,
    ) -> None:
        names = list(dict.fromkeys(name for part in parts for name in part.stats))
        rows = buckets.wider(parts, width, names)
        header: dict[str, Any] = {
            "metrics": names,
            "reasons": rows.reasons,
        }
        if width == STATES_WIDTH_S:
            # As text: who reads a chart reads the header, and these are most of it.
            header["hours"] = orjson.dumps(self._changes(start, before, touched)).decode()
        blocks.write(self._folder.block(str(width), start), header, buckets.columns_of(rows))

    def _changes(
        self, start: int, before: blocks.Block | None, touched: _Hours
    ) -> dict[str, states.Changes]:
        end = start + WINDOWS[str(STATES_WIDTH_S)]
        if before is None:  # a new one, or one that was damaged: as far as the hours are there
            for hour in self._hours_in([(start, end)], touched):
                self._minutes(hour, touched)
        known: dict[int, states.Changes] = {}
        if before:
            known = before.hours
        known.update((h, c) for h, c in touched.changes.items() if start <= h < end)
        return {str(hour): known[hour] for hour in sorted(known)}

    def _done_with(self, reader: SegmentReader) -> None:
        if reader.damaged_bytes or reader.unread_samples:
            self._folder.set_aside(
                reader.path,
                f"{reader.damaged_bytes} bytes of {reader.path.name} ({self._folder.slug}) are "
                f"damaged: its other samples were kept, the file was set aside in "
                f"{self._folder.quarantine}.",
            )
        reader.path.unlink(missing_ok=True)  # also if there was no room for a quarantine


STATES_WIDTH_S = TIERS[1]
"""The tier whose blocks keep the changes of state."""


def _span(hour: int, width: int) -> tuple[int, int]:
    size = max(HOUR_S, width)
    begin = hour - hour % size
    return begin, begin + size


def _by_window(hours: Iterable[int], window: int) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for hour in sorted(hours):
        found[hour - hour % window].append(hour)
    return found


def compact_all(root: Path, keep: Retention, lost_after_s: float, now_s: float) -> None:
    """Merge what is closed of every host.

    Raises:
        PlatformError: Another process is at it, or the disk is full: said of each host.
    """
    handle = lock(root / "compaction.lock", f"Telemetry in {root} is being merged already.")
    refused = []
    try:
        with contextlib.suppress(OSError):  # tried again the next time
            removal.sweep(root)
        for path in sorted(root.iterdir()):
            if (path / "open").is_dir() and not path.name.startswith("."):
                try:
                    Compactor(HostFolder(path), keep, lost_after_s).run(now_s)
                except OSError as error:
                    refused.append(f"{path.name}: {error.strerror or error}")
    finally:
        os.close(handle)
    if refused:
        raise PlatformError(
            f"Telemetry could not be merged ({'; '.join(refused)}). Nothing is lost.",
            "Free some space; the next run goes on.",
        )


def main(argument: str) -> int:
    """Merge as the argument says; return the exit code."""
    asked = orjson.loads(argument)
    os.nice(10)
    try:
        compact_all(
            Path(asked["folder"]), Retention(**asked["keep"]), asked["lost_after_s"], time.time()
        )
    except PlatformError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
