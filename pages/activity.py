"""Activity: what people and policies did, how it went, and the sealed audit behind it."""

import streamlit as st

from dashboard import journalled, scope
from dashboard.components import journal, located, notices, older
from dashboard.components.tables import PAGE_SIZE

st.title("Activity")
where = scope.current()
notices.engine_notice("controller")

with st.container(horizontal=True, vertical_alignment="bottom"):
    view = located.choice(
        "View", ["actions", "audit"], name="view", default="actions", format_func=str.capitalize
    )
    who = located.text("Who", name="who", placeholder="anyone")
    how, what = [], ""
    if view == "actions":
        how = located.several("How it went", journal.STATES, name="how")
    else:
        what = located.text("What", name="what", placeholder="sign-in, promote …")

before = older.cursor()
if view == "actions":
    records = journalled.actions(where, who=who, states=tuple(how), before=before)
    if records:
        chosen = journal.action_table(records)
        older.draw([record.id for record in records], PAGE_SIZE)
        if chosen is not None:
            journal.action_detail(chosen)
    else:
        notices.empty(
            "Nothing was done",
            f"No action matches {where.sentence}. Promotions, registrations and changes of "
            "accounts show here, whether the dashboard, the command line or a policy asked.",
            icon="history",
            command="mlops models promote NAME VERSION --to champion",
        )
else:
    journal.verdict()
    entries = journalled.audit_entries(where, who=who, what=what, before=before)
    if entries:
        noted = journal.audit_table(entries)
        older.draw([entry.number for entry in entries], PAGE_SIZE)
        if noted is not None:
            journal.audit_detail(noted)
    else:
        notices.empty(
            "No entry", f"The audit has nothing like this {where.sentence}.", icon="gavel"
        )
