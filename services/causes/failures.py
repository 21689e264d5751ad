"""Why a run of a workflow failed: its task, engines that were down, what changed before. Pure.

First stands the first task that failed, with the sentence of its last error. An engine that was
down when that task ended goes before it where the task was lost, or its error is one of a
connection: then the engine is why. What is different from the task's last success comes next, then
since which run it fails.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.alerting.evidence import cited
from services.alerting.models import Alert
from services.causes.grounds import Ground, Grounds, listed, named, phrase
from services.causes.wording import address, moment
from services.mirror.workflow_models import TaskRun, WorkflowRun
from services.workflows.failure import Explanation

_AROUND_S = 60.0
"""An engine's end is noted some time after what it did to a task."""
_LOST = frozenset({"lost", "airflow", "unknown"})
_AWAY = re.compile(r"connect|refused|unreachable|timed out|timeout", re.IGNORECASE)
_ENGINES = frozenset({"airflow", "mlflow", "controller"})
"""What tasks need while they run."""
_OWNER = re.compile(
    r"\b(?P<kind>run|task|replica):(?P<name>[\w.-]+)(?::[\w.-]+)? \((?P<of>[\w-]+)\)"
)
"""As telemetry names whose a process is, with the project."""
_KINDS = {"run": "run", "task": "task", "replica": "deployment"}
_CHANGES, _TASKS = 3, 3


@dataclass(frozen=True, slots=True)
class Failed:
    """A task that failed, and why."""

    task: TaskRun
    why: Explanation


@dataclass(frozen=True, slots=True)
class Streak:
    """Runs of a workflow that failed in a row."""

    runs: tuple[WorkflowRun, ...]
    """The newest first."""
    good: WorkflowRun | None
    """The last one before them that succeeded; None: none is known."""


def streak(runs: Sequence[WorkflowRun], run_id: str) -> Streak:
    """Return which runs failed in a row up to one; ``runs`` are of its workflow, newest first."""
    bad: list[WorkflowRun] = []
    for run in runs:
        if not bad and run.run_id != run_id:
            continue
        if run.state == "success":
            return Streak(tuple(bad), run)
        if run.state == "failed":
            bad.append(run)
    return Streak(tuple(bad), None)


def grounds(
    run: WorkflowRun, failed: Sequence[Failed], row: Streak, alerts: Sequence[Alert], now: float
) -> Grounds:
    """Return what explains that a run failed, the likeliest first.

    Args:
        run: The run.
        failed: Its tasks that failed, with what is known of each.
        row: The runs that failed in a row up to it.
        alerts: Of engines and disks, ended or not.
        now: Seconds since 1970.
    """
    ordered = sorted(failed, key=lambda one: (_ended(one.task) or now, one.task.label))
    down = [_down(one, run) for one in alerts if _is_needed(one) and _lasted(one, run, now)]
    tasks = [_task(run, ordered)] if ordered else []
    blamed = ordered[0] if ordered else None
    above = down if blamed is None or _is_of(blamed, alerts, now) else []
    below = [] if above else down
    found = (*above, *tasks, *_changed(run, blamed, row), *below)
    return Grounds((*found, *_streak(row))) if found else Grounds()  # how often is no cause


def _page(run: WorkflowRun, task: str | None = None) -> str:
    return address("workflows", dag=run.dag_id, run=run.run_id, task=task)


def _ended(task: TaskRun) -> float | None:
    return None if task.ended_at is None else task.ended_at.timestamp()


def _task(run: WorkflowRun, failed: Sequence[Failed]) -> Ground:
    first = failed[0]
    why, page = first.why, _page(run, first.task.label)
    tries = f" at try {first.task.tries}" if first.task.tries > 1 else ""
    lines = [cited(f"The task {first.task.label} failed{tries}: {phrase(why.cause)}.", page)]
    if why.marked is not None:
        lines.append(cited(f"Its log: {phrase(why.lines[why.marked])}", page))
    lines += [
        cited(f"{one.label}: {_named(one.said, run.project)}", page)
        for one in why.facts if one.telling
    ]  # fmt: skip
    others = [one.task.label for one in failed[1:]]
    if others:
        lines.append(cited(f"So did {listed(others, _TASKS)}", _page(run)))
    command = f" `{why.command}`" if why.command else ""
    setting = f" In [tool.mlops]: `{why.setting}`." if why.setting else ""
    return Ground(
        "task", f"The task {first.task.label} failed: {phrase(why.cause)}", tuple(lines),
        f"{_named(why.next_step, run.project)}{setting}{command}", page,
    )  # fmt: skip


