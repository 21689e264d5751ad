"""Actions and audit entries as tables, and one action in full."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import journalled, state
from dashboard.components import actions, ages, status, tables
from dashboard.numbers import age, duration
from dashboard.text import plain
from services.actions.audit import Entry
from services.actions.executor import ActionRecord

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

STATES = ("pending", "running", "done", "failed", "compensated", "denied")


def action_table(records: Sequence[ActionRecord]) -> ActionRecord | None:
    """Draw actions; return the selected one."""
    columns = {
        "when": _when(),
        "who": st.column_config.TextColumn("Who", width=90),
        "what": st.column_config.TextColumn("What", width=280),
        "project": st.column_config.TextColumn("Project", width=130),
        "state": status.column("How it went", STATES),
        "took": st.column_config.TextColumn("Took", width=80),
    }
    rows = [
        {
            "when": record.submitted_at,
            "who": record.actor,
            "what": record.title,
            "project": record.project or "platform",
            "state": status.cell(record.state),
            "took": took(record),
        }
        for record in records
    ]
    chosen = tables.table(rows, columns, key="actions-table", select=True)
    return None if chosen is None else records[chosen]


def audit_table(entries: Sequence[Entry]) -> Entry | None:
    """Draw audit entries; return the selected one."""
    columns = {
        "number": st.column_config.NumberColumn("No.", width=60, format="%d"),
        "when": _when(),
        "who": st.column_config.TextColumn("Who", width=90),
        "what": st.column_config.TextColumn("What", width=140),
        "subject": st.column_config.TextColumn("On", width=260),
        "project": st.column_config.TextColumn("Project", width=130),
    }
    rows = [
        {
            "number": entry.number,
            "when": entry.at,
            "who": entry.actor,
            "what": entry.what,
            "subject": entry.subject,
            "project": entry.project or "platform",
        }
        for entry in entries
    ]
    chosen = tables.table(rows, columns, key="audit-table", select=True)
    return None if chosen is None else entries[chosen]


def action_detail(record: ActionRecord) -> None:
    """Draw an action in full: who asked when, its fields, its steps and how it ended."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{plain(record.title)}**", width="content")
            status.badge(record.state)
        asked = f"Asked by {plain(record.actor)} {age(record.submitted_at)}"
        st.caption(f"{asked} · action {record.id}", help=ages.exact(record.submitted_at))
        left, right = st.columns([3, 2], gap="medium")
        with left:
            actions.steps(record)
            if not record.steps:
                st.caption("No step was begun.")
            if record.ended:
                actions.outcome(record)
        with right:
            fields = {name: _told(value) for name, value in record.params.items()}
            st.table(fields) if fields else st.caption("It has no fields.")


def audit_detail(entry: Entry) -> None:
    """Draw an entry with its seal; addresses only for admins."""
    with st.container(border=True):
        st.markdown(f"**Entry {entry.number:,}** · {plain(entry.what)} · {plain(entry.subject)}")
        st.caption(f"By {plain(entry.actor)}, {ages.exact(entry.at)}")
        hidden = set() if state.user().role == "admin" else {"address"}
        fields = {name: _told(v) for name, v in entry.detail.items() if name not in hidden and v}
        if fields:
            st.table(fields)
        st.caption("Sealed as")
        st.code(entry.hash, language=None)


def verdict() -> None:
    """Draw whether the chain of seals holds, and the button that checks all of it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        place = st.empty()
        whole = st.button(
            "Check all",
            key="audit-whole",
            type="tertiary",
            icon=":material/verified_user:",
            help="Walks the chain from its first entry, as happens once a day by itself.",
        )
    verified = journalled.audit_verdict(whole=whole)
    found = verified.verdict
    with place.container(width="content"):
        if found.broken_at is None:
            status.badge(
                "passed",
                f"chain of {found.entries:,} entries verified",
                why="Each entry carries the seal of the one before. New ones were checked now, "
                f"all of them {age(verified.whole_at)}.",
            )
        else:
            status.badge("problem", f"chain broken at entry {found.broken_at:,}", why=found.reason)


def took(record: ActionRecord) -> str:
    """Return how long an action took, from asking to its end."""
    if record.finished_at is None:
        return "under way"
    return duration((record.finished_at - record.submitted_at).total_seconds())


def _when() -> "ColumnConfig":
    return st.column_config.DatetimeColumn(
        "When", width=150, format="YYYY-MM-DD HH:mm:ss", timezone=str(state.zone())
    )


def _told(value: object) -> str:
    if value is None:
        return "not given"
    listed = isinstance(value, list | tuple)
    return plain(", ".join(map(str, value)) if listed else value, 300)  # type: ignore[call-overload]
