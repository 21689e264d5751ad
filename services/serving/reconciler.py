"""Brings what there is in line with what is wanted, turn by turn, whatever was killed meanwhile.

All files and processes are touched here; what to do is decided in ``endpoint``, ``versions`` and
``rollout``, which touch nothing.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

import psutil

from services.actions.journal import Journal
from services.errors import JournalError, MlopsError, PlatformError
from services.home import Home
from services.serving import checks, eviction, figures, paths, replicas, routes, status, store
from services.serving.checks import Checked
from services.serving.cluster import Cluster
from services.serving.endpoint import CheckWish, EndpointRun, World
from services.serving.eviction import Candidate, LastHour
from services.serving.lease_keeping import LeaseKeeping, Refused
from services.serving.models import Endpoint, EndpointStatus, EventKind, Target
from services.serving.preparing import spec_of
from services.serving.replicas import ReplicaSpec, Seen
from services.serving.routes import Route, Routes
from services.serving.status import ServingStatus
from services.serving.versions import Deeds, Prepared, VersionRun

logger = logging.getLogger(__name__)

_MEMORY_S = 2.0
_STATUS_S = 1.0
_SWEPT_S = 30.0
_SETTLING_S = 30.0
"""So long after its start the routes of an earlier life stay, until all is known again."""
_CHECK_S = 20.0


class Preparer(Protocol):
    """Prepares versions."""

    def ask(self, project: str, model: str, target: Target, /) -> Prepared | str:
        """Return what a version needs, or what is being done for it."""


@dataclass(slots=True)
class Watches:
    """What is looked at now and then, and by whom."""

    thermal: Callable[[], int | None] = lambda: None
    """Returns the machine's thermal level."""
    priority: Callable[[str], int] = lambda _project: 5
    """Returns a project's priority."""


@dataclass(slots=True)
class _Paces:
    """When something was done last."""

    memory: float = 0.0
    status: float = 0.0
    swept: float = 0.0


@dataclass(slots=True)
class _Lives:
    """What an earlier life of the engine left."""

    routes: Routes
    specs: list[ReplicaSpec] = field(default_factory=list)
    status: ServingStatus | None = None


