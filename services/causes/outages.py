"""Why a deployment was out of service: engines, its model servers, rollouts, memory then. Pure.

Each minute out of service belongs to one cause, the first in this order that fits: an engine that
was down, a full disk, a model server that ended, a rollout that failed, want of room, a rollout
under way, what the alert on the deployment itself says. What explains most minutes is told first.
Memory pressure is no cause by itself, so it has no share and is told last.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from services.alerting.evidence import cited
from services.alerting.models import Alert
from services.causes.grounds import Ground, Grounds, named, phrase
from services.causes.surroundings import said_of
from services.causes.wording import address
from services.serving.models import EventKind
from services.serving.store import Event

BEFORE_S = 120.0
"""What happened so long before it went out of service may be why."""
_SMALLEST = 0.01
_EVENTS = 3
_ENGINES = ("gateway", "serving", "controller")
"""Without which nothing is answered, or nothing is mended."""
_HAPPENED: Mapping[str, tuple[tuple[EventKind, ...], str]] = {
    "restart": (("restarted",), "Its model servers ended and began anew"),
    "failed": (("failed", "rolled-back"), "A rollout failed"),
    "room": (("evicted",), "It was taken off for want of room"),
    "rollout": (("deploy", "canary", "live", "scaled", "woken"), "It was being rolled out"),
}
"""What its history tells: cause → kinds of lines, and how it is told."""
KINDS: tuple[EventKind, ...] = tuple(kind for kinds, _ in _HAPPENED.values() for kind in kinds)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, in seconds since 1970."""

    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Memory:
    """How short of memory the machine was while it was out of service."""

    level: float
    """Of memory pressure, the highest."""
    link: str
    """The page of the machine at that time."""


def grounds(
    name: str,
    down: Sequence[Span],
    alerts: Sequence[Alert],
    events: Sequence[Event],
    now: float,
    memory: Memory | None = None,
) -> Grounds:
    """Return what explains that a deployment was out of service, what explains most first.

    Args:
        name: ``PROJECT.MODEL``.
        down: When it was, in order of time.
        alerts: Of engines and disks, and of this deployment's endpoint, ended or not.
        events: Lines of its history, of ``KINDS``.
        now: Seconds since 1970.
        memory: None: its machine was not short of it, or does not tell.
    """
    whole = _length(down)
    if whole <= 0:
        return Grounds()
    left, found = list(down), []
    for ground, spans in (
        *_of_alerts(alerts, _is_engine, now), *_of_events(name, down, events),
        *_of_alerts(alerts, _is_endpoint, now),
    ):  # fmt: skip
        taken = _common(left, spans)
        share = _length(taken) / whole
        if share >= _SMALLEST:
            left = _without(left, spans)
            found.append(_with_share(ground, share, taken))
    found.sort(key=lambda one: -(one.share or 0.0))
    return Grounds((*found, *_of_memory(memory)))


def _is_engine(alert: Alert) -> bool:
    if alert.kind == "disk":
        return alert.severity == "critical"
    return alert.kind == "engine" and alert.labels.get("engine") in _ENGINES


def _is_endpoint(alert: Alert) -> bool:
    return alert.kind == "endpoint"


Found = Iterator[tuple[Ground, list[Span]]]


def _of_alerts(alerts: Sequence[Alert], wanted: Callable[[Alert], bool], now: float) -> Found:
    order = {engine: place for place, engine in enumerate(_ENGINES)}
    mine = [one for one in alerts if wanted(one)]
    mine.sort(key=lambda one: (order.get(one.labels.get("engine", ""), len(order)), one.since))
    for one in mine:
        page = address("alerts", alert=str(one.id))
        why = f": {phrase(one.cause)}" if one.cause else ""
        ground = Ground(
            one.kind, f"{named(one)}{why}" if one.kind == "endpoint" else named(one),
            (cited(f"{named(one)}{why}.", page),), one.suggestion, page,
        )  # fmt: skip
        yield ground, [Span(one.since, now if one.resolved_at is None else one.resolved_at)]


def _of_events(name: str, down: Sequence[Span], events: Sequence[Event]) -> Found:
    where = name.replace(".", "/", 1)
    page = address("deployments", deployment=name)
    for kind, (kinds, title) in _HAPPENED.items():
        mine = [one for one in events if one.kind in kinds]
        spans, told = [], []
        for span in down:
            near = [one for one in mine if span.since - BEFORE_S <= one.at <= span.until]
            if near:
                spans.append(span)
                told += near
        lines = tuple(cited(phrase(said_of(one)), page) for one in told[:_EVENTS])
        times = f" {len(told)} times" if kind == "restart" and len(told) > 1 else ""
        back = f"; `mlops rollback {where}` brings the version before back"
        yield (
            Ground(
                kind, f"{title}{times}{_first(told)}", lines,
                f"`mlops deployments {where}` shows it{back if kind != 'room' else ''}.", page,
            ),
            spans,
        )  # fmt: skip


def _first(events: Sequence[Event]) -> str:
    said = phrase(events[0].said.splitlines()[0], 120) if events and events[0].said else ""
    return f": {said}" if said else ""


def _of_memory(memory: Memory | None) -> Iterator[Ground]:
    if memory is not None:
        said = f"its machine was short of memory (pressure level {memory.level:g} at most)"
        yield Ground(
            "memory", f"{said[:1].upper()}{said[1:]}", (cited(f"Then {said}.", memory.link),),
            "`mlops why` tells who held it; run fewer jobs beside it, or `mlops scale` it down.",
            memory.link,
        )  # fmt: skip


def _with_share(ground: Ground, share: float, taken: Sequence[Span]) -> Ground:
    first = taken[-1]
    more = f" and {len(taken) - 1} more times" if len(taken) > 1 else ""
    when = f"{_clock(first.since)} to {_clock(first.until)} UTC{more}"
    line = cited(f"Out of service with it: {_length(taken) / 60:.3g} min, {when}.", ground.link)
    return Ground(
        ground.kind, ground.title, (*ground.evidence, line), ground.suggestion, ground.link, share
    )


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _length(spans: Sequence[Span]) -> float:
    return sum(one.until - one.since for one in spans)


def _common(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    both = (
        Span(max(one.since, other.since), min(one.until, other.until))
        for one in some
        for other in others
    )
    return [one for one in both if one.until > one.since]


def _without(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    left = list(some)
    for other in others:
        cut = ((Span(one.since, min(one.until, other.since)),
                Span(max(one.since, other.until), one.until)) for one in left)  # fmt: skip
        left = [part for pair in cut for part in pair if part.until > part.since]
    return left
