"""One endpoint: its live version, the one on its way, those that go; its route and its status.

Pure but for what is handed in: a look at the world goes in, deeds come out.
"""

from collections.abc import Callable, Iterable

from services.serving import draining, endpoint_status, routing, scaling
from services.serving.checks import Checked
from services.serving.models import (
    Endpoint,
    EndpointStatus,
    EventKind,
    Phase,
    Rollout,
    RolloutStatus,
)
from services.serving.replicas import ReplicaSpec
from services.serving.rollout import RolloutRun, Surroundings
from services.serving.routes import Route
from services.serving.versions import Deeds, Make, Server, Tail, VersionRun, aim
from services.serving.world import CheckWish, Ended, World

KEPT_S = 900.0
"""How long it is told of an endpoint that is gone how its last rollout ended."""


class EndpointRun:
    """Follows one endpoint."""

    def __init__(self, desired: Endpoint, make: Make, tail: Tail, host: str, now: float) -> None:
        self.desired = desired
        self.live: VersionRun | None = None
        self.rollout: RolloutRun | None = None
        self.going: list[VersionRun] = []
        self.gone_at: float | None = None
        """When nobody wanted it any more."""
        self._host = host
        self._make = make
        self._tail = tail
        self._phase: Phase = "waiting"
        self._since = now
        self._before: tuple[EndpointStatus | None, bool] = (None, False)
        self._news: list[tuple[EventKind, str, int]] = []

    @property
    def name(self) -> str:
        """Its name."""
        return self.desired.name

    @property
    def runs(self) -> list[VersionRun]:
        """All versions of which there is something."""
        new = [self.rollout.run] if self.rollout and self.rolling else []
        return [*([self.live] if self.live else []), *new, *self.going]

    @property
    def rolling(self) -> bool:
        """Whether a rollout is under way; up to its end the version before has to be there."""
        return self.rollout is not None and self.rollout.under_way

    @property
    def answers(self) -> bool:
        """Whether a model server of it answers."""
        return any(run.ready for run in self.runs)

    @property
    def finished(self) -> bool:
        """Whether nothing is left of it."""
        return self.gone_at is not None and not any(run.servers for run in self.runs)

    def remember(self, status: EndpointStatus | None) -> None:
        """Take over what an earlier life of the engine said last."""
        self._before = status, True
        if status is not None:
            self._phase, self._since = status.phase, status.since
            self._remember_eviction(status)

    def _remember_eviction(self, status: EndpointStatus) -> None:
        """Let who gave its memory to others wait for a request still."""
        live = self.live
        if live is not None and any(
            one.evicted for one in status.versions if one.version == live.version
        ):
            live.evicted, live.wanted = True, 0

    # What is wanted

    def want(self, desired: Endpoint, now: float) -> None:
        """Follow what is wanted now."""
        self.desired, self.gone_at = desired, None
        self._follow_rollout(now)
        self._follow_live(now)

    def adopt(self, specs: Iterable[ReplicaSpec], now: float) -> list[ReplicaSpec]:
        """Take over model servers of an earlier life of the engine; return those of no use."""
        spare = []
        for spec in specs:
            run = next((one for one in self.runs if one.version == spec.version), None)
            full = run is not None and len(run.active) >= run.target.max_replicas
            if run is None or full or run.evicted or run in self.going:
                spare.append(spec)
                continue
            run.adopt(spec, now)
            run.scale(max(run.wanted, len(run.active)), now)
        return spare

    def unwant(self, now: float) -> None:
        """Nobody wants it any more."""
        if self.gone_at is not None:
            return
        self.gone_at = now
        self._abort(now)
        if self.live is not None:
            self._leave(self.live, now)
            self.live = None

    def _follow_rollout(self, now: float) -> None:
        wish, run = self.desired.rollout, self.rollout
        if run is not None and self.rolling:
            if wish is not None and wish.key == run.rollout.key:
                run.rollout = wish
                aim(run.run, wish.target, now)
                return
            live = self.desired.live
            if wish is None and live is not None and live.version == run.version:
                self._become_live(run, now)  # the journal knew before we did
            else:
                self._abort(now)
        if wish is None or self._known(wish):
            return
        wanted = max(1, wish.target.min_replicas)
        if self.live is not None:
            have = min(len(self.live.active), wish.target.max_replicas)
            wanted = max(wanted, have)
        made = VersionRun(self.name, wish.target, self._make, self._tail, wanted=wanted, now=now)
        self.rollout = RolloutRun(wish, made, self.desired.live is not None, now)

    def _known(self, wish: Rollout) -> bool:
        """Return whether a rollout ended already and the journal is still to hear of it."""
        run = self.rollout
        return run is not None and not run.running and not run.told and run.rollout.key == wish.key

    def _abort(self, now: float) -> None:
        run = self.rollout
        if run is not None and self.rolling:
            run.back("It was ended by a person.", now, "aborted")
            run.told = True
            self._leave(run.run, now)

    def _follow_live(self, now: float) -> None:
        wish = self.desired.live
        if wish is None:
            if self.live is not None:
                self._leave(self.live, now)
                self.live = None
            return
        if self.live is None or self.live.version != wish.version:
            made = VersionRun(
                self.name, wish, self._make, self._tail, wanted=max(0, wish.min_replicas), now=now
            )
            self._replace_live(made, now)
        elif self.live.target != wish:
            aim(self.live, wish, now)

    def _become_live(self, rollout: RolloutRun, now: float) -> None:
        rollout.outcome, rollout.told = "live", True
        self._replace_live(rollout.run, now)

    def _replace_live(self, run: VersionRun, now: float) -> None:
        if self.live is not None:
            self._leave(self.live, now)
        self.live = run

    def _leave(self, run: VersionRun, now: float) -> None:
        run.drop_all(now)
        if run not in self.going:
            self.going.append(run)

    # A look

    def look(self, world: World, deeds: Deeds) -> None:
        """Take in what is seen, and go on with the rollout."""
        for run in self.runs:
            run.look(world.seen, world.placed, world.now, deeds)
        self.going = [run for run in self.going if run.servers]
        self._resume(world.now)
        if self.rollout is not None and self.rollout.running:
            phase = self.rollout.phase
            self.rollout.turn(Surroundings.of(self.name, self.rollout.version, self.live, world))
            self._note_beside(self.rollout, phase)
            if not self.rolling:
                self._leave(self.rollout.run, world.now)
        self._scale(world)
        deeds.events += [(self.name, *one) for one in self._news]
        self._news = []

    def _note_beside(self, run: RolloutRun, before: Phase) -> None:
        if run.phase == before:
            return
        if run.phase == "canary":
            self._news.append(("canary", run.beside_said(), run.version))
        elif run.phase == "shadow":
            self._news.append(("shadow", run.beside_said(), run.version))

    def _resume(self, now: float) -> None:
        """Once after the start of the engine: go on with a rollout whose model servers live."""
        status, first = self._before
        if not first:
            return
        self._before = None, False
        run = self.rollout
        if status is None or status.rollout is None or run is None or not run.run.ready:
            return
        phases = {one.version: one.phase for one in status.versions}
        run.resume(status.rollout, phases.get(run.version, "loading"), now)

    def ended(self) -> Ended | None:
        """Return the rollout that ended and of which the journal does not know."""
        run = self.rollout
        if run is None or run.running or run.told:
            return None
        live = run.outcome == "live"
        return Ended(self.name, run.version, run.rollout.action_id, live, run.said)

    def noted(self, after: Endpoint | None, now: float) -> None:
        """The journal was told; ``after`` is what is wanted now, None: something else by now."""
        run = self.rollout
        if run is not None and run.outcome != "live":
            run.told = True
        elif run is not None and after is not None:
            self._become_live(run, now)
        if after is not None and after.live is not None:
            self.want(after, now)

    def checks(self) -> list[CheckWish]:
        """Return the model servers that are to be checked."""
        run = self.rollout
        if run is None or not run.running or run.phase != "checking":
            return []
        beside = self.live.ready[0] if self.live and self.live.ready else None
        return [
            CheckWish(self.name, run.run, one, beside)
            for one in run.run.ready
            if one.spec.id not in run.checks
        ]

    def checked(self, replica: str, found: Checked) -> None:
        """Take in what a check found."""
        if self.rollout is not None and self.rollout.running:
            self.rollout.checks[replica] = found

    # How many

    def _scale(self, world: World) -> None:
        live = self.live
        if live is None:
            return
        if live.wanted == 0:
            self._wake(live, world)
            return
        if live.room and live.active:  # no room for one more; asked again when the load asks again
            live.scale(len(live.active), world.now)
        if world.figures is None or self.rolling or len(live.active) != live.wanted:
            return
        wanted = scaling.decide(
            live.target,
            world.figures.of(self.name, live.version),
            len(live.active),
            self.desired.idle_after_s,
            world.now,
            live.changed_at,
        )
        self._change(live, wanted, world.now)

    def _change(self, live: VersionRun, wanted: int, now: float) -> None:
        """Want another number, and say so."""
        before = live.wanted
        if wanted == before:
            return
        live.scale(wanted, now)
        if wanted == 0:
            said = f"Nobody asked for {self.desired.idle_after_s:.0f} s: its memory is given back."
            self._news.append(("idle", said, live.version))
        else:
            said = f"{before} → {wanted} model servers, by its load."
            self._news.append(("scaled", said, live.version))

    def _wake(self, live: VersionRun, world: World) -> None:
        figures = world.figures.of(self.name, live.version) if world.figures else None
        asked = figures is not None and scaling.asked_since(figures, live.changed_at)
        least = 0 if live.evicted else live.target.min_replicas
        if self.name in world.woken or asked or least:
            live.evicted = False
            live.scale(max(1, live.target.min_replicas), world.now)
            self._news.append(("woken", "Somebody asked for it.", live.version))

    def evict(self, now: float) -> None:
        """Give the memory back until somebody asks."""
        if self.live is not None:
            self.live.evicted = True
            self.live.scale(0, now)

    def drained(self, world: World) -> Callable[[VersionRun, Server], bool]:
        """Return whether a model server that is out of the routes has nothing to answer."""

        def quiet(run: VersionRun, one: Server) -> bool:
            # Others of its version answer on: it ends what it has itself when it is asked to end.
            others = any(other.active for other in self.runs if other.version == run.version)
            return draining.quiet(self.name, one, world, others=others)

        return quiet

    # Routes

    def dropped(self, serial: int, now: float) -> None:
        """Routes without the model servers that go are written."""
        for run in self.runs:
            for one in run.servers:
                if one.state == "ending" and one.dropped_serial is None:
                    one.dropped_serial, one.dropped_at = serial, now

    def coming_back(self, *, routed: bool) -> bool:
        """Return whether it answered in an earlier life and is not as far again.

        Args:
            routed: Whether there is a route now.
        """
        main = self.live or (self.rollout.run if self.rollout and self.rolling else None)
        if main is None or main.refused:
            return False
        return not routed or any(run.active and not run.ready for run in self.runs)

    def route(self) -> Route | None:
        """Return what the gateway is to know, None: nothing."""
        new = self.rollout if self.rolling else None
        return routing.route(self.desired, self.live, new)

    # Status

    def status(self, now: float) -> EndpointStatus:
        """Return it for people, actions and pages."""
        phase, said = endpoint_status.phase(
            self.live, self.rollout, self.runs, gone=self.gone_at is not None
        )
        if phase != self._phase:
            self._phase, self._since = phase, now
        return EndpointStatus(
            name=self.name,
            phase=phase,
            said=said,
            generation=self.desired.generation,
            versions=endpoint_status.versions(self.live, self.rollout, self.runs, self._host),
            rollout=self._rollout_status(),
            since=self._since,
        )

    def _rollout_status(self) -> RolloutStatus | None:
        if self.rollout is not None:
            return self.rollout.status()
        status, _ = self._before
        return status.rollout if status is not None else None

    def shift(self, by_s: float) -> None:
        """The clock was set: what is waited for is waited for as long as before."""
        if self.gone_at is not None:
            self.gone_at += by_s
        if self.rollout is not None:
            self.rollout.since += by_s
        for run in self.runs:
            run.shift(by_s)

    def forgotten(self, now: float) -> bool:
        """Return whether nothing needs to be told of it any more."""
        told = self.rollout is None or now - (self.rollout.ended_at or 0.0) > KEPT_S
        return self.finished and told