class Reconciler:
    """Follows all endpoints. Used from one thread."""

    def __init__(
        self,
        home: Home,
        journal: Journal,
        cluster: Cluster,
        leases: LeaseKeeping,
        preparer: Preparer,
        *,
        host: str,
        watches: Watches | None = None,
    ) -> None:
        self._home = home
        self._journal = journal
        self._cluster = cluster
        self._leases = leases
        self._preparer = preparer
        self._host = host
        self._watches = watches or Watches()
        self._runs: dict[str, EndpointRun] = {}
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="check")
        self._checking: dict[str, Future[Checked]] = {}
        self._hour = LastHour()
        self._paces = _Paces()
        self._began = time.monotonic()
        self._seen: dict[str, Seen] = {}
        self._before = _Lives(routes.read(home) or Routes(), status=status.read(home))
        self._routes = self._before.routes
        self._settled = False
        self._desired: tuple[Endpoint, ...] | None = None
        self._told: dict[str, EndpointStatus] = {}
        self.trouble = ""
        """What is wrong with the engine itself, as a sentence."""
        self._adopt()

    # The start

    def _adopt(self) -> None:
        """Find the model servers that live; clear what dead ones left."""
        for spec in replicas.records(self._home):
            if replicas.process_of(spec) is None:
                replicas.forget(spec)
            else:
                self._before.specs.append(spec)

    def _hand_over(self, run: EndpointRun, now: float) -> None:
        """Give an endpoint the model servers it had in an earlier life."""
        if self._before.status is not None:
            run.remember(self._before.status.endpoints.get(run.name))
        mine = [one for one in self._before.specs if one.name == run.name]
        self._before.specs = [one for one in self._before.specs if one.name != run.name]
        for one in run.adopt(mine, now):
            replicas.ask_to_end(one)
        for version in run.runs:
            if version.servers:
                held = version.reserved_bytes
                self._leases.take_over(run.name, run.desired.project, version.version, held)

    # A turn

    def turn(self) -> None:
        """Look once, and do what follows.

        Raises:
            PlatformError: The ledger, or a file of what is true now, cannot be written.
        """
        now = time.time()
        self._read_desired(now)
        world = self._look(now)
        deeds = Deeds()
        for run in self._runs.values():
            run.look(world, deeds)
        self._note_ended(now)
        self._check()
        self._prepare()
        self._find_room(now)
        for run in self._runs.values():
            for version in run.runs:
                version.grow(now)
                version.shrink(now)
        self._publish_routes(now)
        for run in self._runs.values():
            drained = run.drained(world)
            for version in run.runs:
                version.end(now, deeds, partial(drained, version))
        self._do(deeds)
        self._tell_ray()
        self._keep_leases()
        self._publish_status(now)
        self._tidy(now)

    def _read_desired(self, now: float) -> None:
        try:
            self._desired = store.endpoints(self._journal)
            self.trouble = ""
        except JournalError as error:
            # What was wanted last is wanted still.
            self.trouble = f"The journal cannot be read: {error.message}"
            if self._desired is None:
                raise
        wanted = {one.name: one for one in self._desired or ()}
        for name, endpoint in wanted.items():
            run = self._runs.get(name)
            if run is None:
                make = spec_of(self._home, endpoint.project, endpoint.model)
                run = EndpointRun(endpoint, make, replicas.tail, self._host, now)
                self._runs[name] = run
                run.want(endpoint, now)
                self._hand_over(run, now)
            else:
                run.want(endpoint, now)
        for name in self._runs.keys() - wanted.keys():
            self._runs[name].unwant(now)
        if self._before.specs:  # of endpoints that nobody wants any more
            for spec in self._before.specs:
                replicas.ask_to_end(spec)
            self._before.specs = []

    def _look(self, now: float) -> World:
        memory = time.monotonic() - self._paces.memory > _MEMORY_S
        if memory:
            self._paces.memory = time.monotonic()
        seen = {}
        for spec in self._specs():
            found = replicas.look(spec, memory=memory)
            seen[spec.id] = self._with_memory(found)
        self._seen = seen
        passing = figures.read(self._home)
        if passing is not None and passing.stale(now):
            passing = None
        self._count(passing, now)
        return World(
            now=now,
            seen=seen,
            placed=self._cluster.placed(),
            figures=passing,
            serial=self._routes.serial,
            thermal_level=self._watches.thermal(),
            woken=self._woken(),
        )

    def _with_memory(self, found: Seen) -> Seen:
        """Return it with what was measured last, and the most there ever was."""
        before = self._seen.get(found.id)
        if before is None or before.pid != found.pid:
            return found
        rss = found.rss_bytes if found.rss_bytes is not None else before.rss_bytes
        peaks = [one for one in (found.peak_bytes, before.peak_bytes, rss) if one is not None]
        return replace(found, rss_bytes=rss, peak_bytes=max(peaks, default=None))

    def _count(self, passing: figures.Figures | None, now: float) -> None:
        for name, versions in passing.endpoints.items() if passing else ():
            for version, one in versions.items():
                self._hour.note(name, version, one.total, now)

    def _woken(self) -> frozenset[str]:
        """Return the endpoints that are to wake; a wish is there until it is fulfilled."""
        folder = paths.wake(self._home)
        found = set()
        for name in os.listdir(folder):  # noqa: PTH208 - each turn, of names alone
            run = self._runs.get(name)
            if run is not None and run.live is not None and not run.live.idle:
                with contextlib.suppress(OSError):
                    (folder / name).unlink(missing_ok=True)
            found.add(name)
        return frozenset(found)

    # Rollouts

    def _note_ended(self, now: float) -> None:
        """Write into the journal how rollouts ended; what cannot be written now, the next turn."""
        for run in self._runs.values():
            ended = run.ended()
            if ended is None:
                continue
            try:
                after = store.finish_rollout(
                    self._journal, ended.name, ended.version, live=ended.live, said=ended.said
                )
            except JournalError as error:
                self.trouble = f"The journal cannot be written: {error.message}"
                continue
            logger.info("%s version %s: %s", ended.name, ended.version, ended.said)
            run.noted(after, now)

    def _check(self) -> None:
        for run in self._runs.values():
            for wish in run.checks():
                self._check_one(run, wish)

    def _check_one(self, run: EndpointRun, wish: CheckWish) -> None:
        key = wish.server.spec.id
        under_way = self._checking.get(key)
        if under_way is None:
            self._checking[key] = self._pool.submit(_checked, wish, run.live)
        elif under_way.done():
            run.checked(key, under_way.result())
            del self._checking[key]

    # Before a start

    def _prepare(self) -> None:
        for run in self._runs.values():
            for version in run.runs:
                if version.prepared is None and not version.refused and version not in run.going:
                    self._prepare_one(run, version)

    def _prepare_one(self, run: EndpointRun, version: VersionRun) -> None:
        try:
            found = self._preparer.ask(run.desired.project, run.desired.model, version.target)
        except MlopsError as error:
            version.refused = str(error)
            logger.warning("%s version %s: %s", run.name, version.version, error)
            return
        if isinstance(found, Prepared):
            version.prepared, version.preparing = found, ""
        else:
            version.preparing = found

    def _find_room(self, now: float) -> None:
        """Hold memory for what is wanted; who finds none may take it from those nobody asks."""
        for run in self._runs.values():
            for version in run.runs:
                refused = self._hold(run, version)
                version.room = refused.said if refused else ""
                if refused is not None and not version.active and not refused.for_good:
                    self._make_room(run, refused, now)

    def _hold(self, run: EndpointRun, version: VersionRun) -> Refused | None:
        if version in run.going or version.prepared is None:
            return None
        count = sum(one.reserved_bytes for one in run.runs if one.version == version.version)
        if not count:
            return None
        said = version.target.memory_said
        return self._leases.hold(run.name, run.desired.project, version.version, count, said)

    def _make_room(self, run: EndpointRun, refused: Refused, now: float) -> None:
        others = [
            self._candidate(one, now)
            for one in self._runs.values()
            if one is not run and one.live is not None and one.live.servers
            and not (one.rollout and one.rollout.running)
        ]  # fmt: skip
        # What goes already comes free by itself.
        leaving = sum(
            version.reserved_bytes for one in self._runs.values() for version in one.going
        )
        for gone in eviction.to_evict(others, refused.missing_bytes - leaving, now):
            other = self._runs[gone.name]
            other.evict(now)
            said = f"It made room for {run.name}. {gone.said}"
            self._event(other.name, "evicted", said, gone.candidate.version)

    def _candidate(self, run: EndpointRun, now: float) -> Candidate:
        live = run.live
        if live is None:
            raise ValueError("an endpoint without a live version holds nothing")
        passing = figures.read(self._home)
        one = passing.of(run.name, live.version) if passing else None
        return Candidate(
            name=run.name,
            version=live.version,
            project=run.desired.project,
            bytes=live.reserved_bytes,
            requests_hour=self._hour.of(run.name, live.version, now),
            last_at=one.last_at if one else None,
            loaded_at=live.changed_at,
            in_flight=one.in_flight if one else 0,
            pinned=run.desired.pinned,
            priority=self._watches.priority(run.desired.project),
        )

    # Deeds

    def _do(self, deeds: Deeds) -> None:
        for spec in deeds.ask:
            replicas.ask_to_end(spec)
        for spec in deeds.kill:
            replicas.kill(spec)
        for spec in deeds.gone:
            replicas.forget(spec)
            self._seen.pop(spec.id, None)
            self._checking.pop(spec.id, None)
        for name, kind, said, version in deeds.events:
            self._event(name, kind, said, version)

    def _event(self, name: str, kind: EventKind, said: str, version: int) -> None:
        logger.info("%s: %s", name, said)
        try:
            store.record_event(self._journal, name, kind, said, version=version)
        except JournalError as error:
            self.trouble = f"The journal cannot be written: {error.message}"

    def _specs(self) -> Iterable[ReplicaSpec]:
        for run in self._runs.values():
            for version in run.runs:
                for one in version.servers:
                    yield one.spec

    def _tell_ray(self) -> None:
        self._cluster.want(self._specs())
        self._cluster.turn()

    def _keep_leases(self) -> None:
        used: dict[tuple[str, int], int | None] = {}
        for run in self._runs.values():
            for version in run.runs:
                if version.servers or (version.wanted and not version.room):
                    key = (run.name, version.version)
                    known = [one for one in (used.get(key), version.used_bytes) if one is not None]
                    used[key] = sum(known) if known else None
        self._leases.keep(used)

    # Files

    def _publish_routes(self, now: float) -> None:
        found = {
            name: route
            for name, run in sorted(self._runs.items())
            if run.gone_at is None and (route := run.route()) is not None
        }
        if not self._known_again(found):
            return
        if found != self._routes.endpoints or not routes.path(self._home).exists():
            fresh = Routes(self._routes.serial + 1, found)
            routes.write(self._home, fresh)
            self._routes = fresh
        for run in self._runs.values():
            for version in run.runs:
                for one in version.servers:
                    if one.state == "ending" and one.dropped_serial is None:
                        one.dropped_serial = self._routes.serial
                        one.dropped_at = now

    def _known_again(self, found: dict[str, Route]) -> bool:
        """Return whether as much is known as an earlier life had; until then its routes stay."""
        if self._settled:
            return True
        missing = [
            name
            for name, run in self._runs.items()
            if name in self._before.routes.endpoints
            and run.live is not None
            and (name not in found or self._to_be_seen(run))
            and not run.live.refused
        ]
        self._settled = not missing or time.monotonic() - self._began > _SETTLING_S
        return self._settled

    @staticmethod
    def _to_be_seen(run: EndpointRun) -> bool:
        return any(one.servers and not one.ready for one in run.runs)

    def _publish_status(self, now: float) -> None:
        if time.monotonic() - self._paces.status < _STATUS_S and not self._moved(now):
            return
        self._paces.status = time.monotonic()
        free: int | None = None
        with contextlib.suppress(PlatformError):
            free = self._leases.free_bytes()
        told = {name: run.status(now) for name, run in sorted(self._runs.items())}
        self._told = told
        status.write(
            self._home,
            ServingStatus(now, os.getpid(), self._cluster.problem, free, told),
        )

    def _moved(self, now: float) -> bool:
        """Return whether a phase or a step changed: who waits for it is told at once."""
        return {name: run.status(now) for name, run in sorted(self._runs.items())} != self._told

    def _tidy(self, now: float) -> None:
        for name in [name for name, run in self._runs.items() if run.forgotten(now)]:
            del self._runs[name]
        if time.monotonic() - self._paces.swept < _SWEPT_S:
            return
        first = self._paces.swept == 0.0
        self._paces.swept = time.monotonic()
        known = {spec.id for spec in self._specs()}
        for stray in replicas.strays(self._home, known):
            logger.warning("Ending a model server that nobody knows: %s.", stray.pid)
            with contextlib.suppress(psutil.Error):
                stray.terminate()
        if first:
            self._leases.sweep()

    # The end

    def stop(self) -> None:
        """End all model servers and Ray, and give all memory back.

        Raises:
            PlatformError: The ledger cannot be written.
        """
        routes.write(self._home, Routes(self._routes.serial + 1, {}))
        specs = list(self._specs())
        waiting = [spec for spec in specs if replicas.ask_to_end(spec)]
        self._cluster.stop()
        end = time.monotonic() + 11.0
        while waiting and time.monotonic() < end:
            time.sleep(0.05)
            waiting = [spec for spec in waiting if replicas.process_of(spec) is not None]
        for spec in waiting:
            replicas.kill(spec)
        for spec in specs:
            replicas.forget(spec)
        self._leases.clear(all_of_serving=True)
        self._pool.shutdown(wait=False, cancel_futures=True)
        now = time.time()
        status.write(self._home, ServingStatus(now, os.getpid(), "Serving was stopped."))

    @property
    def endpoints(self) -> Sequence[EndpointRun]:
        """What is followed."""
        return tuple(self._runs.values())


def _checked(wish: CheckWish, live: VersionRun | None) -> Checked:
    prepared = wish.run.prepared
    if prepared is None:
        return Checked(well=False, said="It was not prepared.")
    beside = None
    if wish.beside is not None and live is not None and live.prepared is not None:
        beside = (wish.beside.spec.address, live.prepared.info)
    return checks.check(wish.server.spec.address, prepared.info, live=beside, timeout_s=_CHECK_S)
