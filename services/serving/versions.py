"""One version of an endpoint with its model servers: as many as are wanted, whatever ends them.

Pure but for the clock that is handed in: what is seen goes in, what is to be done comes out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from services.serving import scaling
from services.serving.cluster import Placed
from services.serving.models import (
    Backend,
    BundleInfo,
    EventKind,
    Phase,
    ReplicaStatus,
    Target,
    VersionStatus,
)
from services.serving.replicas import ReplicaSpec, Seen

START_S = 300.0
"""A model server that is not ready by then is taken for failed."""
CRASHES = 5
"""So many in a row, each after less than ``STABLE_S`` of life, and it counts as failed."""
STABLE_S = 20.0
TRIES_OF_A_NEW_ONE = 3
"""A version on its way that ends so often is taken back; one that says why it cannot, at once."""
DRAIN_S = 10.0
END_S = 12.0
"""From being asked to end to being made to."""
LONGEST_WAIT_S = 60.0
PREPARED_AGAIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a version needs before its first model server starts."""

    info: BundleInfo
    folder: str
    """The project's."""
    python: str
    bundle: str
    backend: str = "auto"
    backend_reason: str = ""


State = Literal["starting", "ready", "ending", "lost"]


@dataclass(slots=True)
class Server:
    """One model server as it is followed."""

    spec: ReplicaSpec
    number: int
    began: float
    state: State = "starting"
    seen: Seen | None = None
    ready_at: float | None = None
    restarts: int = 0
    dropped_at: float | None = None
    """When it was taken out of the routes."""
    dropped_serial: int | None = None
    """Of the routes without it; None: not yet written."""
    asked_at: float | None = None
    """When it was asked to end."""

    def shift(self, by_s: float) -> None:
        """The clock was set: move the moments from which is counted."""
        self.began += by_s
        for name in ("ready_at", "dropped_at", "asked_at"):
            at = getattr(self, name)
            setattr(self, name, None if at is None else at + by_s)


@dataclass(slots=True)
class Deeds:
    """What is to be done after a look."""

    ask: list[ReplicaSpec] = field(default_factory=list)
    """To be asked to end."""
    kill: list[ReplicaSpec] = field(default_factory=list)
    gone: list[ReplicaSpec] = field(default_factory=list)
    """Ended; what they left is to be removed."""
    events: list[tuple[str, EventKind, str, int]] = field(default_factory=list)
    """Lines of the history: endpoint, kind, sentence, version."""


Make = Callable[[Target, Prepared, int], ReplicaSpec]
Tail = Callable[[ReplicaSpec], str]


