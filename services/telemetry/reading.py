"""The reading side: what pages and services ask, answered from files alone."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from services.engines.silicon.models import ProcessUse, Reading, Sample
from services.errors import InputError, NotFoundError
from services.telemetry import charts, machines, notes, owners, states
from services.telemetry.folder import HostFolder, slug
from services.telemetry.models import Event, HostState, OwnerUse, Series
from services.telemetry.rows import Rows
from services.telemetry.shapes import microseconds, moment, process_use, restored
from services.telemetry.snapshot import Blocks, Segments, Snapshot

_US = 1_000_000
_NEVER = 1 << 61
_NEWEST = 30
"""Samples in which the newest reading of each metric is looked for."""


class Reader:
    """Reads the telemetry of all hosts; any number of these beside one writer a host."""

    def __init__(self, root: Path, lost_after_s: float, now: Callable[[], datetime]) -> None:
        self._root = root
        self._lost_after_s = lost_after_s
        self._now = now
        self._blocks = Blocks()
        self._segments: dict[str, Segments] = {}
        self._states: dict[str, tuple[tuple[object, ...], int, HostState]] = {}
        self._lock = threading.Lock()

    def hosts(self, ahead_s: float) -> tuple[HostState, ...]:
        """Return all machines, by name; samples further ahead of the clock are passed over."""
        now_us = microseconds(self._now()) + int(ahead_s * _US)
        return tuple(
            sorted(
                (self._state(folder, now_us) for folder in self._folders()),
                key=lambda state: state.machine.host,
            )
        )

    def series(
        self, host: str, metrics: Sequence[str], start: datetime, end: datetime, points: int
    ) -> tuple[Series, ...]:
        """Return one series a metric."""
        start_us, end_us = _interval(start, end)
        if points < 1:
            raise InputError(f"A chart of {points} points was asked for.", "Ask for one at least.")
        snapshot = self._snapshot(self._folder(host))
        newest = snapshot.newest(end_us, _NEWEST, ())
        interval_s = _interval_of(newest)
        names = tuple(dict.fromkeys(metrics))
        found = charts.series(snapshot, host, names, start_us, end_us, points, interval_s)
        by_name = {series.metric: series for series in found}
        return tuple(by_name[metric] for metric in metrics)

    def samples(
        self, host: str, start: datetime, end: datetime, metrics: Sequence[str] | None
    ) -> tuple[Sample, ...]:
        """Return single samples."""
        start_us, end_us = _interval(start, end)
        snapshot = self._snapshot(self._folder(host))
        return tuple(
            _samples(host, snapshot.rows(start_us, end_us, metrics, processes=True), metrics)
        )

    def owners(
        self, host: str, start: datetime, end: datetime, points: int
    ) -> tuple[OwnerUse, ...]:
        """Return what each owner used."""
        start_us, end_us = _interval(start, end)
        width = charts.width_of(start_us, end_us, points, owners.OWNER_WIDTH_S)
        begin, stop = charts.aligned(start_us, end_us, width)
        parts = self._snapshot(self._folder(host)).owners(begin, stop)
        return tuple(_owner_uses(host, owners.wider(parts, width)))

    def events(self, start: datetime, end: datetime, host: str | None) -> tuple[Event, ...]:
        """Return what happened, oldest first."""
        start_us, _ = _interval(start, end)
        folders = self._folders() if host is None else [self._folder(host)]
        found = [
            event for folder in folders for event in self._events(folder, start, end, start_us)
        ]
        return tuple(sorted(found, key=lambda event: (event.at, event.host, event.kind)))

    def problems(self) -> tuple[str, ...]:
        """Return a sentence for each damaged file that was set aside."""
        return tuple(sentence for folder in self._folders() for sentence in folder.problems())

    def _events(
        self, folder: HostFolder, start: datetime, end: datetime, start_us: int
    ) -> Iterator[Event]:
        name = self._name(folder)
        hours = self._snapshot(folder).changes(start_us // _US, self._lost_after_s)
        now_us = microseconds(self._now())
        for event in states.events_of(name, hours, self._lost_after_s, now_us):
            if start <= event.at < end:
                yield event
        yield from notes.read(folder, name, start, end)

    def _state(self, folder: HostFolder, now_us: int) -> HostState:
        version = folder.version()
        segments = self._segments_of(folder).read()
        seen = (*version, *((key, len(rows)) for key, rows in segments))
        known = self._states.get(folder.slug)
        if known and known[0] == seen and known[1] <= now_us:
            return known[2]
        state, newest_us = self._built(folder, Snapshot(folder, segments, self._blocks), now_us)
        self._states[folder.slug] = seen, newest_us, state
        return state

    def _built(self, folder: HostFolder, snapshot: Snapshot, now_us: int) -> tuple[HostState, int]:
        """Return a host's state, and until when it may not be taken for that of another time."""
        known = machines.read(folder)
        machine, providers = known or (machines.unknown(folder.slug), ())
        rows = snapshot.newest(now_us, _NEWEST)
        if not len(rows):
            return HostState(machine, None, (), (), providers), _NEVER
        state = HostState(
            machine,
            moment(int(rows.times[-1])),
            _newest_readings(rows),
            _processes(rows, len(rows) - 1),
            providers,
            _interval_of(rows),
        )
        # With samples ahead of the clock the newest changes as time passes: ask again then.
        ahead = snapshot.newest(_NEVER, 1, ()).times[-1] > now_us
        return state, _NEVER if ahead else int(rows.times[-1])

    def _folders(self) -> list[HostFolder]:
        if not self._root.is_dir():
            return []
        paths = (path for path in sorted(self._root.iterdir()) if not path.name.startswith("."))
        found = (HostFolder(path) for path in paths if path.is_dir())
        return [folder for folder in found if folder.machine.exists() or folder.segments()]

    def _folder(self, host: str) -> HostFolder:
        folder = HostFolder(self._root / slug(host))
        if not folder.path.is_dir():
            names = ", ".join(self._name(one) for one in self._folders()) or "none"
            raise NotFoundError(
                f"No machine named {host} has sent telemetry.", f"Known machines: {names}."
            )
        return folder

    def _name(self, folder: HostFolder) -> str:
        known = machines.read(folder)
        return known[0].host if known else folder.slug

    def _snapshot(self, folder: HostFolder) -> Snapshot:
        return Snapshot(folder, self._segments_of(folder).read(), self._blocks)

    def _segments_of(self, folder: HostFolder) -> Segments:
        with self._lock:
            return self._segments.setdefault(folder.slug, Segments(folder))


