"""Endpoints as people look at them: what is wanted, what there is, and what passes, in one picture.

Three readers use it: the page, ``mlops deployments`` and whoever asks for JSON. It asks no engine:
the journal, ``status.json`` and ``figures.json`` say all of it, in milliseconds. What is old is
told so, with the last values that were known.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from services.actions.journal import Journal
from services.home import Home
from services.serving import figures, status, store
from services.serving.figures import Figures, VersionFigures
from services.serving.looks import Deployment, RolloutLook, Span, VersionLook
from services.serving.models import (
    Endpoint,
    EndpointStatus,
    Phase,
    RolloutStatus,
    Target,
    VersionStatus,
)
from services.serving.status import ServingStatus

__all__ = [
    "Deployment", "RolloutLook", "Span", "VersionLook", "deployment", "deployments", "engine_said",
    "spans",
]  # fmt: skip

NO_ENERGY = "No energy of a prediction was measured in this stretch."

Energy = Callable[[str, str, int], tuple[float | None, str]]
"""(project, model, version) → joules a prediction, and why there is none."""


def deployments(
    home: Home,
    journal: Journal,
    projects: Sequence[str] | None = None,
    energy: Energy | None = None,
) -> tuple[Deployment, ...]:
    """Return all endpoints that are wanted, and those that have not ended yet, by name.

    Args:
        home: Where the engines write.
        journal: What is wanted.
        projects: Those the person sees; None: all.
        energy: What a prediction of a version took, where that is measured.

    Raises:
        JournalError: The journal cannot be read.
    """
    now = time.time()
    seen, counted = status.read(home), figures.read(home)
    wanted = {one.name: one for one in store.endpoints(journal, projects)}
    ending = {
        name
        for name, one in (seen.endpoints if seen else {}).items()
        if _runs(one) and (projects is None or name.partition(".")[0] in projects)
    }
    at = _At(seen, counted, _stale(seen, now), _figures_stale(counted, now), energy)
    names = sorted({*wanted, *ending})
    return tuple(at.look(wanted.get(name) or _unwanted(name)) for name in names)


def deployment(home: Home, journal: Journal, name: str, energy: Energy | None = None) -> Deployment:
    """Return one endpoint.

    Args:
        home: Where the engines write.
        journal: What is wanted.
        name: Of the endpoint.
        energy: What a prediction of a version took, where that is measured.

    Raises:
        NotFoundError: It is not deployed.
        JournalError: The journal cannot be read.
    """
    found = store.endpoint(journal, name)
    now = time.time()
    seen, counted = status.read(home), figures.read(home)
    at = _At(seen, counted, _stale(seen, now), _figures_stale(counted, now), energy)
    return at.look(found)


def engine_said(home: Home) -> str:
    """Return why the serving engine or Ray is not well; empty when it is."""
    seen = status.read(home)
    return _stale(seen, time.time()) or (seen.ray if seen else "")


def spans(journal: Journal, name: str) -> tuple[Span, ...]:
    """Return what was live when, newest first.

    Raises:
        JournalError: The journal cannot be read.
    """
    found: list[Span] = []
    until: datetime | None = None
    for event in store.events(journal, name, 500, ("live", "undeployed")):
        at = _moment(event.at)
        if event.kind == "live" and event.version is not None:
            found.append(Span(event.version, at, until, event.actor, event.said))
        until = at
    return tuple(found)


# One picture


@dataclass(frozen=True, slots=True)
class _At:
    """What the engines said last."""

    seen: ServingStatus | None
    counted: Figures | None
    stale: str
    figures_stale: str
    energy: Energy | None

    def look(self, wanted: Endpoint) -> Deployment:
        found = self.seen.endpoints.get(wanted.name) if self.seen else None
        versions = self._versions(wanted, found)
        main = _main(wanted, versions)
        target = wanted.first_target or Target(main.version if main else 0)
        of_main = main.figures if main else VersionFigures(0)
        asked = [one.figures for one in versions if one.phase != "shadow"]
        joules, why = self._energy(wanted, main)
        known = [one.memory_bytes for one in versions if one.memory_bytes is not None]
        state, said = _state(wanted, found, self.stale)
        return Deployment(
            name=wanted.name,
            project=wanted.project,
            model=wanted.model,
            version=main.version if main else (target.version or None),
            backend=main.backend if main else None,
            backend_reason=main.backend_reason if main else "",
            state=state,
            said=said,
            replicas=sum(one.ready for one in versions),
            min_replicas=target.min_replicas,
            max_replicas=target.max_replicas,
            traffic={one.version: one.traffic for one in versions if one.traffic > 0},
            requests=sum(one.requests for one in asked),
            errors=sum(one.errors for one in asked),
            refused=sum(one.refused for one in asked),
            p50_ms=of_main.p50_ms,
            p95_ms=of_main.p95_ms,
            p99_ms=of_main.p99_ms,
            in_flight=sum(one.in_flight for one in asked),
            memory_bytes=sum(known) if known else None,
            reserved_bytes=sum(one.reserved_bytes * len(one.replicas) for one in versions),
            energy_j_per_1000=None if joules is None else joules * 1000,
            energy_reason=why,
            last_change=_changed(wanted, found),
            rollout=_rollout(wanted, found),
            versions=versions,
            pinned=wanted.pinned,
            idle_after_s=wanted.idle_after_s,
            privacy=wanted.privacy,
            stale=self.stale,
            figures_stale=self.figures_stale,
        )

    def _versions(self, wanted: Endpoint, found: EndpointStatus | None) -> tuple[VersionLook, ...]:
        counted = self.counted or Figures()
        live = wanted.live.version if wanted.live else None
        return tuple(
            _version(one, counted.of(wanted.name, one.version), live=one.version == live)
            for one in (found.versions if found else ())
        )

    def _energy(self, wanted: Endpoint, main: VersionLook | None) -> tuple[float | None, str]:
        if self.energy is None or main is None:
            return None, NO_ENERGY
        return self.energy(wanted.project, wanted.model, main.version)


def _version(one: VersionStatus, counted: VersionFigures, *, live: bool) -> VersionLook:
    held = [r.memory_bytes for r in one.replicas if r.memory_bytes is not None]
    peaks = [r.peak_bytes for r in one.replicas if r.peak_bytes is not None]
    return VersionLook(
        one.version,
        one.phase,
        one.said,
        one.backend,
        one.backend_reason,
        one.share,
        one.replicas,
        one.reserved_bytes,
        sum(held) if held else None,
        max(peaks, default=None),
        counted,
        live,
    )


def _main(wanted: Endpoint, versions: Sequence[VersionLook]) -> VersionLook | None:
    """Return what answers; of a first rollout what is on its way; of what ends what is left.

    A new version that is watched answers all requests already.
    """
    coming = wanted.rollout.target.version if wanted.rollout else None
    taken = [one for one in versions if one.version == coming and one.traffic >= 1.0]
    if taken:
        return taken[0]
    target = wanted.first_target
    if target is None:
        return versions[0] if versions else None
    return next((one for one in versions if one.version == target.version), None)


def _state(wanted: Endpoint, found: EndpointStatus | None, stale: str) -> tuple[Phase, str]:
    if found is None:
        said = stale or "The serving engine looks at it in a moment."
        return "waiting", said
    if wanted.first_target is None:
        return "draining", found.said or "It is wanted no longer; its model servers end."
    return found.phase, found.said


def _rollout(wanted: Endpoint, found: EndpointStatus | None) -> RolloutLook | None:
    wish, seen = wanted.rollout, found.rollout if found else None
    if wish is None:
        return None if seen is None else _seen_rollout(seen)
    same = seen if seen is not None and seen.action_id == wish.action_id else None
    return RolloutLook(
        version=wish.target.version,
        strategy=wish.strategy,
        running=True,
        outcome="running",
        said=same.said if same else "It waits for the serving engine.",
        share=wish.share,
        header=wish.header,
        promote=wish.promote,
        watch_s=wish.watch_s,
        steps=same.steps if same else (),
        action_id=wish.action_id,
        actor=wish.actor,
        began_at=_moment(same.began_at if same else wanted.changed_at),
        ended_at=None,
    )


def _seen_rollout(seen: RolloutStatus) -> RolloutLook:
    """Return a rollout that is wanted no longer; one the engine still shows as running ended."""
    running = seen.outcome == "running"
    return RolloutLook(
        version=seen.version,
        strategy=seen.strategy,
        running=False,
        outcome="aborted" if running else seen.outcome,
        said=seen.said,
        share=0.0,
        header=False,
        promote=False,
        watch_s=None,
        steps=seen.steps,
        action_id=seen.action_id,
        actor="",
        began_at=_moment(seen.began_at),
        ended_at=None if seen.ended_at is None else _moment(seen.ended_at),
    )


def _runs(found: EndpointStatus) -> bool:
    return any(one.replicas for one in found.versions)


def _unwanted(name: str) -> Endpoint:
    project, _, model = name.partition(".")
    return Endpoint(project, model)


def _changed(wanted: Endpoint, found: EndpointStatus | None) -> datetime | None:
    latest = max(wanted.changed_at, found.since if found else 0.0)
    return _moment(latest) if latest > 0 else None


def _stale(seen: ServingStatus | None, now: float) -> str:
    if seen is None:
        return "The serving engine has not started yet."
    if not seen.stale(now):
        return ""
    return (
        f"The serving engine has said nothing for {_span(now - seen.at)}: this is what it last saw."
    )


def _figures_stale(counted: Figures | None, now: float) -> str:
    if counted is None:
        return "The gateway has not started yet."
    if not counted.stale(now):
        return ""
    return (
        f"The gateway has said nothing for {_span(now - counted.at)}: these are its last figures."
    )


def _span(seconds: float) -> str:
    if seconds < 0:
        return "a while"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
