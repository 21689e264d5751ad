"""All runs of a workflow as a table, older ones on request."""

import streamlit as st

from dashboard import flows, state
from dashboard.components import notices, status, tables
from dashboard.numbers import counted, duration
from dashboard.workflows import address, figures, states
from dashboard.workflows.access import Named
from dashboard.workflows.address import LINES
from services.mirror.workflow_models import WorkflowRun

_STEP, _MOST = 100, 2_000
WORDS = ("succeeded", "failed", "running", "queued")


def table(of: Named) -> None:
    """Draw the newest runs."""
    named = st.query_params.get(LINES, "")
    most = min(_MOST, max(_STEP, int(named))) if named.isdecimal() and len(named) < 6 else _STEP
    found = flows.runs(of.dag_id, most)
    if not found:
        notices.empty(
            "It has never run",
            "Launch it, or let its schedule do it.",
            icon="play_circle",
            command=f"mlops workflows trigger {of.dag_id}",
        )
        return
    text = st.column_config.TextColumn
    columns = {
        "open": st.column_config.LinkColumn("Run", display_text="Open", width=60),
        "state": status.column("State", WORDS),
        "at": st.column_config.DatetimeColumn(
            "Began", width=150, format="YYYY-MM-DD HH:mm:ss", timezone=str(state.zone())
        ),
        "took": text("Took", width=90, alignment="right"),
        "who": text("Begun", width=200),
        "conf": text("Parameters", width=280),
        "note": text("Note", width=220),
        "run_id": text("Id", width=260),
    }
    tables.table([cells(run) for run in found], columns, key="workflow-runs", max_rows_shown=18)
    st.caption(f"The newest {counted(len(found), 'run')}.")
    if len(found) == most < _MOST:
        st.button(
            "Older runs",
            key="runs-older",
            icon=":material/expand_more:",
            type="tertiary",
            on_click=_older,
            args=(most + _STEP,),
        )


def _older(most: int) -> None:
    st.query_params.update({LINES: str(most)})


def cells(run: WorkflowRun) -> dict[str, object]:
    """Return a run's cells."""
    took = figures.run_s(run)
    return {
        "open": address.to_run(run.dag_id, run.run_id),
        "state": status.cell(states.word(run.state)),
        "at": run.started_at or run.queued_at,
        "took": "waits" if took is None else duration(took),
        "who": figures.who(run),
        "conf": ", ".join(f"{name} = {value}" for name, value in run.conf.items()),
        "note": run.note or "",
        "run_id": run.run_id,
    }
