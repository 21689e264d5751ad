"""What became of the replicas that were asked for, as the serving engine sees it."""

from services.actions import serving
from services.actions.action import NotYetError
from services.resources.models import gib
from services.serving import scaling
from services.serving.models import Endpoint, EndpointStatus, Target, VersionStatus
from services.serving.status import ServingStatus

LONGEST_S = 180.0
"""So long it is followed; the serving engine goes on after that."""
MEMORY_S = 15.0
"""So long nobody takes want of memory for the end of it: others may be giving theirs back."""
_PAUSE_S = 0.5


def outcome(wanted: Endpoint | None, seen: ServingStatus | None, since_s: float) -> str:
    """Return what became of them, as the end of a sentence.

    What the engine cannot do now stays wanted, so it is no failure of the wish.

    Args:
        wanted: The endpoint as it is wanted now; None: it is deployed no longer.
        seen: What the serving engine saw last.
        since_s: How long ago they were asked for.

    Raises:
        NotYetError: They are on their way; the message says how far they are.
    """
    if wanted is None or wanted.live is None:
        return "a rollout brings them" if wanted else "it was taken out of service meanwhile"
    why = serving.engine_fault(seen)
    if seen is None or why:
        return f"the serving engine sees to it when it is back: {why}"
    found = _version(wanted, seen.endpoints.get(wanted.name))
    said = _missing(wanted.live, found)
    if found is not None and not said:
        return _there(found.ready)
    lack = "" if found is None else _memory(wanted.live, found, seen.memory_free_bytes)
    if since_s < (MEMORY_S if lack else LONGEST_S):
        raise NotYetError(said, _PAUSE_S)
    return f"{said} {lack} The serving engine goes on with it".replace("  ", " ")


def _version(wanted: Endpoint, found: EndpointStatus | None) -> VersionStatus | None:
    """Return what the engine sees of the live version, None when it has not read the wish yet."""
    if found is None or wanted.live is None or found.generation < wanted.generation:
        return None
    return next((one for one in found.versions if one.version == wanted.live.version), None)


def _missing(target: Target, found: VersionStatus | None) -> str:
    """Return how far they are, empty when all is as it was wished."""
    if found is None:
        return "The serving engine looks at it in a moment."
    least, most = scaling.bounds(target)
    alive = _alive(found)
    if alive > most:
        return f"{alive - most} of {alive} replicas are to end."
    if found.ready >= least:
        return ""
    why = f" {found.said}" if found.said else ""
    return f"{found.ready} of {least} replicas {'is' if found.ready == 1 else 'are'} ready.{why}"


def _alive(found: VersionStatus) -> int:
    return sum(one.state in {"starting", "ready"} for one in found.replicas)


def _there(ready: int) -> str:
    if not ready:
        return "it sleeps until somebody asks"
    return "1 replica is ready" if ready == 1 else f"{ready} replicas are ready"


def _memory(target: Target, found: VersionStatus, free: int | None) -> str:
    """Return that there is no memory for one more; empty where there is, or nobody knows."""
    begun = _alive(found) >= scaling.bounds(target)[0]  # those that start hold theirs already
    if free is None or free >= target.memory_bytes or begun:
        return ""
    return f"One reserves {gib(target.memory_bytes)}, and {gib(free)} are left for serving."