class VersionRun:
    """Keeps one version served."""

    def __init__(
        self, name: str, target: Target, make: Make, tail: Tail, *, wanted: int, now: float
    ) -> None:
        self.name = name
        self.target = target
        self.wanted = wanted
        self.prepared: Prepared | None = None
        self.preparing = "It waits for its turn."
        """What is done, or waited for, before a model server can start."""
        self.refused = ""
        """Why it cannot be prepared."""
        self.room = ""
        """Why there is no memory for what is wanted; empty: there is."""
        self.fault = ""
        """Why its model servers end again and again; empty: they do not."""
        self.evicted = False
        """It gave its memory to others, and waits for a request."""
        self.changed_at = now
        self.servers: list[Server] = []
        self.restarts = 0
        self._make = make
        self._tail = tail
        self._try_at = 0.0
        self._ends = 0
        """In a row, without a life of ``STABLE_S`` between them."""
        self._certain = False
        """Whether one said itself why it cannot."""
        self._said = ""
        self._refused_at = 0.0

    # What there is

    @property
    def version(self) -> int:
        """The version."""
        return self.target.version

    @property
    def active(self) -> list[Server]:
        """Model servers that answer or are on their way to."""
        return [one for one in self.servers if one.state in {"starting", "ready"}]

    @property
    def ready(self) -> list[Server]:
        """Those that answer."""
        return [one for one in self.servers if one.state == "ready"]

    @property
    def reserved_bytes(self) -> int:
        """What its model servers, and those wanted, reserve."""
        here = sum(one.spec.memory_bytes for one in self.servers)
        return here + max(0, self.wanted - len(self.active)) * self.target.memory_bytes

    @property
    def used_bytes(self) -> int | None:
        """What they have now; None: not known of any."""
        known = [one.seen.rss_bytes for one in self.servers if one.seen and one.seen.rss_bytes]
        return sum(known) if known else None

    @property
    def peak_bytes(self) -> int | None:
        """The most that one of them had; None: not known."""
        known = [one.seen.peak_bytes for one in self.servers if one.seen and one.seen.peak_bytes]
        return max(known, default=None)

    @property
    def ended_often(self) -> int:
        """How often in a row they ended before they were of use."""
        return TRIES_OF_A_NEW_ONE if self._certain else self._ends

    @property
    def idle(self) -> bool:
        """Whether it has no model server because nobody asks."""
        return self.wanted == 0 and not self.active

    # What is wanted

    def refuse(self, said: str, now: float) -> None:
        """Note why it cannot be prepared."""
        self.refused, self._refused_at = said, now

    def unprepared(self, now: float) -> bool:
        """Return whether it is to be prepared: not yet, or what was in the way may be gone."""
        waits = self.refused and now - self._refused_at < PREPARED_AGAIN_S
        return self.prepared is None and not waits

    def scale(self, wanted: int, now: float) -> None:
        """Want another number of model servers."""
        if wanted != self.wanted:
            self.wanted, self.changed_at = wanted, now

    def adopt(self, spec: ReplicaSpec, now: float) -> None:
        """Follow a model server that an earlier life of this engine started."""
        self.servers.append(Server(spec, self._number(), now))

    def drop(self, server: Server, now: float) -> None:
        """Take a model server out: no request goes to it from the next routes on."""
        if server.state != "ending":
            server.state, server.dropped_at = "ending", now

    def drop_all(self, now: float) -> None:
        """Take all out."""
        self.wanted = 0
        for one in self.servers:
            self.drop(one, now)

    def shift(self, by_s: float) -> None:
        """The clock was set: move the moments from which is counted."""
        self.changed_at += by_s
        self._try_at += by_s
        self._refused_at += by_s
        for one in self.servers:
            one.shift(by_s)

    # A look

    def look(
        self, seen: Mapping[str, Seen], placed: Mapping[str, Placed], now: float, deeds: Deeds
    ) -> None:
        """Take in what is seen of the model servers; those that ended are gone after it."""
        for one in list(self.servers):
            what = seen.get(one.spec.id)
            if what is not None:
                self._see(one, what, placed.get(one.spec.id), now, deeds)
        if self.ready and self._ends < CRASHES:
            self.fault = ""

    def _see(self, one: Server, what: Seen, place: Placed | None, now: float, deeds: Deeds) -> None:
        one.seen = what
        if what.state == "absent":
            self._see_absent(one, place, now, deeds)
        elif what.state in {"failed", "ended"}:
            self._end(one, _reason(what), now, deeds, certain=what.state == "failed")
        elif one.state == "starting":
            self._see_start(one, what, now, deeds)
        if one.ready_at is not None and now - one.ready_at > STABLE_S:
            self._ends, self._certain = 0, False

    def _see_absent(self, one: Server, place: Placed | None, now: float, deeds: Deeds) -> None:
        if one.state == "ending":
            self._gone(one, deeds)
        elif place and place.state == "failed":
            said = f"{place.said} {place.hint}".strip()
            self._end(one, said, now, deeds, certain=True)
        elif place and place.said:
            self._said = place.said

    def _see_start(self, one: Server, what: Seen, now: float, deeds: Deeds) -> None:
        if what.state == "ready":
            one.state, one.ready_at, self._said = "ready", now, ""
        elif now - one.began > START_S:
            deeds.kill.append(one.spec)
            self._end(one, f"It was not ready within {START_S:.0f} s.", now, deeds, certain=False)

    def _end(self, one: Server, why: str, now: float, deeds: Deeds, *, certain: bool) -> None:
        """A model server ended, or never began."""
        wanted_so = one.state == "ending"
        self._gone(one, deeds)
        if wanted_so:
            return
        self._certain = certain
        self._ends += 1
        self.restarts += 1
        last = self._tail(one.spec)
        self.fault = why if not last or last in why else f"{why} It last wrote:\n{last}"
        # The first is started again at once; who ends again and again waits longer each time.
        doublings = min(self._ends - 2, 10)
        pause = 0.0 if self._ends <= 1 else min(LONGEST_WAIT_S, 0.5 * 2.0**doublings)
        self._try_at = now + pause
        deeds.events.append(
            (
                self.name,
                "restarted",
                f"A model server of version {self.version} ended: {why}",
                self.version,
            )
        )

    def _gone(self, one: Server, deeds: Deeds) -> None:
        self.servers.remove(one)
        deeds.gone.append(one.spec)

    # What follows

    def grow(self, now: float) -> None:
        """Start what is wanted and not there; ``room`` was asked for before."""
        if self.prepared is None or self.room or self.refused or now < self._try_at:
            return
        while len(self.active) < self.wanted:
            number = self._number()
            spec = self._make(self.target, self.prepared, number)
            self.servers.append(Server(spec, number, now, restarts=self.restarts))

    def shrink(self, now: float) -> None:
        """Take out what is more than wanted: those first that do not answer yet, then the last."""
        spare = len(self.active) - self.wanted
        line = sorted(self.active, key=lambda one: (one.state == "starting", one.number))
        for one in line[::-1][: max(0, spare)]:
            self.drop(one, now)

    def end(self, now: float, deeds: Deeds, drained: Callable[[Server], bool]) -> None:
        """Ask those to end that get no request any more; make those that do not."""
        for one in self.servers:
            if one.state != "ending" or one.dropped_at is None:
                continue
            if one.asked_at is None:
                if drained(one) or now - one.dropped_at > DRAIN_S:
                    one.asked_at = now
                    deeds.ask.append(one.spec)
            elif now - one.asked_at > END_S:
                deeds.kill.append(one.spec)

    def _number(self) -> int:
        taken = {one.number for one in self.servers}
        return next(number for number in range(len(taken) + 1) if number not in taken)

    # For people and routes

    def said(self) -> str:
        """Return what it waits for, or why it does not answer, as a sentence."""
        if self.refused:
            return self.refused
        if self.wanted and self.room and not self.ready:
            return self.room
        if self.wanted and self.prepared is None:
            return self.preparing
        return self.fault or self._said

    def phase(self) -> Phase:
        """Return how far it is by itself: a rollout knows more of its version."""
        if self.ready:
            return "live"
        if self.idle:
            return "idle"
        if self.refused or self._ends >= CRASHES:
            return "failed"
        if self.room or self.prepared is None:
            return "waiting"
        warming = any(one.seen and one.seen.stage.startswith("warm") for one in self.active)
        return "warming" if warming else "loading"

    def backend(self) -> tuple[Backend | None, str]:
        """Return the backend and why it is that, as the model servers say."""
        reason = self.prepared.backend_reason if self.prepared else ""
        for one in self.servers:
            if one.seen and one.seen.backend:
                return one.seen.backend, reason or one.seen.backend_reason
        return self.target.backend, reason

    def status(self, phase: Phase, share: float, host: str) -> VersionStatus:
        """Return it for people."""
        backend, reason = self.backend()
        return VersionStatus(
            version=self.version,
            phase=phase,
            said=self.said(),
            backend=backend,
            backend_reason=reason,
            share=share,
            reserved_bytes=self.target.memory_bytes,
            evicted=self.evicted,
            replicas=tuple(_shown(one, host) for one in self.servers),
        )


def _shown(one: Server, host: str) -> ReplicaStatus:
    seen = one.seen or Seen(one.spec.id, "absent")
    return ReplicaStatus(
        id=one.spec.id,
        state=one.state,
        address=one.spec.address,
        host=host,
        pid=seen.pid,
        started_at=seen.created or one.began,
        memory_bytes=seen.rss_bytes,
        peak_bytes=seen.peak_bytes,
        restarts=one.restarts,
        log=one.spec.log,
    )


def _reason(what: Seen) -> str:
    stage = f" ({what.stage})" if what.state == "failed" and what.stage else ""
    said = what.said.strip()
    hint = f" {what.hint.strip()}" if what.hint else ""
    return f"{said}{stage}{hint}" if said else "It ended."


def aim(run: VersionRun, target: Target, now: float) -> None:
    """Let a version be wanted otherwise; model servers that run stay as they were started."""
    run.target = replace(target, memory_bytes=target.memory_bytes or run.target.memory_bytes)
    least, most = scaling.bounds(target)
    if not run.evicted:
        run.scale(min(max(run.wanted, least), most), now)
