"""Memory for all endpoints: held in the ledger, shared where it is short, taken from the idle."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.serving import eviction, scaling
from services.serving.endpoint import EndpointRun
from services.serving.eviction import Candidate, LastHour
from services.serving.lease_keeping import LeaseKeeping, Refused
from services.serving.scaling import Want
from services.serving.versions import VersionRun
from services.serving.world import World


@dataclass(frozen=True, slots=True)
class Evicted:
    """An endpoint that gave its memory to another, and why it was this one."""

    name: str
    version: int
    said: str


class Room:
    """Finds memory for what is wanted. Used from one thread."""

    def __init__(self, leases: LeaseKeeping, priority: Callable[[str], int]) -> None:
        self.leases = leases
        self._priority = priority
        self._hour = LastHour()

    def look(self, world: World) -> None:
        """Count who is asked how much."""
        for name, versions in world.figures.endpoints.items() if world.figures else ():
            for version, one in versions.items():
                self._hour.note(name, version, one.total, world.now)

    def find(self, runs: Iterable[EndpointRun], world: World) -> list[Evicted]:
        """Hold memory for what is wanted; who finds none gets it from those that nobody asks.

        Raises:
            PlatformError: The ledger cannot be read or written.
        """
        all_runs = list(runs)
        gone: list[Evicted] = []
        self._hour.forget((run.name, one.version) for run in all_runs for one in run.runs)
        for run in all_runs:
            for version in run.runs:
                refused = self._hold(run, version)
                version.room = refused.said if refused else ""
                if refused is not None and not version.active and not refused.for_good:
                    gone += self._make_room(run, all_runs, refused, world)
        self._share(all_runs, world.now)
        return gone

    def take_over(self, run: EndpointRun) -> None:
        """Hold what the model servers of an earlier life have.

        Raises:
            PlatformError: The ledger cannot be written.
        """
        for version in run.runs:
            if version.servers:
                count = version.reserved_bytes
                self.leases.take_over(run.name, run.desired.project, version.version, count)

    def keep(self, runs: Iterable[EndpointRun]) -> None:
        """Renew what is held with what is used of it; give back the rest.

        Raises:
            PlatformError: The ledger cannot be read or written.
        """
        used: dict[tuple[str, int], int | None] = {}
        for run in runs:
            for version in run.runs:
                if version.servers or (version.wanted and not version.room):
                    key = (run.name, version.version)
                    known = [one for one in (used.get(key), version.used_bytes) if one is not None]
                    used[key] = sum(known) if known else None
        self.leases.keep(used)

    def _hold(self, run: EndpointRun, version: VersionRun) -> Refused | None:
        if version in run.going or version.prepared is None:
            return None
        count = sum(one.reserved_bytes for one in run.runs if one.version == version.version)
        if not count:
            return None
        said = version.target.memory_said
        return self.leases.hold(run.name, run.desired.project, version.version, count, said)

    def _make_room(
        self, run: EndpointRun, runs: list[EndpointRun], refused: Refused, world: World
    ) -> list[Evicted]:
        others = [
            self._candidate(one, one.live, world)
            for one in runs
            if one is not run
            and one.live is not None
            and one.live.servers
            and one.live.wanted  # who was evicted a moment ago ends already
            and not one.rolling
        ]
        gone = []
        missing = refused.missing_bytes - self._leaving(runs)
        for one in eviction.to_evict(others, missing, world.now):
            next(other for other in runs if other.name == one.name).evict(world.now)
            said = f"It made room for {run.name}. {one.said}"
            gone.append(Evicted(one.name, one.candidate.version, said))
        return gone

    def _leaving(self, runs: list[EndpointRun]) -> int:
        """Return the bytes of what ends, or ended a moment ago: they come free by themselves."""
        needed = 0
        for version in (one for run in runs for one in run.runs if one.prepared is not None):
            count = min(version.wanted, len(version.active)) if version.room else version.wanted
            needed += count * version.target.memory_bytes
        return max(0, self.leases.held_bytes - needed)

    def _candidate(self, run: EndpointRun, live: VersionRun, world: World) -> Candidate:
        one = world.figures.of(run.name, live.version) if world.figures else None
        return Candidate(
            name=run.name,
            version=live.version,
            project=run.desired.project,
            bytes=live.reserved_bytes,
            requests_hour=self._hour.of(run.name, live.version, world.now),
            last_at=one.last_at if one else None,
            loaded_at=live.changed_at,
            in_flight=one.in_flight if one else 0,
            pinned=run.desired.pinned,
            priority=self._priority(run.desired.project),
        )

    def _share(self, runs: list[EndpointRun], now: float) -> None:
        """Where memory is short, let those give back who have more than their part of it."""
        short = any(version.room for run in runs for version in run.runs)
        free = self.leases.free_bytes() if short else None
        if free is None:
            return
        lives = [(run, run.live) for run in runs if run.live is not None]
        held = sum(live.reserved_bytes for _, live in lives if not live.room)
        wants = [self._want(run, live) for run, live in lives]
        for (_, live), part in zip(lives, scaling.share(wants, free + held), strict=True):
            least = max(part.replicas, scaling.bounds(live.target)[0])
            if len(live.active) > least:
                live.scale(least, now)

    def _want(self, run: EndpointRun, live: VersionRun) -> Want:
        return Want(
            run.name,
            run.desired.project,
            replicas=live.wanted,
            floor=scaling.bounds(live.target)[0],
            replica_bytes=live.target.memory_bytes,
            priority=self._priority(run.desired.project),
        )
