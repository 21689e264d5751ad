"""What the page asks: the queue as it was decided last, as the person may read it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo

import streamlit as st

from dashboard import state
from dashboard.queue.address import JOB, REASON, STATE
from dashboard.queue.looks import word
from dashboard.queue.veil import Veil
from dashboard.scope import Scope
from services.errors import MlopsError
from services.mirror.workflow_models import Decided, QueueRow, TaskRun, Wait
from services.mirror.workflow_queries import Workflows

OLD_S = 60.0
"""Airflow goes on alone when nothing was decided for so long."""
STATES = {"running": "runs", "starting": "starts", "waiting": "waits", "held": "held"}
_JOB_PARTS = 3
_HISTORY = timedelta(days=35)


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue as one person may read it."""

    decided: Decided
    veil: Veil
    titles: dict[str, str]

    @property
    def age_s(self) -> float:
        """How long ago it was decided."""
        return (datetime.now(UTC) - self.decided.at).total_seconds()

    @property
    def old(self) -> bool:
        """Whether it says little of now."""
        return self.age_s > OLD_S

    def title(self, project: str) -> str:
        """Return a project's title."""
        return self.titles.get(project, project)


def workflows() -> Workflows:
    """Return the reads of workflows and of the queue."""
    return Workflows(state.mirror())


def queue() -> Queue | None:
    """Return the queue, None when nothing was decided yet.

    Raises:
        PlatformError: The mirror cannot be read.
    """
    decided = workflows().queue()
    if decided is None:
        return None
    titles = _titles()
    veil = Veil(state.visible_projects(), decided, titles)
    return Queue(replace(decided, rows=tuple(veil.row(row) for row in decided.rows)), veil, titles)


def _titles() -> dict[str, str]:
    try:
        return state.titles()
    except MlopsError:  # the queue is told without them
        return {}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs are shown; empty: all."""

    project: str | None
    kinds: tuple[str, ...]
    states: tuple[str, ...]

    @property
    def any(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.project or self.kinds or self.states)

    def takes(self, row: QueueRow) -> bool:
        """Return whether a job is shown."""
        return (
            self.project in (None, row.project)
            and (not self.kinds or word(row.kind) in self.kinds)
            and (not self.states or STATES.get(row.state, row.state) in self.states)
        )


def chosen(where: Scope) -> Filter:
    """Return the filter that the address names."""
    kinds = tuple(st.query_params.get_all(REASON))
    return Filter(where.project, kinds, tuple(st.query_params.get_all(STATE)))


def named() -> str:
    """Return the job that the address names, empty when it names none."""
    return st.query_params.get(JOB, "")[:800]


def parts(job: str) -> tuple[str, str, str] | None:
    """Return workflow, run and task of a job's name; None when it is none."""
    found = job.split("/")
    return (found[0], found[1], found[2]) if len(found) == _JOB_PARTS and all(found) else None


def task(job: str) -> TaskRun | None:
    """Return the task a job is, None when the mirror does not know it or the person may not."""
    named_parts = parts(job)
    if named_parts is None:
        return None
    dag_id, run_id, _ = named_parts
    found = next((one for one in workflows().tasks(dag_id, run_id) if one.job == job), None)
    mine = state.visible_projects()
    return found if found and (mine is None or found.project in (*mine, "platform")) else None


def history(job: str) -> tuple[Wait, ...]:
    """Return what a job waited for, as it began, of what the person may see."""
    since = datetime.now(UTC) - _HISTORY
    return workflows().waits(since, state.visible_projects(), job=job)


def clock(at: datetime | None, zone: tzinfo, now: datetime | None = None) -> str:
    """Return a moment as people say it of their day: ``15:10``, ``Sun 15:10``, ``3 Dec 15:10``."""
    if at is None:
        return ""
    local, today = at.astimezone(zone), (now or datetime.now(UTC)).astimezone(zone)
    days = abs((local.date() - today.date()).days)
    day = "" if not days else f"{local:%a} " if days < 7 else f"{local.day} {local:%b} "
    return f"{day}{local:%H:%M}"


def start(row: QueueRow, zone: tzinfo, now: datetime | None = None) -> str:
    """Return when a job is expected to start, or to end, in a few words."""
    if row.state in {"running", "starting"} and row.expected_at is None:
        return f"ends ≈ {clock(row.ends_at, zone, now)}" if row.ends_at else "end not known"
    if row.expected_at is None:
        return "not known"
    late = clock(row.expected_late_at, zone, now)
    soon = clock(row.expected_at, zone, now)
    return f"≈ {soon}, by {late}" if late and late != soon else f"≈ {soon}"


def counted(rows: Sequence[QueueRow]) -> dict[str, int]:
    """Return how many jobs have each state."""
    found = dict.fromkeys(STATES, 0)
    for row in rows:
        found[row.state] = found.get(row.state, 0) + 1
    return found
