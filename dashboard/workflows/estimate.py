"""What a launch will probably take: its time by earlier runs, its start by the queue."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard.numbers import age, counted, duration
from dashboard.workflows.figures import ran_s
from services.mirror.workflow_models import Decided, QueueRow, TaskRun, Workflow
from services.workflows.forecast import Lengths, lengths
from services.workflows.jobs import seconds_of

_FRESH = timedelta(seconds=60)
_CALM = "open"
"""The thermal policy's word for a machine that starts jobs as usual."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long the tasks of a run take, the longest way through the workflow."""

    median_s: float | None
    """None: no task of it has ever succeeded."""
    late_s: float | None
    """If every task takes what nine of ten earlier ones did not exceed."""
    tasks: Mapping[str, Lengths]
    untold: tuple[str, ...]
    """Tasks that never succeeded: they count as nothing."""


def estimate(workflow: Workflow, earlier: Callable[[str], Sequence[TaskRun]]) -> Estimate:
    """Return the estimate.

    Args:
        workflow: What is launched.
        earlier: A task's last successes, the newest first.
    """
    told = {one.task_id: lengths(_seconds(earlier(one.task_id))) for one in workflow.tasks}
    untold = tuple(name for name, known in told.items() if known.median_s is None)
    if len(untold) == len(told):
        return Estimate(None, None, told, untold)
    median = _longest(workflow, {name: one.median_s or 0.0 for name, one in told.items()})
    late = _longest(workflow, {name: one.late_s or 0.0 for name, one in told.items()})
    return Estimate(median, late, told, untold)


def _seconds(earlier: Sequence[TaskRun]) -> list[float]:
    """Return how long tasks took, without what a command waited for its turn where that is told."""
    known = (seconds_of(one) or ran_s(one) for one in earlier)
    return [seconds for seconds in known if seconds is not None]


def _longest(workflow: Workflow, seconds: Mapping[str, float]) -> float:
    after = {one.task_id: one.downstream for one in workflow.tasks}
    found: dict[str, float] = {}

    def from_here(name: str, seen: frozenset[str]) -> float:
        if name in found:
            return found[name]
        later = [from_here(o, seen | {name}) for o in after.get(name, ()) if o not in seen]
        found[name] = seconds.get(name, 0.0) + max(later, default=0.0)
        return found[name]

    return max((from_here(name, frozenset((name,))) for name in after), default=0.0)


def said(found: Estimate) -> str:
    """Return the estimate in a sentence."""
    if found.median_s is None or found.late_s is None:
        return "How long it takes is not known: none of its tasks has succeeded yet."
    more = ""
    if found.untold:
        names = ", ".join(found.untold[:3])
        more = f" Not counted, for it never succeeded: {names}."
    return (
        f"About {duration(found.median_s)} once it starts, by the median of earlier runs; "
        f"{duration(found.late_s)} if each task is as slow as one in ten.{more}"
    )


def start_said(decided: Decided | None, now: datetime) -> str:
    """Return when a job that comes now is expected to start, as far as the queue tells it."""
    if decided is None:
        return "When it starts is not known: the queue has not been decided yet."
    if now - decided.at > _FRESH:
        return f"When it starts is not known: the queue was last decided {age(decided.at, now)}."
    waiting = [row for row in decided.rows if row.state == "waiting"]
    if waiting:
        return _behind(waiting, now)
    if any(_is_free(one) for one in decided.hosts):
        return "A machine is free and nothing waits: it is expected to start at once."
    running = [row for row in decided.rows if row.state in {"running", "starting"}]
    return _after(running, now)


def _is_free(host: Mapping[str, object]) -> bool:
    slots = host.get("free_slots")
    open_ = not host.get("absent") and host.get("stance") == _CALM
    return open_ and isinstance(slots, int) and slots > 0


def _behind(waiting: Sequence[QueueRow], now: datetime) -> str:
    line = f"{counted(len(waiting), 'job waits', 'jobs wait')} already"
    known = [row.expected_at for row in waiting if row.expected_at is not None]
    if len(known) < len(waiting):
        return f"{line}, and it is not known when all of them start: see the queue."
    last = max(known)
    at = "now" if last <= now else age(last, now)
    return f"{line}; the last of them is expected to start {at}. Whose turn it is decides."


def _after(running: Sequence[QueueRow], now: datetime) -> str:
    ends = sorted(row.ends_at for row in running if row.ends_at is not None)
    if not ends:
        return "No machine is free now, and it is not known when one will be."
    at = "any moment" if ends[0] <= now else age(ends[0], now)
    return f"It starts when a machine is free, expected {at}."
