"""The queue as people see it: what runs, what waits, why, and what would unblock it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from services.workflows.dispatch import Reason, Start, Wait
from services.workflows.fair import Line
from services.workflows.forecast import Expected
from services.workflows.models import Job
from services.workflows.simulation import Running
from services.workflows.words import span

State = Literal["running", "starting", "waiting", "held"]
Kind = Reason | Literal["running", "starting"]

KINDS: dict[Kind, str] = {
    "running": "runs",
    "starting": "starts",
    "order": "its turn",
    "memory": "memory",
    "power": "power",
    "thermal": "heat or battery",
    "quota": "quota",
    "dependency": "a task before it",
    "paused": "paused",
    "no_host": "no fitting machine",
    "never": "too large",
    "engine": "Airflow is down",
}
"""Each reason in a word or two, for badges and legends, in the order they are shown."""

_HELD = {"quota", "dependency", "paused", "no_host", "never", "engine"}
"""What a job waits for that is not its turn: it stands in no line meanwhile."""


@dataclass(frozen=True, slots=True)
class Row:
    """One job of the queue. Times: seconds since 1970."""

    id: str
    project: str
    what: str
    state: State
    kind: Kind
    said: str
    """The reason, as a sentence."""
    position: int | None
    expected: Expected | None
    """Of its start; None of one that runs."""
    priority: int
    weight: int | None
    """As Airflow is told; None of one that stands in no line."""
    unblock: str
    host: str | None
    since: float
    """Of the state's begin: of its submission, or its start."""
    ends_at: float | None = None
    """When one that runs is expected to end; None: not known."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time in which one job waited for one thing."""

    job: str
    project: str
    kind: Kind
    said: str
    """As it was said last."""
    begin: float
    end: float | None
    """None: it still does."""


def rows(
    line: Line,
    starts: Iterable[Start],
    waits: Iterable[Wait],
    expected: Mapping[str, Expected],
    running: Sequence[Running],
) -> tuple[Row, ...]:
    """Return the queue: what runs, what starts now, the line, then what is held."""
    weights = {place.job.id: place.weight for place in line.places}
    waiting = [_waiting(one, expected.get(one.job.id), weights) for one in waits]
    waiting.sort(key=lambda row: (row.state == "held", row.position or 0, row.since, row.id))
    active = sorted((_running(one) for one in running), key=lambda row: (row.since, row.id))
    starting = (_starting(one, weights) for one in starts)
    return (*active, *starting, *waiting)


def document(row: Row, now: float) -> dict[str, object]:
    """Return a row as ``mlops queue --json`` prints it; keys may be added, never renamed."""
    expected = row.expected
    return {
        "id": row.id,
        "project": row.project,
        "what": row.what,
        "state": row.state,
        "reason": row.said,
        "position": row.position,
        "eta_s": _from_now(expected.at if expected else None, now),
        "priority": row.priority,
        "kind": row.kind,
        "unblock": row.unblock,
        "host": row.host,
        "since": _iso(row.since),
        "eta_late_s": _from_now(expected.late_at if expected else None, now),
        "eta_reason": expected.said if expected else "",
        "ends_in_s": _from_now(row.ends_at, now),
        "weight": row.weight,
    }


def followed(
    open_now: Iterable[Interval], rows_now: Iterable[Row], now: float
) -> tuple[tuple[Interval, ...], tuple[Interval, ...]]:
    """Return the intervals that ended now, and those that are open.

    Call it after every decision with what it returned last as open; keep what ended. A job that is
    held for the same reason stays in one interval, however its sentence changes. A clock that was
    set back makes none of negative length.
    """
    before = {one.job: one for one in open_now}
    kept = []
    for row in rows_now:
        if row.kind == "starting":
            continue  # a moment, not a stretch
        known = before.get(row.id)
        if known is not None and known.kind == row.kind:
            kept.append(replace(known, said=row.said))
            del before[row.id]
            continue
        kept.append(Interval(row.id, row.project, row.kind, row.said, now, None))
    ended = tuple(replace(one, end=now) for one in before.values() if now > one.begin)
    return ended, tuple(kept)


def _waiting(wait: Wait, expected: Expected | None, weights: Mapping[str, int]) -> Row:
    job = wait.job
    if wait.free_at is not None and expected is None:
        expected = Expected(wait.free_at, None, "When the quota lets it.")
    return Row(
        id=job.id,
        project=job.project,
        what=job.what or job.id,
        state="held" if wait.reason in _HELD else "waiting",
        kind=wait.reason,
        said=wait.said,
        position=wait.position,
        expected=expected or Expected(None, None, "It was not worked out."),
        priority=job.priority,
        weight=weights.get(job.id),
        unblock=wait.unblock,
        host=wait.host,
        since=job.submitted,
    )


def _running(one: Running) -> Row:
    job = one.job
    known = one.end if one.end < float("inf") else None
    said = f"It runs on {one.host}{_usually(job)}."
    if one.released:
        said = f"It was given room on {one.host}; Airflow starts it within seconds."
    return Row(
        id=job.id,
        project=job.project,
        what=job.what or job.id,
        state="starting" if one.released else "running",
        kind="starting" if one.released else "running",
        said=said,
        position=None,
        expected=None,
        priority=job.priority,
        weight=None,
        unblock="",
        host=one.host,
        since=one.begin,
        ends_at=known,
    )


def _starting(start: Start, weights: Mapping[str, int]) -> Row:
    job = start.job
    return Row(
        id=job.id,
        project=job.project,
        what=job.what or job.id,
        state="starting",
        kind="starting",
        said=start.said,
        position=None,
        expected=None,
        priority=job.priority,
        weight=weights.get(job.id),
        unblock="",
        host=start.host,
        since=job.submitted,
    )


def _usually(job: Job) -> str:
    return "" if job.expected_s is None else f"; such jobs usually take {span(job.expected_s)}"


def _from_now(at: float | None, now: float) -> float | None:
    return None if at is None else round(max(0.0, at - now), 1)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
