"""The route of one endpoint, as the gateway is to follow it."""

from services.serving.models import Backend, Endpoint
from services.serving.rollout import RolloutRun
from services.serving.routes import Replica, Route, VersionRoute
from services.serving.versions import VersionRun


def route(desired: Endpoint, live: VersionRun | None, new: RolloutRun | None) -> Route | None:
    """Return it, None: there is nothing to be asked.

    Args:
        desired: What is wanted.
        live: The version that answers.
        new: The rollout that is under way.
    """
    share = new.share if new is not None and new.routed else 0.0
    versions = _versions(live, new, share)
    primary = _primary(live, new, share)
    if primary not in versions:
        return None
    shares = _shares(primary, live, new, share)
    answering = any(versions[one].replicas for one in shares if one in versions)
    return Route(
        name=desired.name,
        project=desired.project,
        model=desired.model,
        primary=primary,
        shares=shares,
        versions=versions,
        shadow=new.version if new is not None and new.shadow and new.run.ready else None,
        # A request may wait for a model server that is on its way.
        idle=not answering and live is not None and live.phase() != "failed",
        deadline_ms=desired.deadline_ms,
        privacy=desired.privacy,
        sample=desired.sample,
    )


def _versions(
    live: VersionRun | None, new: RolloutRun | None, share: float
) -> dict[int, VersionRoute]:
    found: dict[int, VersionRoute] = {}
    if live is not None and live.prepared is not None:
        found[live.version] = _version_route(live)
    if new is None or not new.routed or new.run.prepared is None:
        return found
    if live is None or live.version != new.version or share == 1.0:
        found[new.version] = _version_route(new.run)
    return found


def _primary(live: VersionRun | None, new: RolloutRun | None, share: float) -> int:
    if new is not None and (share == 1.0 or live is None):
        return new.version
    return live.version if live is not None else -1


def _version_route(run: VersionRun) -> VersionRoute:
    prepared = run.prepared
    if prepared is None:
        raise ValueError("a version without what it needs has no route")
    backend, reason = run.backend()
    known: Backend = backend or prepared.info.preferred_backend or "cpu"
    return VersionRoute(
        version=run.version,
        info=prepared.info,
        backend=known,
        backend_reason=reason,
        replicas=tuple(Replica(one.spec.id, one.spec.address) for one in run.ready),
    )


def _shares(
    primary: int, live: VersionRun | None, new: RolloutRun | None, share: float
) -> dict[int, float]:
    if new is None or live is None or live.version == new.version or not 0.0 < share < 1.0:
        return {primary: 1.0}
    return {live.version: 1.0 - share, new.version: share}
