"""Keeping the mirror like MLflow: everything once, then only what the change feed names.

An idle cycle is one look at the feed's folder. Against an MLflow that is not ours (no feed), a
cycle asks per workspace for what started, ended or still runs since the last look.
"""

import json
import logging
import math
import re
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

import psutil
from sqlalchemy import Connection, select

from services.engines.mlflow.adapter import MLflow
from services.engines.mlflow.feed import FeedReader, Note, Position
from services.engines.mlflow.models import TrackedRun
from services.mirror import schema
from services.mirror.connection import Reading
from services.mirror.events import Event, now_ms
from services.mirror.store import Store

logger = logging.getLogger(__name__)

_IDS_A_QUERY = 100
_OVERLAP_MS = 60_000
_CURVES_A_RUN = 16
_CURVE_INTERVAL_S = 2.0
_POSITION = "mlflow.feed"
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_GONE = "gone"
DEFAULT_WORKSPACE = "default"


@dataclass(slots=True)
class Cycle:
    """What one cycle did."""

    runs: int = 0
    registries: int = 0
    full: bool = False
    alias_events: tuple[tuple[str, Event], ...] = ()


@dataclass(slots=True)
class _Dirty:
    runs: dict[str, set[str]] = field(default_factory=dict)
    registries: set[str] = field(default_factory=set)
    workspaces: bool = False
    boot: bool = False


