"""The run grid: rows are tasks, columns runs, how a task ended is the cell's sign and colour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from dashboard.charts.theme import Colours
from dashboard.numbers import counted, duration, moment
from dashboard.text import markup
from dashboard.workflows import address, states
from dashboard.workflows.bars import HEIGHT_PX, height_px
from dashboard.workflows.figures import ran_s, run_s, said_of
from dashboard.workflows.flow import placed
from services.mirror.workflow_models import TaskRun, Workflow, WorkflowRun

RUNS = 25
CELLS = 2_000
"""So many cells a browser draws at ease; of a large workflow fewer runs are shown."""
_CELL_PX = 22


@dataclass(frozen=True, slots=True)
class Grid:
    """What is drawn."""

    tasks: tuple[tuple[str, str], ...]
    """(id, title), in the order of the workflow; those that are gone from it at the end."""
    runs: tuple[WorkflowRun, ...]
    """The oldest first."""
    cells: Mapping[tuple[str, str], Sequence[TaskRun]]
    """By run and task; several of a mapped task."""


def grid(workflow: Workflow | None, runs: Sequence[WorkflowRun], tasks: Sequence[TaskRun]) -> Grid:
    """Return the grid of runs, which come newest first."""
    names = in_order(workflow) if workflow else {}
    cells: dict[tuple[str, str], list[TaskRun]] = {}
    for task in tasks:
        names.setdefault(task.task_id, task.title)
        cells.setdefault((task.run_id, task.task_id), []).append(task)
    most = max(1, min(RUNS, CELLS // max(1, len(names))))
    return Grid(tuple(names.items()), tuple(reversed(runs[:most])), cells)


def in_order(workflow: Workflow) -> dict[str, str]:
    """Return a workflow's tasks, id and title, as they follow each other."""
    edges = [(one.task_id, other) for one in workflow.tasks for other in one.downstream]
    places = placed([one.task_id for one in workflow.tasks], edges)
    found = sorted(workflow.tasks, key=lambda one: places[one.task_id])
    return {one.task_id: one.title for one in found}


def html(shown: Grid, hues: Colours, now: datetime, zone: tzinfo) -> str:
    """Return the drawing: a table, so that it can be read aloud cell by cell."""
    longest = max((took for run in shown.runs if (took := run_s(run, now))), default=0.0)
    heads = "".join(_head(run, longest, hues, now, zone) for run in shown.runs)
    rows = "".join(_row(name, title, shown, hues) for name, title in shown.tasks)
    most = f", up to {duration(longest)}" if longest else ""
    return (
        f'{_look(hues)}<div style="overflow-x:auto"><table class="wf-grid"><thead><tr>'
        f'<th scope="col" class="wf-name wf-quiet">length{most}</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _look(hues: Colours) -> str:
    """Return how the grid looks, once: its cells come by the hundred, every two seconds."""
    cell = f"box-sizing:border-box;width:{_CELL_PX}px;height:{_CELL_PX}px;border-radius:4px"
    return (
        "<style>.wf-grid{border-collapse:separate;border-spacing:3px;border:none;margin:0;"
        "width:auto}.wf-grid td,.wf-grid th{padding:0;border:none;vertical-align:middle}"
        f".wf-grid th.wf-name{{position:sticky;left:0;background:{hues.background};text-align:left;"
        f"font-weight:500;font-size:13px;color:{hues.text};padding-right:12px;white-space:nowrap;"
        "max-width:220px;overflow:hidden;text-overflow:ellipsis}"
        f".wf-grid th.wf-quiet{{font-weight:400;font-size:12px;color:{hues.muted};"
        "vertical-align:bottom}"
        f".wf-grid thead th{{vertical-align:bottom;height:{HEIGHT_PX}px}}"
        f".wf-grid thead a{{display:block;width:{_CELL_PX}px}}"
        ".wf-grid i{display:block;margin:0 4px;background:currentColor;border-radius:2px}"
        f".wf-grid td a{{display:block;{cell};border:1px solid currentColor;text-decoration:none;"
        f"text-align:center;font-size:12px;line-height:{_CELL_PX - 2}px;"
        "background:color-mix(in srgb,currentColor 14%,transparent)}"
        f".wf-grid td b{{display:block;{cell};border:1px dashed {hues.line}}}</style>"
    )


def _head(run: WorkflowRun, longest: float, hues: Colours, now: datetime, zone: tzinfo) -> str:
    at = moment(run.started_at or run.queued_at, zone)
    said = markup(f"{said_of(run, now)}, {at}, {run.run_id}", 300)
    return (
        f'<th scope="col"><a href="{markup(address.to_run(run.dag_id, run.run_id))}" '
        f'title="{said}" style="color:{states.tone(run.state, hues)}">'
        f'<i style="height:{height_px(run_s(run, now), longest)}px"></i></a></th>'
    )


def _row(name: str, title: str, shown: Grid, hues: Colours) -> str:
    cells = "".join(_cell(name, run, shown, hues) for run in shown.runs)
    return (
        f'<tr><th scope="row" class="wf-name" title="{markup(name, 200)}">{markup(title, 60)}</th>'
        f"{cells}</tr>"
    )


def _cell(name: str, run: WorkflowRun, shown: Grid, hues: Colours) -> str:
    found = shown.cells.get((run.run_id, name), ())
    if not found:
        none = "not part of this run"
        return f'<td><b role="img" title="{none}" aria-label="{none}"></b></td>'
    state = states.worst(one.state for one in found)
    said = markup(cell_said(name, found, state), 300)
    one = next(task for task in found if task.state == state)
    href = markup(address.to_run(run.dag_id, run.run_id, one.label))
    return (
        f'<td><a href="{href}" title="{said}" aria-label="{said}" '
        f'style="color:{states.tone(state, hues)}">{states.shape(state)}</a></td>'
    )


def cell_said(name: str, found: Sequence[TaskRun], state: str) -> str:
    """Return a cell in words."""
    if len(found) > 1:
        alike = sum(one.state == state for one in found)
        return f"{name}: {alike} of {counted(len(found), 'task')} {states.word(state)}"
    took = ran_s(found[0])
    lasting = f" in {duration(took)}" if took is not None and found[0].ended_at else ""
    tries = f", try {found[0].tries}" if found[0].tries > 1 else ""
    return f"{name}: {states.word(state)}{lasting}{tries}"
