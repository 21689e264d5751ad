"""The tasks of a run over time: what each waited, and what it ran; what runs grows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboard.charts.theme import Colours
from dashboard.numbers import duration
from dashboard.text import markup
from dashboard.workflows import address, states
from dashboard.workflows.figures import ran_s, waited_s
from services.mirror.workflow_models import TaskRun, WorkflowRun

_ROW_PX, _BAR_PX = 28, 14
_NAME_PX, _TOOK_PX = 170, 118
_STEPS_S = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200,
    86_400, 172_800, 604_800,
)  # fmt: skip
_TICKS = 5
MOST = 200
"""Rows that are drawn; the table below lists all."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One task over the time of its run; shares of it, 0–1."""

    task: TaskRun
    wait: tuple[float, float] | None
    """From being queued to its start, or until now."""
    run: tuple[float, float] | None
    """Its newest try."""


@dataclass(frozen=True, slots=True)
class Gantt:
    """What is drawn."""

    begin: datetime
    length_s: float
    bars: tuple[Bar, ...]


def gantt(run: WorkflowRun, tasks: Sequence[TaskRun], now: datetime) -> Gantt | None:
    """Return a run's tasks on one axis; None while none of them was even queued."""
    moments = [
        at
        for task in tasks
        for at in (task.queued_at or task.scheduled_at, task.started_at, task.ended_at)
        if at is not None
    ]
    begun = [at for at in (run.started_at, *moments) if at is not None]
    if not moments:
        return None
    begin = min(begun)
    open_ = run.ended_at is None or any(_open(task) for task in tasks)
    end = max([now] if open_ else [run.ended_at or now, *moments])
    length = max(1.0, (end - begin).total_seconds())
    return Gantt(begin, length, tuple(_bar(task, begin, length, now) for task in tasks))


def _open(task: TaskRun) -> bool:
    return task.state in {"queued", "running", "restarting"}


def _bar(task: TaskRun, begin: datetime, length: float, now: datetime) -> Bar:
    def share(at: datetime) -> float:
        return min(1.0, max(0.0, (at - begin).total_seconds() / length))

    queued = task.queued_at or task.scheduled_at
    started, ended = task.started_at, task.ended_at
    wait = run = None
    if queued is not None and (started is None or queued < started):
        until = started or ended or (now if _open(task) or task.state == "scheduled" else queued)
        wait = share(queued), share(until)
    if started is not None and ran_s(task, now) is not None:
        run = share(started), share(ended or now)
    return Bar(task, wait, run)


def ticks(length_s: float) -> tuple[float, ...]:
    """Return the seconds at which the axis is marked: round ones, at most five."""
    step = next((one for one in _STEPS_S if length_s / one <= _TICKS), _STEPS_S[-1])
    return tuple(float(step * n) for n in range(1, int(length_s // step) + 1))[:50]


def html(shown: Gantt, hues: Colours, now: datetime, marked: str = "") -> str:
    """Return the drawing; a click on a task reads its log."""
    rows = "".join(_row(bar, shown, hues, now, marked) for bar in shown.bars[:MOST])
    return (
        f'<div role="list" style="font-variant-numeric:tabular-nums">{_axis(shown, hues)}{rows}'
        "</div>"
    )


def _frame(name: str, middle: str, took: str, style: str = "") -> str:
    return (
        f'<div style="display:grid;grid-template-columns:{_NAME_PX}px 1fr {_TOOK_PX}px;gap:0 10px;'
        f'align-items:center;{style}">{name}{middle}{took}</div>'
    )


def _axis(shown: Gantt, hues: Colours) -> str:
    marks = "".join(
        f'<span style="position:absolute;right:{100 - 100 * at / shown.length_s:.2f}%;'
        f'padding-right:3px;border-right:1px solid {hues.line};white-space:nowrap">'
        f"{duration(at)}</span>"
        for at in ticks(shown.length_s)
        if at / shown.length_s > 0.04
    )
    style = f"font-size:11px;line-height:16px;color:{hues.muted}"
    middle = f'<div style="position:relative;height:16px;{style}">{marks}</div>'
    took = f'<div style="{style};text-align:right">waited · ran</div>'
    return _frame("<span></span>", middle, took)


def _row(bar: Bar, shown: Gantt, hues: Colours, now: datetime, marked: str) -> str:
    task = bar.task
    tone = states.tone(task.state, hues)
    said = markup(row_said(task, now), 300)
    href = markup(address.to_run(task.dag_id, task.run_id, task.label))
    name = (
        f'<a href="{href}" title="{markup(task.label, 200)}" style="text-decoration:none;'
        f"color:{hues.text};font-size:13px;white-space:nowrap;overflow:hidden;"
        f'text-overflow:ellipsis"><span style="color:{tone}">{states.shape(task.state)}</span> '
        f"{markup(_title(task), 60)}</a>"
    )
    lines = "".join(
        f'<i style="position:absolute;left:{100 * at / shown.length_s:.2f}%;top:0;bottom:0;'
        f'border-left:1px solid {hues.line}"></i>'
        for at in ticks(shown.length_s)
    )
    middle = (
        f'<a href="{href}" aria-label="{said}" title="{said}" style="display:block;position:'
        f'relative;height:{_ROW_PX}px">{lines}{_wait(bar, hues)}{_run(bar, tone)}</a>'
    )
    waited, ran = waited_s(task, now), ran_s(task, now)
    took = (
        f'<div style="font-size:12px;color:{hues.muted};text-align:right;white-space:nowrap">'
        f"{_took(waited if bar.wait else None, ran)}</div>"
    )
    chosen = f"background:{hues.surface};border-radius:4px;" if task.label == marked else ""
    return f'<div role="listitem">{_frame(name, middle, took, chosen)}</div>'


def _title(task: TaskRun) -> str:
    return task.title if task.map_index < 0 else f"{task.title} [{task.map_index}]"


def _took(waited: float | None, ran: float | None) -> str:
    return "" if waited is None and ran is None else f"{_short(waited)} · {_short(ran)}"


def _short(seconds: float | None) -> str:
    return "–" if seconds is None else duration(seconds)


def _wait(bar: Bar, hues: Colours) -> str:
    if bar.wait is None:
        return ""
    tone = states.tone("queued", hues)
    left, right = bar.wait
    striped = f"repeating-linear-gradient(135deg,{tone} 0 2px,transparent 2px 6px)"
    return (
        f'<i style="position:absolute;left:{100 * left:.2f}%;width:{100 * (right - left):.2f}%;'
        f"top:{(_ROW_PX - _BAR_PX) / 2:g}px;height:{_BAR_PX}px;background:{striped};opacity:.55;"
        'border-radius:2px"></i>'
    )


def _run(bar: Bar, tone: str) -> str:
    if bar.run is None:
        return ""
    left, right = bar.run
    return (
        f'<i style="position:absolute;left:{100 * left:.2f}%;width:{100 * (right - left):.2f}%;'
        f"min-width:3px;top:{(_ROW_PX - _BAR_PX) / 2:g}px;height:{_BAR_PX}px;background:{tone};"
        'border-radius:2px"></i>'
    )


def row_said(task: TaskRun, now: datetime) -> str:
    """Return a task's time in words."""
    parts = [f"{task.label}: {states.word(task.state)}"]
    waited, ran = waited_s(task, now), ran_s(task, now)
    if waited:
        parts.append(f"waited {duration(waited)}")
    if ran is not None:
        parts.append(f"{'ran' if task.ended_at else 'runs since'} {duration(ran)}")
    if task.tries > 1:
        parts.append(f"try {task.tries}")
    return ", ".join(parts)