class MirrorSync:
    """Reads MLflow into the store. Each method may raise ``EngineError``; calling again resumes."""

    def __init__(
        self,
        store: Store,
        mlflow: MLflow,
        feed: FeedReader | None,
        *,
        lost_after_s: float,
        lost_without_heartbeat_s: float,
    ) -> None:
        self._store = store
        self._mlflow = mlflow
        self._feed = feed
        self._lost_after_s = lost_after_s
        self._lost_without_heartbeat_s = lost_without_heartbeat_s
        self._experiments: dict[str, tuple[str, ...]] = {}
        self._host = socket.gethostname()
        self._next_poll = 0.0
        self._stopped: dict[int, int] = {}
        """When a run's process was last seen stopped, in ms since 1970, by ``rid``."""
        self._curves_due: dict[str, tuple[float, str, tuple[str, ...]]] = {}

    def cycle(self) -> Cycle:
        """Bring the mirror up to date and return what was done."""
        done = Cycle()
        stored = self._store.read_meta(_POSITION)
        if stored is None:
            self._first_read(done)
        elif self._feed is None:
            self._poll(done)
        else:
            self._follow(Position(**json.loads(stored)), done)
        self._read_due_curves()
        self._store.mark_lost(self._lost())
        return done

    # Reading

    def _first_read(self, done: Cycle) -> None:
        position = self._feed.end() if self._feed else Position()
        self._load_workspaces()
        for workspace, experiments in self._experiments.items():
            for batch in self._mlflow.all_runs(workspace, experiments):
                self._store.write_runs(workspace, batch.runs, first_read=True)
                done.runs += len(batch.runs)
            self._read_registry(workspace, done)
        self._keep_position(position)
        done.full = True

    def _follow(self, position: Position, done: Cycle) -> None:
        assert self._feed is not None  # noqa: S101 - cycle() looked
        found = self._feed.since(position)
        if found is None:
            # The place we stood at is gone: what happened since then must be asked for.
            end = self._feed.end()
            self._catch_up(done)
            self._keep_position(end)
            return
        notes, end = found
        if not notes:
            return
        dirty = collect(notes)
        if dirty.boot:
            self._catch_up(done)
        if dirty.workspaces or not set(dirty.runs) <= set(self._experiments):
            self._load_workspaces()
        for workspace, run_ids in dirty.runs.items():
            self._read_runs(workspace, run_ids, done)
        for workspace in dirty.registries:
            self._read_registry(workspace, done)
        self._keep_position(end)

    def _poll(self, done: Cycle) -> None:
        if time.monotonic() < self._next_poll:
            return
        self._catch_up(done)
        # A search of every workspace costs the server much more than it costs us: leave it air.
        self._next_poll = time.monotonic() + 2.0
        self._keep_position(Position())

    def _catch_up(self, done: Cycle) -> None:
        self._load_workspaces()
        since = self._newest_ms() - _OVERLAP_MS
        for workspace, experiments in self._experiments.items():
            for query in (
                f"attributes.start_time >= {since}",
                f"attributes.end_time >= {since}",
                "attributes.status = 'RUNNING'",
            ):
                for batch in self._mlflow.all_runs(workspace, experiments, query):
                    self._store.write_runs(workspace, batch.runs)
                    done.runs += len(batch.runs)
            self._read_runs(workspace, self._open_runs(workspace), done)
            self._read_registry(workspace, done)

    def _load_workspaces(self) -> None:
        self._experiments = {
            workspace: tuple(e.experiment_id for e in self._mlflow.experiments(workspace))
            for workspace in self._mlflow.workspaces()
            if workspace != DEFAULT_WORKSPACE
        }

    def _read_runs(self, workspace: str, run_ids: Iterable[str], done: Cycle) -> None:
        ids = sorted(run_ids)
        experiments = self._experiments.get(workspace, ())
        for start in range(0, len(ids), _IDS_A_QUERY):
            wanted = ", ".join(f"'{run_id}'" for run_id in ids[start : start + _IDS_A_QUERY])
            query = f"attributes.run_id IN ({wanted})"
            for batch in self._mlflow.all_runs(workspace, experiments, query):
                self._store.write_runs(workspace, batch.runs)
                done.runs += len(batch.runs)
                for run in batch.runs:
                    self._plan_curves(workspace, run)

    def _plan_curves(self, workspace: str, run: TrackedRun) -> None:
        """Read a run's curves at its end, and every other second while it lasts."""
        curved = sorted(key for key, metric in run.metrics.items() if metric.step > 0)
        due = self._curves_due.get(run.run_id, (0.0,))[0]
        if run.status != "running":
            due = 0.0
        self._curves_due[run.run_id] = (due, workspace, tuple(curved[:_CURVES_A_RUN]))

    def _read_due_curves(self) -> None:
        now = time.monotonic()
        for run_id, (due, workspace, keys) in list(self._curves_due.items()):
            if due > now:
                continue
            for key in keys:
                self.read_curve(workspace, run_id, key)
            # Kept without keys: the next change of the run waits for its turn.
            self._curves_due[run_id] = (now + _CURVE_INTERVAL_S, workspace, ())
            if not keys:
                del self._curves_due[run_id]

    def read_curve(self, workspace: str, run_id: str, key: str) -> None:
        """Bring one curve up to date."""
        end = self._store.curve_end(run_id, key)
        points = (
            self._mlflow.history(workspace, run_id, key)
            if end is None
            else self._mlflow.history_since(workspace, run_id, key, end)
        )
        self._store.extend_curve(run_id, key, points)

    def read_artifacts(self, workspace: str, run_id: str) -> None:
        """List what a run left, folders followed."""
        listing: list[tuple[str, bool, int | None]] = []
        folders = [""]
        while folders and len(listing) < 2000:
            for entry in self._mlflow.artifacts(workspace, run_id, folders.pop()):
                listing.append((entry.path, entry.is_folder, entry.size_bytes))
                if entry.is_folder:
                    folders.append(entry.path)
        self._store.write_artifacts(run_id, sorted(listing))

    def read_run(self, workspace: str, run_id: str) -> None:
        """Read one run again now, for an action that changed it."""
        self._store.write_runs(workspace, (self._mlflow.run(workspace, run_id),))

    def _read_registry(self, workspace: str, done: Cycle) -> None:
        models = self._mlflow.models(workspace)
        versions = self._mlflow.versions(workspace) if models else ()
        events = self._store.write_registry(workspace, models, versions)
        done.alias_events += tuple((workspace, event) for event in events)
        done.registries += 1

    # What we already know

    def _keep_position(self, position: Position) -> None:
        self._store.write_meta(_POSITION, json.dumps(asdict(position)))

    def _newest_ms(self) -> int:
        table = schema.runs
        with Reading(self._store.engine) as connection:
            found = connection.execute(
                select(table.c.started_ms, table.c.ended_ms)
                .order_by(table.c.change.desc())
                .limit(1000)
            ).all()
        return max((ms for row in found for ms in row if ms is not None), default=0)

    def _open_runs(self, workspace: str) -> tuple[str, ...]:
        table = schema.runs
        with Reading(self._store.engine) as connection:
            rows = connection.execute(
                select(table.c.run_id).where(
                    table.c.project == workspace, table.c.status.in_(("running", "lost"))
                )
            )
            return tuple(row.run_id for row in rows)

    # Runs that died without saying so

    def _lost(self) -> dict[str, str]:
        table = schema.runs
        with Reading(self._store.engine) as connection:
            running = connection.execute(
                select(table).where(table.c.status == "running", ~table.c.archived)
            ).all()
            pids = self._local_pids(connection, [row.rid for row in running])
        lost, stopped = {}, {}
        for row in running:
            state = _state(pids[row.rid]) if row.host == self._host and row.rid in pids else ""
            # Paused: it gives no sign of life until it goes on, and then takes a moment.
            if state == psutil.STATUS_STOPPED:
                stopped[row.rid] = now_ms()
            elif row.rid in self._stopped:
                stopped[row.rid] = self._stopped[row.rid]
            since = stopped.get(row.rid, 0)
            why = self._why_lost(row.heartbeat_ms, row.sign_ms, since, gone=state == _GONE)
            if why:
                lost[row.run_id] = why
        self._stopped = stopped
        return lost

    @staticmethod
    def _local_pids(connection: Connection, rids: list[int]) -> Mapping[int, int]:
        if not rids:
            return {}
        tags, keys = schema.tags, schema.keys
        found = connection.execute(
            select(tags.c.rid, tags.c.value)
            .join(keys, keys.c.key_id == tags.c.key_id)
            .where(keys.c.kind == "t", keys.c.name == "mlops.pid", tags.c.rid.in_(rids))
        )
        return {row.rid: int(row.value) for row in found if row.value.isdigit()}

    def _why_lost(
        self, heartbeat_ms: int | None, sign_ms: int | None, stopped_ms: int, *, gone: bool
    ) -> str:
        if gone:
            return "its process has ended without closing the run"
        limit_s = self._lost_after_s if heartbeat_ms else self._lost_without_heartbeat_s
        newest = max(heartbeat_ms or sign_ms or 0, stopped_ms)
        age_s = (now_ms() - newest) / 1000 if newest else math.inf
        if age_s <= limit_s:
            return ""
        what = "heartbeat" if heartbeat_ms else "metric"
        return f"its last {what} is {_span(age_s)} old"


def collect(notes: Iterable[Note]) -> _Dirty:
    """Return what a stretch of the feed touched, each thing once."""
    dirty = _Dirty()
    for note in notes:
        if note.kind == "boot":
            dirty.boot = True
        elif note.kind == "registry":
            dirty.registries.add(note.workspace)
        elif note.kind == "workspace":
            dirty.workspaces = True
        valid = {run_id for run_id in note.runs if _RUN_ID.fullmatch(run_id)}
        if valid:
            dirty.runs.setdefault(note.workspace, set()).update(valid)
    return dirty


def _state(pid: int) -> str:
    """Return how psutil calls what a process of this machine does."""
    try:
        return str(psutil.Process(pid).status())
    except psutil.NoSuchProcess:
        return _GONE
    except psutil.Error:
        return ""


def _span(seconds: float) -> str:
    if math.isinf(seconds):
        return "unknown"
    for unit, size in (("days", 86_400), ("hours", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
