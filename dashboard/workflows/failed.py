"""Why a task failed, as far as its runner measured it."""

import streamlit as st

from dashboard.components.notices import advice
from dashboard.text import plain
from services.mirror.workflow_models import TaskRun, WorkflowRun

_LINES = 12
_RUNNER = "ProjectTask"
"""What leaves evidence when it fails: it runs a command and watches it."""


def draw_failure(task: TaskRun, run: WorkflowRun) -> None:
    """Draw what happened, what to do, and the last lines it said."""
    del run
    said = task.evidence
    st.error(
        f"**{plain(task.label, 80)} failed.** {plain(sentence(task), 600)} "
        f"{advice(str(said.get('hint') or ''))}".strip(),
        icon=":material/error:",
    )
    lines = said.get("last_lines")
    if isinstance(lines, list) and lines:
        st.code("\n".join(str(line) for line in lines[-_LINES:]), language=None, wrap_lines=True)


def sentence(task: TaskRun) -> str:
    """Return what is known of how it ended."""
    said = task.evidence
    told = str(said.get("sentence") or "")
    raised = said.get("exception")
    name = str(raised.get("name") or "") if isinstance(raised, dict) else ""
    if told:
        return told if not name or name in told else f"{told} It raised {name}."
    if not said and task.operator == _RUNNER:
        return "It left no evidence: it never began, or its machine went away. Its log says more."
    return f"It raised {name}." if name else "Its log says why."
