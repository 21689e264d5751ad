"""One endpoint as the page shows it: what is wanted of it, what there is, what passes through it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from services.serving.figures import WINDOW_S, Figures, VersionFigures
from services.serving.models import (
    Backend,
    Endpoint,
    EndpointStatus,
    Phase,
    ReplicaStatus,
    RolloutStatus,
    Target,
    VersionStatus,
)
from services.serving.status import ServingStatus


@dataclass(frozen=True, slots=True)
class VersionSeen:
    """One version of an endpoint."""

    version: int
    phase: Phase
    said: str = ""
    backend: Backend | None = None
    backend_reason: str = ""
    share: float = 0.0
    """Of the requests that name no version."""
    role: str = ""
    """How else it is reached: ``by header`` or ``shadow``."""
    ready: int = 0
    wanted: int | None = None
    """Replicas; None: nobody wants it any more."""
    most: int | None = None
    reserved_bytes: int | None = None
    """By all its replicas."""
    used_bytes: int | None = None
    """By those whose memory is known; None: of none it is."""
    replicas: tuple[ReplicaStatus, ...] = ()
    target: Target | None = None
    figures: VersionFigures | None = None
    """None: the gateway tells nothing."""

    @property
    def per_s(self) -> float | None:
        """Requests a second over the last minute."""
        return None if self.figures is None else self.figures.requests / WINDOW_S


@dataclass(frozen=True, slots=True)
class Seen:
    """One endpoint."""

    name: str
    project: str
    model: str
    phase: Phase
    said: str
    changed_at: float | None
    """When what is wanted of it changed, or what it does; seconds since 1970."""
    endpoint: Endpoint | None = None
    """What is wanted; None: it is being ended."""
    status: EndpointStatus | None = None
    """What there is; None: the serving engine told nothing of it."""
    versions: tuple[VersionSeen, ...] = field(default=())
    """Those that get the most requests first."""

    @property
    def live(self) -> int | None:
        """The version that answers."""
        wanted = self.endpoint.live if self.endpoint else None
        return wanted.version if wanted else None

    @property
    def changed(self) -> datetime | None:
        """When it changed."""
        return None if self.changed_at is None else datetime.fromtimestamp(self.changed_at, UTC)

    @property
    def rollout(self) -> RolloutStatus | None:
        """The rollout that is under way, or the last one."""
        return self.status.rollout if self.status else None

    @property
    def rolling(self) -> int | None:
        """The version on its way, None when there is none."""
        wanted = self.endpoint.rollout if self.endpoint else None
        return wanted.target.version if wanted else None

    @property
    def went_wrong(self) -> RolloutStatus | None:
        """The last rollout, when it ended badly."""
        last = self.rollout
        return last if last is not None and last.outcome in {"rolled-back", "failed"} else None

    def version(self, number: int) -> VersionSeen | None:
        """Return one of its versions."""
        return next((one for one in self.versions if one.version == number), None)


NOT_TAKEN_UP = "The serving engine has not taken it up yet."
ENDING = "Nobody wants it any more: it is being ended."


def joined(
    endpoints: Iterable[Endpoint], status: ServingStatus | None, figures: Figures | None
) -> tuple[Seen, ...]:
    """Return every endpoint that is wanted, and what is there still though it is not, by name."""
    known = status.endpoints if status else {}
    wanted = {one.name: one for one in endpoints}
    names = sorted({*wanted, *known})
    return tuple(_seen(name, wanted.get(name), known.get(name), figures) for name in names)


def _seen(
    name: str, endpoint: Endpoint | None, status: EndpointStatus | None, figures: Figures | None
) -> Seen:
    project, _, model = name.partition(".")
    if endpoint is not None:
        project, model = endpoint.project, endpoint.model
    phase: Phase = status.phase if status else "waiting"
    said = status.said if status else NOT_TAKEN_UP
    if endpoint is None and not said:
        said = ENDING
    times = [endpoint.changed_at if endpoint else 0.0, status.since if status else 0.0]
    numbers = figures.endpoints.get(name, {}) if figures else None
    return Seen(
        name,
        project,
        model,
        phase,
        said,
        max(times) or None,
        endpoint,
        status,
        tuple(sorted(_versions(endpoint, status, numbers), key=lambda one: -one.share)),
    )


def _versions(
    endpoint: Endpoint | None,
    status: EndpointStatus | None,
    numbers: Mapping[int, VersionFigures] | None,
) -> Iterable[VersionSeen]:
    targets = _targets(endpoint)
    known = {one.version: one for one in status.versions} if status else {}
    for number in dict.fromkeys((*targets, *known)):
        figures = None if numbers is None else numbers.get(number, VersionFigures(number))
        yield _version(number, known.get(number), targets.get(number), endpoint, figures)


def _targets(endpoint: Endpoint | None) -> dict[int, Target]:
    """Return what is wanted of each version, the live one first."""
    if endpoint is None:
        return {}
    on_its_way = endpoint.rollout.target if endpoint.rollout else None
    found = [one for one in (endpoint.live, on_its_way) if one is not None]
    return {one.version: one for one in found}


def _version(
    number: int,
    status: VersionStatus | None,
    target: Target | None,
    endpoint: Endpoint | None,
    figures: VersionFigures | None,
) -> VersionSeen:
    wanted = target.min_replicas if target else None
    most = target.max_replicas if target else None
    role = _role(number, endpoint)
    if status is None:
        each = target.memory_bytes if target else 0
        reserved = each * (wanted or 0) or None
        return VersionSeen(
            number, "waiting", NOT_TAKEN_UP, role=role, wanted=wanted, most=most,
            reserved_bytes=reserved, target=target, figures=figures,
        )  # fmt: skip
    used = [one.memory_bytes for one in status.replicas if one.memory_bytes is not None]
    return VersionSeen(
        version=number,
        phase=status.phase,
        said=status.said,
        backend=status.backend,
        backend_reason=status.backend_reason,
        share=status.share,
        role=role,
        ready=status.ready,
        wanted=None if wanted is None else max(wanted, len(status.replicas)),
        most=most,
        reserved_bytes=status.reserved_bytes * len(status.replicas),
        used_bytes=sum(used) if used else None,
        replicas=status.replicas,
        target=target,
        figures=figures,
    )


def _role(number: int, endpoint: Endpoint | None) -> str:
    rollout = endpoint.rollout if endpoint else None
    if rollout is None or rollout.target.version != number:
        return ""
    if rollout.strategy == "shadow" and not rollout.promote:
        return "shadow"
    return "by header" if rollout.header and not rollout.promote else ""
