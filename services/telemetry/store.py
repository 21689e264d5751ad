"""The telemetry store: takes samples (one process a host) and answers what is asked of them.

``Store`` is both sides. The writing side needs the standard library and orjson; the reading side
loads numpy when it is first asked.
"""

import dataclasses
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from services.engines.silicon.models import Machine, ProviderState, Sample
from services.errors import ConflictError, InputError, NotFoundError, PlatformError
from services.telemetry import machines, notes, removal
from services.telemetry.folder import DAY_S, HOUR_S, HostFolder, Retention, slug
from services.telemetry.latest import AHEAD_S
from services.telemetry.models import Event, HostState, OwnerUse, Series
from services.telemetry.writing import SegmentWriter

if TYPE_CHECKING:
    from services.telemetry.reading import Reader

logger = logging.getLogger(__name__)

LOST_AFTER_S = 60.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _opened(folder: HostFolder) -> SegmentWriter:
    try:
        return SegmentWriter(folder)
    except OSError as error:
        raise PlatformError(
            f"The telemetry of {folder.slug} could not be written ({error.strerror or error}).",
            "Free some space, or look who owns the folder; it is tried again.",
        ) from error


class Store:
    """Telemetry of several machines in one folder, one folder each."""

    def __init__(
        self,
        folder: Path,
        *,
        keep: Retention | None = None,
        lost_after_s: float = LOST_AFTER_S,
        now: Callable[[], datetime] = _utc_now,
        merge_in_background: bool = True,
    ) -> None:
        """Name the folder; nothing is opened or locked before it is written or asked.

        Args:
            folder: Of all hosts, e.g. ``MLOPS_HOME/telemetry``.
            keep: How long which detail is kept.
            lost_after_s: A machine silent for longer is lost (an event).
            now: The clock.
            merge_in_background: Start a process that merges when a segment was closed.
        """
        self._root = folder
        self._keep = keep or Retention()
        self._lost_after_s = lost_after_s
        self._now = now
        self._in_background = merge_in_background
        self._writers: dict[str, SegmentWriter] = {}
        self._heard: dict[str, float] = {}
        self._told: dict[str, tuple[Machine, tuple[ProviderState, ...]]] = {}
        self._writing = threading.Lock()
        self._merging: subprocess.Popen[bytes] | None = None
        self._read: Reader | None = None

    # Writing

    def introduce(self, machine: Machine, providers: Sequence[ProviderState], /) -> None:
        """Say what the machine is; again when something changed.

        Raises:
            InputError: The machine has no name.
            PlatformError: It could not be written; what was known before stays.
        """
        if not machine.host.strip():
            raise InputError("A machine without a name sent telemetry.", "Give it a name.")
        machines.write(self._folder(machine.host), machine, providers)
        self._told[machine.host] = machine, tuple(providers)

    def append(self, sample: Sample, /) -> None:
        """Keep one sample, also one that comes late; of two with one time the later one.

        Raises:
            InputError: It has no time zone, is of the future, or older than what is kept.
            PlatformError: Another process writes this host; or the disk takes nothing: the sample
                waits in memory then, and goes to disk with the next one that finds room.
        """
        self._check(sample)
        with self._writing:
            self._close_silent()
            self._heard[sample.host] = time.monotonic()
            if self._writer(sample.host).append(sample):
                self._merge()

    def note(self, event: Event, /) -> None:
        """Keep an event that is not read off the samples; from any process.

        Raises:
            InputError: It has no time zone.
            PlatformError: The disk takes nothing.
        """
        if event.at.tzinfo is None:
            raise InputError(f"The event “{event.title}” has a time without a zone.", "Use UTC.")
        folder = self._folder(event.host)
        if not folder.machine.exists():
            machines.write(folder, machines.unknown(event.host), ())
        notes.write(folder, event)

    def rename(self, old: str, new: str) -> None:
        """Give a machine and all its history another name; its writer here is closed first.

        Raises:
            NotFoundError: There is no machine of the old name.
            ConflictError: There is one of the new name already.
            PlatformError: Another process writes it.
        """
        before, after = self._folder(old), self._folder(new)
        if not before.path.is_dir():
            raise NotFoundError(f"No machine named {old} has sent telemetry.")
        if after.path.exists():
            raise ConflictError(
                f"There is a machine named {new} with a history of its own.",
                "Choose another name, or leave both: each keeps its history.",
            )
        if writer := self._writers.pop(old, None):
            writer.close()
        _opened(before).close()  # nobody else writes it
        machine, providers = machines.read(before) or (machines.unknown(old), ())
        # The name first: killed between the two, the same call again finishes it.
        machines.write(before, dataclasses.replace(machine, host=new), providers)
        before.path.rename(after.path)

    def remove(self, host: str) -> None:
        """Remove a machine that reports no more, with all its history.

        Raises:
            NotFoundError: There is no machine of that name.
            ConflictError: It still reports, or a process has its files open.
            PlatformError: The files cannot be removed.
        """
        folder = self._folder(host)
        if not folder.path.is_dir():
            raise NotFoundError(f"No machine named {host[:80]} has sent telemetry.")
        if said := self.still_reports(host):
            raise ConflictError(
                said,
                "End its agent, or the platform on it; a minute later it can be removed.",
            )
        with self._writing:
            if writer := self._writers.pop(host, None):
                writer.close()
            self._told.pop(host, None)
        removal.remove(self._root, folder, host)

    def still_reports(self, host: str) -> str:
        """Return a sentence when a machine's newest sample is of now; empty when it is silent."""
        state = next((one for one in self.hosts() if one.machine.host == host), None)
        if state is None or state.last_at is None:
            return ""
        silent_s = (self._now() - state.last_at).total_seconds()
        if silent_s > self._lost_after_s:
            return ""
        return f"{host} still reports: its newest sample is {max(0.0, silent_s):.0f} s old."

    def known(self) -> tuple[tuple[Machine, tuple[ProviderState, ...]], ...]:
        """Return what every machine said it is; nothing of its samples is read."""
        paths = self._root.iterdir() if self._root.is_dir() else ()
        folders = (HostFolder(path) for path in sorted(paths) if not path.name.startswith("."))
        return tuple(filter(None, map(machines.read, folders)))

    def knows(self, host: str) -> bool:
        """Return whether there are files of a machine."""
        return self._folder(host).machine.exists()

    def sweep(self) -> None:
        """Clear what a removal left that was killed.

        Raises:
            PlatformError: Something of it cannot be removed.
        """
        removal.cleared(self._root)

    def close(self) -> None:
        """Close what is being written, and wait for a merge that runs."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
        if self._merging:
            self._merging.wait()
            self._merging = None

    def merge(self) -> None:
        """Close what is being written and merge it here and now.

        Raises:
            PlatformError: A merge runs already, or the disk is full; nothing is lost.
        """
        from services.telemetry.compaction import compact_all

        for writer in self._writers.values():
            writer.close_segment()
        if self._root.is_dir():
            compact_all(self._root, self._keep, self._lost_after_s, self._now().timestamp())

    def _check(self, sample: Sample) -> None:
        if sample.at.tzinfo is None:
            raise InputError(
                f"A sample of {sample.host} has a time without a zone ({sample.at}).", "Use UTC."
            )
        now = self._now()
        if sample.at > now + timedelta(seconds=AHEAD_S):
            raise InputError(
                f"A sample of {sample.host} is of {sample.at:%Y-%m-%d %H:%M:%S %Z}, which is still "
                f"to come (it is {now:%Y-%m-%d %H:%M:%S %Z}): it was not kept.",
                f"Set the clock of {sample.host} right.",
            )
        oldest = now - timedelta(seconds=self._keep.of("full") - HOUR_S)
        if sample.at < oldest:
            raise InputError(
                f"A sample of {sample.host} is of {sample.at:%Y-%m-%d %H:%M}, older than "
                f"the {self._keep.of('full') / DAY_S:g} days for which samples are kept: it was "
                f"not kept.",
                "Set `telemetry_full_days` higher if machines stay away for longer.",
            )

    def _writer(self, host: str) -> SegmentWriter:
        writer = self._writers.get(host)
        if writer is not None and not writer.in_place():
            logger.warning("The folder of %s was taken away: it begins anew.", host)
            writer.abandon()
            writer = None
        if writer is None:
            folder = self._folder(host)
            if not folder.machine.exists():
                machines.write(folder, *self._told.get(host, (machines.unknown(host), ())))
            writer = self._writers[host] = _opened(folder)
            if folder.segments(".log"):
                self._merge()
        return writer

    def _close_silent(self) -> None:
        """Let go of the files of machines that went silent: they can be merged, or removed."""
        before = time.monotonic() - self._lost_after_s
        for host in [one for one in self._writers if self._heard.get(one, 0.0) < before]:
            if not self._writers[host].waiting:
                self._writers.pop(host).close()
                self._merge()

    def _folder(self, host: str) -> HostFolder:
        return HostFolder(self._root / slug(host))

    def _merge(self) -> None:
        if not self._in_background or (self._merging and self._merging.poll() is None):
            return
        asked = {
            "folder": str(self._root),
            "keep": dataclasses.asdict(self._keep),
            "lost_after_s": self._lost_after_s,
        }
        program = [
            sys.executable,
            "-m",
            "services.telemetry.compaction",
            orjson.dumps(asked).decode(),
        ]
        try:
            self._merging = subprocess.Popen(program, stdin=subprocess.DEVNULL)
        except OSError as error:  # no memory, no processes left: the next segment tries again
            logger.warning("Telemetry could not be merged now: %s.", error.strerror or error)

    # Reading

    def hosts(self) -> tuple[HostState, ...]:
        """Return all machines, by name."""
        return self._reader().hosts(AHEAD_S)

    def series(
        self,
        host: str,
        metrics: Sequence[str],
        start: datetime,
        end: datetime,
        /,
        points: int = 600,
    ) -> tuple[Series, ...]:
        """Return one series a metric, all on one time axis, with at most ``points`` points.

        Where single samples fit, each is a point, and one point without a value marks a gap.
        Else each bucket is a point; buckets begin at whole multiples of their width since 1970, so
        the first and the last may reach over the interval. What was downsampled since is drawn in
        buckets that wide at least. ``reasons`` has the newest of each bucket.

        Raises:
            NotFoundError: No such machine.
            InputError: The interval is empty or without a time zone, or ``points`` below 1.
        """
        return self._reader().series(host, metrics, start, end, points)

    def samples(
        self, host: str, start: datetime, end: datetime, /, metrics: Sequence[str] | None = None
    ) -> tuple[Sample, ...]:
        """Return the samples as they were taken, while they are kept so; of some metrics or all.

        Figures are in the steps of their units (``shapes.STEPS``), processes in order of pid.

        Raises:
            NotFoundError: No such machine.
            InputError: The interval is empty or without a time zone.
        """
        return self._reader().samples(host, start, end, metrics)

    def owners(
        self, host: str, start: datetime, end: datetime, /, points: int = 600
    ) -> tuple[OwnerUse, ...]:
        """Return what each owner's processes used, by the minute or wider, oldest first.

        Raises:
            NotFoundError: No such machine.
            InputError: The interval is empty or without a time zone.
        """
        return self._reader().owners(host, start, end, points)

    def events(
        self, start: datetime, end: datetime, /, host: str | None = None
    ) -> tuple[Event, ...]:
        """Return what happened, oldest first.

        Raises:
            NotFoundError: No such machine.
            InputError: The interval is empty or without a time zone.
        """
        return self._reader().events(start, end, host)

    def problems(self) -> tuple[str, ...]:
        """Return a sentence for each damaged file that was set aside."""
        return self._reader().problems()

    def _reader(self) -> "Reader":
        if self._read is None:
            from services.telemetry.reading import Reader

            self._read = Reader(self._root, self._lost_after_s, self._now)
        return self._read
