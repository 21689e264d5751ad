"""Brings what there is in line with what is wanted, turn by turn, whatever was killed meanwhile.

All files and processes are touched here; what to do is decided in ``endpoint``, ``versions`` and
``rollout``, which touch nothing.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from services.actions.journal import Journal
from services.errors import JournalError, MlopsError, PlatformError
from services.home import Home
from services.serving import checks, figures, paths, replicas, store
from services.serving.allotting import Room
from services.serving.checks import Checked
from services.serving.cluster import Cluster
from services.serving.drift import Comparing
from services.serving.endpoint import EndpointRun
from services.serving.lease_keeping import LeaseKeeping
from services.serving.measured import Measured
from services.serving.models import Endpoint, EventKind, Target
from services.serving.noting import Noting
from services.serving.preparing import spec_of
from services.serving.publishing import Publisher
from services.serving.pulse import Pulse
from services.serving.replicas import ReplicaSpec, Seen
from services.serving.survivors import Survivors
from services.serving.tidying import Tidying
from services.serving.versions import Deeds, Prepared, VersionRun
from services.serving.world import CheckWish, World

logger = logging.getLogger(__name__)

_MEMORY_S = 2.0
_CLOCK_S = 1.0
"""By so much a clock does not move by itself in one turn: it was set, or the machine slept."""
_UNTOLD = 1000
_CHECK_S, _CHECK_TEXT_S = 20.0, 60.0
"""Text is written letter by letter."""


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
    keep: Callable[[Collection[ReplicaSpec], float], None] = lambda _followed, _now: None
    """Lets go of what nobody needs any more; told of the model servers that there are."""


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
        self._room = Room(leases, (watches or Watches()).priority)
        self._preparer = preparer
        self._host = host
        self._watches = watches or Watches()
        self._runs: dict[str, EndpointRun] = {}
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="check")
        self._checking: dict[str, Future[Checked]] = {}
        self._pulse = Pulse(self._pool)
        self._noting = Noting(Measured.of(home), host)
        self._memory_at = 0.0
        self._clock = time.time() - time.monotonic()
        self._untold: list[tuple[str, EventKind, str, int]] = []
        """Lines of the history that the journal could not take yet."""
        self._tidying = Tidying(home)
        self._seen: dict[str, Seen] = {}
        self._publisher = Publisher(home)
        self._comparing = Comparing(home)
        self._survivors = Survivors(home)
        self._publisher.without_the_dead(self._survivors.ids)
        self._desired: tuple[Endpoint, ...] | None = None
        self.trouble = ""
        """What is wrong with the engine itself, as a sentence."""

    # The start

    def _hand_over(self, run: EndpointRun, now: float) -> None:
        """Give an endpoint the model servers it had in an earlier life."""
        run.remember(self._survivors.status_of(run.name))
        for one in run.adopt(self._survivors.take(run.name), now):
            replicas.ask_to_end(one)
        self._room.take_over(run)

    # A turn

    def turn(self) -> None:
        """Look once, and do what follows.

        Raises:
            PlatformError: The ledger, or a file of what is true now, cannot be written.
        """
        now = time.time()
        self._mind_the_clock(now)
        self._read_desired(now)
        world = self._look(now)
        deeds = Deeds()
        for run in self._runs.values():
            run.look(world, deeds)
        self._record(deeds.events)
        self._note_ended(now)
        self._feel_pulse(deeds)
        self._check()
        self._prepare()
        self._find_room(world)
        for run in self._runs.values():
            for version in run.runs:
                version.grow(now)
                version.shrink(now)
        self._publisher.publish_routes(self._runs, now)
        for run in self._runs.values():
            drained = run.drained(world)
            for version in run.runs:
                version.end(now, deeds, partial(drained, version))
        self._do(deeds)
        self._tell_ray()
        self._room.keep(self._runs.values())
        free: int | None = None
        with contextlib.suppress(PlatformError):
            free = self._room.leases.free_bytes()
        self._publisher.publish_status(self._runs, self._cluster.problem, free, now)
        self._noting.turn(self._runs.values(), self._pulse)
        self._tidy(now)

    def _mind_the_clock(self, now: float) -> None:
        """Let nothing be over at once, or never, because the clock was set."""
        before, self._clock = self._clock, now - time.monotonic()
        moved = self._clock - before
        if abs(moved) > _CLOCK_S:
            logger.warning("The clock was set by %.0f s, or the machine slept.", moved)
            for run in self._runs.values():
                run.shift(moved)

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
        self._survivors.end_the_rest()

    def _look(self, now: float) -> World:
        memory = time.monotonic() - self._memory_at > _MEMORY_S
        if memory:
            self._memory_at = time.monotonic()
        seen = {}
        for spec in self._specs():
            found = replicas.look(spec, memory=memory)
            seen[spec.id] = self._with_memory(found)
        self._seen = seen
        passing = figures.read(self._home)
        if passing is not None and passing.stale(now):
            passing = None
        world = World(
            now=now,
            seen=seen,
            placed=self._cluster.placed(),
            figures=passing,
            serial=self._publisher.routes.serial,
            thermal_level=self._watches.thermal(),
            drift=self._comparing.look(self._runs.values()),
            woken=self._woken(),
        )
        self._room.look(world)
        return world

    def _with_memory(self, found: Seen) -> Seen:
        """Return it with what was measured last, and the most there ever was."""
        before = self._seen.get(found.id)
        if before is None or before.pid != found.pid:
            return found
        rss = before.rss_bytes
        if found.rss_bytes is not None:
            rss = found.rss_bytes + self._pulse.beside(found.id)[0]
        known = (found.peak_bytes, before.peak_bytes, self._pulse.peak_bytes(found.id), rss)
        peaks = [one for one in known if one is not None]
        return replace(found, rss_bytes=rss, peak_bytes=max(peaks, default=None))

    def _woken(self) -> frozenset[str]:
        """Return the endpoints that are to wake; a wish is there until it is fulfilled."""
        folder = paths.wake(self._home)
        found = set()
        for name in os.listdir(folder):  # noqa: PTH208 - each turn, of names alone
            run = self._runs.get(name)
            if run is None or (run.live is not None and not run.live.idle):
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
                    self._journal,
                    ended.name,
                    ended.version,
                    live=ended.live,
                    said=ended.said,
                    action_id=ended.action_id,
                )
            except JournalError as error:
                self.trouble = f"The journal cannot be written: {error.message}"
                continue
            logger.info("%s version %s: %s", ended.name, ended.version, ended.said)
            run.noted(after, now)

    def _feel_pulse(self, deeds: Deeds) -> None:
        """Kill the model servers that hang; that they ended is seen in the next look."""
        ready = [
            one.spec for run in self._runs.values() for version in run.runs for one in version.ready
        ]
        for spec in self._pulse.turn(ready):
            logger.warning("%s hangs and is ended.", spec.id)
            deeds.kill.append(spec)

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
            del self._checking[key]
            run.checked(key, under_way.result())

    # Before a start

    def _prepare(self) -> None:
        for run in self._runs.values():
            for version in run.runs:
                if version.unprepared(time.time()) and version not in run.going:
                    self._prepare_one(run, version)

    def _prepare_one(self, run: EndpointRun, version: VersionRun) -> None:
        try:
            found = self._preparer.ask(run.desired.project, run.desired.model, version.target)
        except MlopsError as error:
            if str(error) != version.refused:
                logger.warning("%s version %s: %s", run.name, version.version, error)
            version.refuse(str(error), time.time())
            return
        version.refused = ""
        if isinstance(found, Prepared):
            version.prepared, version.preparing = found, ""
        else:
            version.preparing = found

    def _find_room(self, world: World) -> None:
        gone = self._room.find(self._runs.values(), world)
        self._record([(one.name, "evicted", one.said, one.version) for one in gone])

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

    def _record(self, events: list[tuple[str, EventKind, str, int]]) -> None:
        """Write lines of the history; what cannot be written now, the next turn.

        Whoever deploys a canary or a shadow waits for the line that says it gets its requests.
        """
        for name, _, said, _ in events:
            logger.info("%s: %s", name, said)
        self._untold = [*self._untold, *events][-_UNTOLD:]
        try:
            while self._untold:
                name, kind, said, version = self._untold[0]
                store.record_event(self._journal, name, kind, said, version=version)
                del self._untold[0]
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

    def _tidy(self, now: float) -> None:
        for name in [name for name, run in self._runs.items() if run.forgotten(now)]:
            del self._runs[name]
        followed = list(self._specs())
        if self._tidying.turn(followed, now):
            self._room.leases.sweep()
            self._watches.keep(followed, now)

    # The end

    def stop(self) -> None:
        """End all model servers and Ray, and give all memory back.

        Raises:
            PlatformError: The ledger cannot be written.
        """
        self._publisher.clear()
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
        self._room.leases.clear(all_of_serving=True)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def said(self) -> str:
        """Return how it goes, as a sentence."""
        runs = [run for run in self._runs.values() if run.gone_at is None]
        answer = sum(bool(run.live and run.live.ready) for run in runs)
        idle = sum(bool(run.live and run.live.idle) for run in runs)
        words = f"{answer} of {len(runs)} endpoints answer" if runs else "nothing is deployed"
        words += f", {idle} idle" if idle else ""
        return f"{words}; Ray: {self._cluster.problem}" if self._cluster.problem else words


def _checked(wish: CheckWish, live: VersionRun | None) -> Checked:
    prepared = wish.run.prepared
    if prepared is None:
        return Checked(well=False, said="It was not prepared.")
    beside = None
    if wish.beside is not None and live is not None and live.prepared is not None:
        beside = (wish.beside.spec.address, live.prepared.info)
    timeout_s = _CHECK_TEXT_S if prepared.info.interface == "text" else _CHECK_S
    return checks.check(wish.server.spec.address, prepared.info, live=beside, timeout_s=timeout_s)
