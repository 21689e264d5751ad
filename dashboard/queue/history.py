"""What was recorded of heavy jobs, read once for all tabs: what shares and what-if rest on."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import streamlit as st

from dashboard import machines
from dashboard.queue import access
from services.errors import MlopsError
from services.home import Home
from services.mirror.workflow_models import Decided, PolicyDecision, TaskRun, Wait
from services.resources.capacity import capacities
from services.resources.models import Capacity
from services.workflows import recorded

_KEPT = "queue:history"


@dataclass(frozen=True, slots=True)
class History:
    """Tasks and waits since a time."""

    tasks: tuple[TaskRun, ...]
    waits: tuple[Wait, ...]
    decisions: tuple[PolicyDecision, ...]
    declared: dict[str, recorded.Declared]
    hosts: tuple[Capacity, ...]


def since(start: datetime, decided: Decided) -> History:
    """Return what was recorded since a time, of all projects: shares are of the whole.

    Read again when a task went on, or when what is kept is of a minute ago.
    """
    begin = start.replace(second=0, microsecond=0)
    reads = access.workflows()
    key = (reads.change(), begin)
    kept = st.session_state.get(_KEPT)
    if kept is None or kept[0] != key:
        tasks = (*reads.ended_tasks(begin), *reads.active_tasks())
        kept = (key, {(one.job): one for one in tasks if one.heavy})
        st.session_state[_KEPT] = kept
    return History(
        tuple(kept[1].values()),
        reads.waits(begin),
        reads.decisions(begin, 10_000),
        recorded.declared(Home.locate().root / "airflow" / "specs"),
        recorded.capacities(decided, _known()),
    )


def _known() -> tuple[Capacity, ...]:
    try:
        return capacities(machines.telemetry().hosts(), datetime.now(UTC))
    except MlopsError:  # chips stay unknown
        return ()


def minute(back: timedelta) -> datetime:
    """Return a time back, by the whole minute so that equal questions stay equal."""
    return datetime.now(UTC).replace(second=0, microsecond=0) - back
