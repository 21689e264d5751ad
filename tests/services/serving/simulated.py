"""An endpoint followed in simulated time: model servers are entries of a dict."""

from dataclasses import dataclass, field, replace
from typing import Any

from services.serving.checks import Checked
from services.serving.drift import Found, Wish, wish_of
from services.serving.endpoint import EndpointRun
from services.serving.figures import Figures, VersionFigures
from services.serving.models import Endpoint, Rollout, Target
from services.serving.replicas import ReplicaSpec, Seen
from services.serving.routes import Route
from services.serving.versions import Deeds, Prepared
from services.serving.world import World
from tests.services.serving.lab import MODEL, NAME, PROJECT, bundle_info

MB = 1 << 20
TURN_S = 0.25


def target(version: int, **changes: Any) -> Target:
    return Target(version, **({"memory_bytes": 100 * MB} | changes))


def rollout(version: int, **changes: Any) -> Rollout:
    wish = changes.pop("target", None) or target(version)
    return Rollout(wish, **({"watch_s": 5.0, "action_id": version} | changes))


def endpoint(**changes: Any) -> Endpoint:
    return Endpoint(PROJECT, MODEL, **changes)


@dataclass
class Simulation:
    """What the shell of the engine does, without files and processes."""

    desired: Endpoint | None
    now: float = 1000.0
    starts_s: float = 2.0
    """How long a model server loads."""
    bad: dict[int, str] = field(default_factory=dict)
    """Versions that fail, and how: load, crash or answer."""
    passing: dict[int, VersionFigures] = field(default_factory=dict)
    gateway: bool = True
    room: bool = True
    ledger: bool = False
    """Whether a ledger is asked for room, by whoever turns this."""
    woken: bool = False
    thermal: int | None = None
    drift: Found | None = None
    """What is found of the rollout's answers, whenever it is watched."""
    servers: dict[str, tuple[ReplicaSpec, float, str]] = field(default_factory=dict)
    """By id: since when, and what is to become of it."""
    events: list[tuple[str, str]] = field(default_factory=list)
    serial: int = 0
    route: Route | None = None
    ended: list[tuple[int, bool, str]] = field(default_factory=list)
    counter: int = 0

    def __post_init__(self) -> None:
        self.run = EndpointRun(
            self.desired or endpoint(), self.make, lambda spec: "", "here", self.now
        )

    def make(self, wish: Target, prepared: Prepared, number: int) -> ReplicaSpec:
        self.counter += 1
        key = f"{wish.version}:{number}-{self.counter}"
        spec = ReplicaSpec(
            id=key, name=NAME, project=PROJECT, model=MODEL, version=wish.version,
            memory_bytes=wish.memory_bytes, backend="auto", max_batch=32, bundle="", folder="",
            python="", socket=f"/{key}", events="", record="", log="", home="",
        )  # fmt: skip
        self.servers[key] = (spec, self.now, self.bad.get(wish.version, ""))
        return spec

    def seen(self) -> dict[str, Seen]:
        return {key: self._seen(key, *one) for key, one in self.servers.items()}

    def _seen(self, key: str, spec: ReplicaSpec, since: float, fate: str) -> Seen:
        if fate == "killed":
            return Seen(key, "ended", "It ended.")
        if self.now - since < self.starts_s:
            return Seen(key, "starting", stage="load")
        if fate == "load":
            return Seen(key, "failed", "the weights are of another network", stage="load")
        if fate == "crash":
            return Seen(key, "ended", "It ended.")
        return Seen(key, "ready", pid=1, backend="cpu", backend_reason="because", rss_bytes=MB)

    def _drift(self) -> dict[str, Found]:
        if self.drift is None or not isinstance(wish_of(self.run), Wish):
            return {}
        return {NAME: self.drift}

    def kill(self, version: int) -> None:
        for key, (spec, since, _) in self.servers.items():
            if spec.version == version:
                self.servers[key] = (spec, since, "killed")

    def turn(self) -> None:
        self.now += TURN_S
        run, deeds = self.run, Deeds()
        if self.desired is None:
            run.unwant(self.now)
        else:
            run.want(self.desired, self.now)
        figures = Figures(self.now, 1, self.serial, {NAME: dict(self.passing)})
        world = World(
            self.now,
            self.seen(),
            figures=figures if self.gateway else None,
            serial=self.serial,
            thermal_level=self.thermal,
            drift=self._drift(),
            woken=frozenset({NAME} if self.woken else ()),
        )
        run.look(world, deeds)
        self._note()
        for wish in run.checks():
            fine = self.bad.get(wish.run.version) != "answer"
            run.checked(wish.server.spec.id, Checked(fine, "as it should" if fine else "NaN"))
        for version in run.runs:
            if version.prepared is None:
                version.prepared = Prepared(bundle_info(version.version), "", "", "")
                if self.ledger:
                    continue  # it is asked for room first
            if not self.ledger:
                version.room = "" if self.room else "there is no room"
            version.grow(self.now)
            version.shrink(self.now)
        self._publish()
        for version in run.runs:
            drained = run.drained(world)
            version.end(self.now, deeds, lambda one, v=version, d=drained: d(v, one))
        self._do(deeds)

    def _note(self) -> None:
        ended = self.run.ended()
        if ended is None or self.desired is None or self.desired.rollout is None:
            return
        self.ended.append((ended.version, ended.live, ended.said))
        live = self.desired.rollout.target if ended.live else self.desired.live
        after = self.desired.with_live(live)
        self.desired = after if after.live is not None else None
        self.run.noted(after, self.now)

    def _publish(self) -> None:
        found = self.run.route()
        if found != self.route:
            self.serial += 1
            self.route = found
        self.run.dropped(self.serial, self.now)

    def _do(self, deeds: Deeds) -> None:
        for spec in (*deeds.ask, *deeds.kill):
            if spec.id in self.servers:
                self.servers[spec.id] = (spec, self.servers[spec.id][1], "killed")
        for spec in deeds.gone:
            self.servers.pop(spec.id, None)
        self.events += [(kind, said) for _, kind, said, _ in deeds.events]

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds / TURN_S)):
            self.turn()

    def deploy(self, version: int, **changes: Any) -> None:
        self.desired = replace(self.desired or endpoint(), rollout=rollout(version, **changes))

    @property
    def phase(self) -> str:
        return self.run.status(self.now).phase

    @property
    def answering(self) -> set[int]:
        """Versions with model servers that requests without a version reach."""
        route = self.route
        if route is None:
            return set()
        return {v for v, share in route.shares.items() if share and route.versions[v].replicas}