def _named(text: str, project: str) -> str:
    """Return a sentence without work of other projects: who reads it may not see them."""

    def called(found: re.Match[str]) -> str:
        if found["of"] != project:
            return "work of another project"
        name = found["name"][:8] if found["kind"] == "run" else found["name"]
        return f"the {_KINDS[found['kind']]} {name} of {project}"

    return _OWNER.sub(called, text)


def _changed(run: WorkflowRun, first: Failed | None, row: Streak) -> Iterator[Ground]:
    if first is None or not first.why.different:
        return
    found = [
        f"{one.what} {one.before or 'not there'} → {one.now or 'gone'}"
        for one in first.why.different
    ]
    page = _page(row.good or run)
    said = f"since the last success of {first.task.label} changed: {listed(found, _CHANGES)}"
    yield Ground(
        "change", said, tuple(cited(f"Changed: {one}.", page) for one in found[:_CHANGES]),
        "See whether what changed is why; what it was before is beside it.", page,
    )  # fmt: skip


def _streak(row: Streak) -> Iterator[Ground]:
    if not row.runs:
        return
    began = row.runs[-1]
    good = "none before it is known to have succeeded"
    page = _page(row.good or began)
    if row.good is not None:
        good = f"the last one before that succeeded, {row.good.run_id}{_when(row.good)}"
    if len(row.runs) == 1:
        said = f"it is the first that failed: {good}"
    else:
        said = f"{len(row.runs)} runs in a row failed, since {began.run_id}{_when(began)}; {good}"
    line = cited(f"{said[:1].upper()}{said[1:]}.", page)
    yield Ground("streak", said, (line,), "", page)


def _when(run: WorkflowRun) -> str:
    at = run.ended_at or run.started_at
    return f" of {moment(at.timestamp())}" if at else ""


def _is_needed(alert: Alert) -> bool:
    if alert.kind == "disk":
        return alert.severity == "critical"
    return alert.kind == "engine" and alert.labels.get("engine") in _ENGINES


def _lasted(alert: Alert, run: WorkflowRun, now: float) -> bool:
    begin, end = (at.timestamp() if at else None for at in (run.started_at, run.ended_at))
    if begin is None:
        begin = end if end is not None else now
    return _overlaps(alert, begin, now if end is None else end)


def _overlaps(alert: Alert, begin: float, end: float) -> bool:
    over = alert.resolved_at
    return alert.since <= end + _AROUND_S and (over is None or over >= begin - _AROUND_S)


def _down(alert: Alert, run: WorkflowRun) -> Ground:
    until = "it lasts" if alert.resolved_at is None else f"until {moment(alert.resolved_at)}"
    page = address("alerts", alert=str(alert.id))
    said = f"{named(alert)} while it ran, since {moment(alert.since)}, {until}"
    why = f" {phrase(alert.cause)}." if alert.cause else ""
    return Ground(
        alert.kind, said, (cited(f"{said}.{why}", page),),
        f"When it is well again: `mlops workflows retry {run.run_id}`. "
        f"{alert.suggestion if alert.open else ''}".strip(),
        page,
    )  # fmt: skip


def _is_of(first: Failed, alerts: Sequence[Alert], now: float) -> bool:
    """Return whether an engine or a disk is why: it was away when the task ended, and fits."""
    ended = _ended(first.task) or now
    there = [one for one in alerts if _is_needed(one) and _overlaps(one, ended, ended)]
    if not there:
        return False
    if any(one.kind == "disk" for one in there) and first.why.kind == "disk":
        return True
    if not any(one.kind == "engine" for one in there):
        return False
    return first.why.kind in _LOST or _AWAY.search(first.why.cause) is not None
