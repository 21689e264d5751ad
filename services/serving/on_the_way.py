"""What each version of an endpoint does while a rollout is under way, in a few words each."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from services.serving.looks import Deployment, RolloutLook, Span
from services.serving.models import Phase
from services.serving.rollout_steps import WATCH

KEPT = "kept to go back to"
_DOES: dict[Phase, str] = {
    "waiting": "waits",
    "loading": "loads",
    "warming": "warms up",
    "checking": "is checked",
    "switching": "takes over",
    "rolling-back": "goes back",
}


def words(seen: Deployment, now: float) -> tuple[str, ...]:
    """Return what each version does, the one with the requests first; none without a rollout.

    Args:
        seen: The endpoint.
        now: Seconds since 1970.
    """
    rollout = seen.rollout
    if rollout is None or not rollout.running:
        return ()
    new, old = rollout.version, seen.live.version if seen.live else None
    phase = phase_of(seen)
    if phase in {"watching", "live"}:
        told = [f"{new} live, watched{_left(seen, rollout, now)}"]
        return (*told, f"{old} {KEPT}") if old is not None else tuple(told)
    told = [] if old is None else [f"{old} live"]
    return (*told, f"{new} {_does(phase, rollout)}")


def short(seen: Deployment) -> str | None:
    """Return the versions for a tile: ``1 → 2`` is one that comes, ``1 + 2`` two that answer."""
    rollout = seen.rollout
    own = None if seen.version is None else str(seen.version)
    if rollout is None or not rollout.running or own is None:
        return own
    old = seen.live.version if seen.live else None
    phase = phase_of(seen)
    if phase in {"watching", "live"}:
        return f"{rollout.version}, watched"
    if old is None or old == rollout.version:
        return own
    return f"{old} + {rollout.version}" if phase == "canary" else f"{old} → {rollout.version}"


def kept(seen: Deployment, version: int) -> bool:
    """Return whether a version gets no requests and stays for the case that the new one is bad."""
    rollout = seen.rollout
    running = rollout is not None and rollout.running and rollout.version != version
    live = seen.live is not None and seen.live.version == version
    return running and live and phase_of(seen) == "watching"


def phase_of(seen: Deployment) -> Phase:
    """Return how far the version on its way is; of none that is known yet, that it waits."""
    rollout = seen.rollout
    wanted = None if rollout is None else rollout.version
    return next((one.phase for one in seen.versions if one.version == wanted), "waiting")


def with_watched(spans: Sequence[Span], seen: Deployment, now: float) -> tuple[Span, ...]:
    """Return what was live when, with the version that is watched: it has the requests already."""
    rollout = seen.rollout
    if rollout is None or not rollout.running or phase_of(seen) != "watching":
        return tuple(spans)
    began = _watched_since(rollout)
    if began is None:
        return tuple(spans)
    at = datetime.fromtimestamp(began, UTC)
    left = _left(seen, rollout, now)
    said = f"Watched{left}: it goes back by itself when a guard speaks."
    before = [replace(one, ended_at=at) if one.ended_at is None else one for one in spans]
    return (Span(rollout.version, at, None, rollout.actor, said), *before)


def _does(phase: Phase, rollout: RolloutLook) -> str:
    if phase == "shadow":
        return "shadow, its answers are only compared"
    if phase == "canary":
        return "canary, by header" if rollout.header else f"canary, {rollout.share * 100:.4g} %"
    return _DOES.get(phase, phase)


def _left(seen: Deployment, rollout: RolloutLook, now: float) -> str:
    """Return how long it is watched still; nothing when the engine is silent or it is not known."""
    began = _watched_since(rollout)
    if seen.stale or began is None or rollout.watch_s is None:
        return ""
    left = began + rollout.watch_s - now
    if left <= 0:
        return ""
    return f", {left:.0f} s left" if left < 120 else f", {left / 60:.0f} min left"


def _watched_since(rollout: RolloutLook) -> float | None:
    step = next((one for one in rollout.steps if one.name == WATCH), None)
    return step.began_at if step is not None and step.state == "running" else None
