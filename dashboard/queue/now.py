"""The queue as it is: figures, machines, every job with its reason; drawn again as it changes."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import state
from dashboard.charts.theme import colours
from dashboard.components import located, notices, tables
from dashboard.numbers import age, count, counted
from dashboard.queue import access, head, job, looks, machines, offers
from dashboard.queue.access import STATES, Filter, Queue
from dashboard.queue.address import JOB, PAGE, REASON, STATE
from dashboard.scope import Scope
from services.errors import MlopsError
from services.mirror.workflow_models import QueueRow
from services.workflows.queue import KINDS

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

LIVE_S = 2.0
_OPEN, _SHOWN, _GO = "queue:open", "queue:rows", "queue:go"


def draw(where: Scope, queue: Queue, off: str | None) -> None:
    """Draw all of it."""
    above = st.container()
    offers.button(queue, off)
    if access.named():
        job.draw(queue, off)
    _filters(queue)
    # A fragment, so that it closes no dialog; one for both, for each costs by itself.
    st.fragment(_draw, run_every=LIVE_S)(above, st.container(), access.chosen(where))


def _draw(above: "DeltaGenerator", below: "DeltaGenerator", wanted: Filter) -> None:
    if st.session_state.pop(_GO, False):
        st.rerun(scope="app")  # out of the fragment, to the job that was clicked
    try:
        queue = access.queue()
        if queue is None:
            return
        with above:
            _draw_head(queue)
        with below:
            _draw_table(queue, wanted)
    except MlopsError as error:  # out of a fragment no error reaches the frame that tells them
        notices.problem(error)


def _draw_head(queue: Queue) -> None:
    hues, zone, now = colours(), state.zone(), datetime.now(UTC)
    rows = queue.decided.rows
    hosts = [machines.of(one) for one in queue.decided.hosts]
    if queue.old:
        _old(queue)
    st.html(head.html(rows, hues, f"decided {age(queue.decided.at)}"))
    if hosts:
        st.html(machines.html(hosts, rows, hues, zone, now))
    else:
        st.caption("No machine is known to the queue yet: none has sent telemetry.")


def _old(queue: Queue) -> None:
    st.warning(
        f"**This was decided {age(queue.decided.at)}.** Since then nobody decided: the order below "
        "may be another by now, and Airflow goes on by its own priorities. Jobs cannot be moved "
        "meanwhile.",
        icon=":material/history:",
    )


def _filters(queue: Queue) -> None:
    kinds = head.by_kind(queue.decided.rows)
    named = st.query_params.get_all(REASON)
    words = [looks.word(kind) for kind in KINDS if kind in kinds or looks.word(kind) in named]
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        located.several("Reason", words, name=REASON)
        located.several("State", list(STATES.values()), name=STATE)


def _draw_table(queue: Queue, wanted: Filter) -> None:
    every = queue.decided.rows
    rows = [row for row in every if wanted.takes(row)]
    if not rows:
        _nothing(every, wanted)
        return
    first = min(tables.offset(PAGE), (len(rows) - 1) // tables.PAGE_SIZE * tables.PAGE_SIZE)
    shown = rows[first : first + tables.PAGE_SIZE]
    _table(shown)
    tables.pager(len(rows), key=PAGE, noun="job")
    if wanted.any and len(rows) < len(every):
        st.caption(f"{count(len(every) - len(rows))} more are in the queue: the filter hides them.")


def _nothing(every: Sequence[QueueRow], wanted: Filter) -> None:
    if every and wanted.any:
        st.caption(
            f"None of the {counted(len(every), 'job')} of the queue fits the filter: take a "
            "reason, a state or the project away."
        )
        return
    notices.empty(
        "Nothing waits and nothing runs",
        "A job is here from the moment a workflow is launched until its training ends.",
        icon="done_all",
        command="mlops run PROJECT",
    )


def _table(rows: Sequence[QueueRow]) -> None:
    st.session_state[_SHOWN] = tuple(row.id for row in rows)
    zone, now = state.zone(), datetime.now(UTC)
    text = st.column_config.TextColumn
    columns = {
        "position": text("#", width=40, alignment="right", help="Its place in the line."),
        "what": st.column_config.ButtonColumn(
            "Job", width=225, pinned=True, type="tertiary", alignment="left", key=_OPEN,
            on_click=_open, help="Press a job for all that is known of it.",
        ),
        "kind": looks.column("Reason", KINDS, 120),
        "start": text("Start or end", width=145, help="Median; nine of ten times not later."),
        "said": text("Why", width=300),
        "unblock": text("What would unblock it", width=250),
        "host": text("Machine", width=130),
        "since": text("Since", width=85),
        "priority": text("Priority", width=65, alignment="right"),
    }  # fmt: skip
    tables.table(
        [cells(row, zone, now) for row in rows],
        columns,  # type: ignore[arg-type]  # a button column is a column
        key="queue-table",
        max_rows_shown=18,
    )


def cells(row: QueueRow, zone: tzinfo, now: datetime) -> dict[str, object]:
    """Return a row's cells."""
    return {
        "position": "" if row.position is None else str(row.position),
        "what": row.what,
        "kind": looks.cell(row.kind),
        "start": access.start(row, zone, now),
        "said": row.said,
        "unblock": row.unblock,
        "host": row.host or "",
        "since": access.clock(row.since, zone, now),
        "priority": str(row.priority) if row.id else "",
    }


def _open() -> None:
    click = st.session_state[_OPEN]
    shown = st.session_state[_SHOWN]
    if click is not None and click["row"] < len(shown) and shown[click["row"]]:
        st.query_params.update({JOB: shown[click["row"]]})
        st.session_state[_GO] = True
