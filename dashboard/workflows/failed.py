"""Why a task failed: cause, what was measured, what is different, last lines, what to do."""

import streamlit as st

from dashboard import flows
from dashboard.charts.theme import Colours, colours
from dashboard.components.notices import advice
from dashboard.text import markup, plain
from services.mirror.workflow_models import TaskRun, WorkflowRun
from services.workflows.failure import Explanation, Fact

_SHOWN = 12
"""Differences; the rest is counted."""


def draw_failure(task: TaskRun, run: WorkflowRun) -> None:
    """Draw everything that is known of a failure, the cause first."""
    del run
    told = flows.explanation(task)
    st.error(
        f"**{plain(told.task, 80)} failed.** {plain(told.cause, 600)} {advice(told.next_step)}",
        icon=":material/error:",
    )
    if told.facts or told.different:
        hues = colours()
        left, right = st.columns(2, gap="large")
        left.html(facts_html(told, hues))
        right.html(different_html(told, hues))
    _what_to_do(told)
    if told.lines:
        st.markdown("**Its last lines**")
        st.code(lines_text(told), language=None, wrap_lines=True)


def _what_to_do(told: Explanation) -> None:
    if told.setting or told.command:
        st.markdown("**What to do**")
    if told.setting:
        st.code(f"[tool.mlops]\n{told.setting}", language="toml")
    if told.command:
        st.code(told.command, language="sh", wrap_lines=True)


def facts_html(told: Explanation, hues: Colours) -> str:
    """Return what was measured; what was not is grey, with why, what tells the cause is marked."""
    rows = "".join(_row(one.label, *_measured(one, hues), hues) for one in told.facts)
    return f"{_head('What was measured')}{rows}"


def _measured(fact: Fact, hues: Colours) -> tuple[str, str]:
    if fact.telling:
        return f"▸ <b>{markup(fact.said)}</b>", hues.bad
    return markup(fact.said), hues.text if fact.known else hues.muted


def different_html(told: Explanation, hues: Colours) -> str:
    """Return what is different from the last success."""
    rows = "".join(
        _row(
            one.what,
            f"{markup(one.before, 60) or 'not there'} → <b>{markup(one.now, 60) or 'gone'}</b>",
            hues.text,
            hues,
        )
        for one in told.different[:_SHOWN]
    )
    more = len(told.different) - _SHOWN
    rest = f'<div style="padding:4px 0">and {more} more</div>' if more > 0 else ""
    nothing = "" if rows or "No earlier" in told.compared else " Nothing that is noted differs."
    said = f'<div style="color:{hues.muted};padding:4px 0">{markup(told.compared)}{nothing}</div>'
    return f"{_head('What is different')}{said}{rows}{rest}"


def lines_text(told: Explanation) -> str:
    """Return the last lines, the one that names the exception marked."""
    return "\n".join(
        f"{'▸' if number == told.marked else ' '} {line}" for number, line in enumerate(told.lines)
    )


def _head(words: str) -> str:
    return f'<div style="font-weight:600;padding-bottom:2px">{words}</div>'


def _row(label: str, value: str, ink: str, hues: Colours) -> str:
    return (
        f'<div style="display:flex;gap:12px;justify-content:space-between;padding:4px 0;'
        f'border-top:1px solid {hues.line};font-size:14px">'
        f'<span style="color:{hues.muted};white-space:nowrap">{markup(label, 60)}</span>'
        f'<span style="color:{ink};text-align:right;min-width:0;overflow-wrap:anywhere">{value}'
        "</span></div>"
    )