def _interval(start: datetime, end: datetime) -> tuple[int, int]:
    if start.tzinfo is None or end.tzinfo is None:
        raise InputError(
            f"The interval {start} to {end} has no time zone.", "Give times with one, e.g. in UTC."
        )
    if start >= end:
        raise InputError(f"The interval ends ({end}) before it begins ({start}).", "Swap the two.")
    return microseconds(start), microseconds(end)


def _interval_of(rows: Rows) -> float:
    """Return the seconds between samples; 2 where nothing says otherwise."""
    windows = rows.windows[rows.windows > 0]
    return max(0.001, float(np.median(windows)) / 1000) if len(windows) else 2.0


def _newest_readings(rows: Rows) -> tuple[Reading, ...]:
    found = {}
    for metric in rows.metrics():
        asked = np.flatnonzero(rows.code(metric))
        if len(asked):
            found[metric] = _reading(rows, metric, int(asked[-1]))
    return tuple(found.values())


def _reading(rows: Rows, metric: str, row: int) -> Reading:
    shape = rows.shapes[int(rows.shape[row])]
    said = shape.said[shape.index[metric]]
    return restored(said, int(rows.values[metric][row]), int(rows.windows[row]) / 1000)


def _processes(rows: Rows, row: int) -> tuple[ProcessUse, ...]:
    low, high = np.searchsorted(rows.use_row, (row, row + 1))
    return _by_pid(rows, rows.use_who[low:high].tolist(), rows.use[low:high].tolist())


def _by_pid(rows: Rows, who: Sequence[int], use: Sequence[list[int]]) -> tuple[ProcessUse, ...]:
    found = [process_use(rows.who[n], one) for n, one in zip(who, use, strict=True)]
    return tuple(sorted(found, key=lambda process: (process.pid, process.started_at)))


def _samples(host: str, rows: Rows, metrics: Sequence[str] | None) -> Iterator[Sample]:
    columns = {name: column.tolist() for name, column in rows.values.items()}
    wanted = None if metrics is None else set(metrics)
    said = [
        [one for one in shape.said if wanted is None or one.metric in wanted]
        for shape in rows.shapes
    ]
    ends = np.searchsorted(rows.use_row, np.arange(len(rows) + 1)).tolist()
    who, use = rows.use_who.tolist(), rows.use.tolist()
    heads = zip(rows.times.tolist(), rows.windows.tolist(), rows.shape.tolist(), strict=True)
    for row, (at_us, window_ms, shape) in enumerate(heads):
        window_s = window_ms / 1000
        yield Sample(
            host,
            moment(at_us),
            window_s,
            tuple([restored(one, columns[one.metric][row], window_s) for one in said[shape]]),
            _by_pid(rows, who[ends[row] : ends[row + 1]], use[ends[row] : ends[row + 1]]),
        )


def _owner_uses(host: str, rows: owners.OwnerRows) -> Iterator[OwnerUse]:
    columns = {name: column.tolist() for name, column in rows.columns.items()}
    order = np.lexsort((rows.columns["owner"], rows.columns["keys"])).tolist()
    for n in order:
        owner, project = rows.owners[columns["owner"][n]]
        peaks = [columns[name][n] for name in ("memory", "mlx_active", "mlx_peak", "mlx_cache")]
        yield OwnerUse(
            host,
            owner,
            project,
            moment(columns["keys"][n] * rows.width_s * _US),
            float(rows.width_s),
            columns["cpu_ms"][n] / 1000 if columns["cpu_n"][n] else None,
            columns["gpu_ms"][n] / 1000 if columns["gpu_n"][n] else None,
            *(None if peak < 0 else peak for peak in peaks),
        )
