"""Letting other machines report here: a token, the command to type there, and who uses which."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import state
from dashboard.components import actions, notices, tables
from dashboard.components.notices import advice
from dashboard.numbers import age
from dashboard.text import plain
from services.actions import roles
from services.actions.machine_tokens import AddMachineToken, RevokeMachineToken
from services.home import Home
from services.telemetry import joining, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.telemetry.fleet import Holder

_COLUMNS = {
    "name": st.column_config.TextColumn("Token", width="medium"),
    "host": st.column_config.TextColumn("Machine that uses it", width="medium"),
    "made": st.column_config.TextColumn("Made", width="small"),
    "seen": st.column_config.TextColumn("Last seen", width="small"),
}


def allowed() -> bool:
    """Return whether the person manages machines; to others nothing of it is drawn."""
    return not roles.reason_against(state.actor(), AddMachineToken.role, None, "This")


def draw() -> None:
    """Draw the tokens and the buttons that make and end one, for who may."""
    if not allowed():
        return
    st.divider()
    st.subheader("Other machines")
    off = notices.engine_notice("controller")
    holders = state.context().fleet.holders()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            "A machine reports here with a token of its own: make one, and type the command it "
            "shows on that machine. Without its token nothing of it is taken.",
            width="stretch",
        )
        _add(off)
    if holders:
        chosen = tables.table(rows(holders), _COLUMNS, key="tokens-table", select=True)
        if chosen is None:
            st.caption("Select a token to revoke it.")
        else:
            _revoke(holders[chosen].token.name, off)


def commands() -> tuple[str, ...]:
    """Return the command lines that do the same, for who may."""
    return ("mlops hardware tokens", "mlops hardware token NAME") if allowed() else ()


def rows(holders: "Sequence[Holder]", now: datetime | None = None) -> list[dict[str, object]]:
    """Return tokens for a table."""
    return [
        {
            "name": one.token.name,
            "host": one.token.host or "none came yet",
            "made": age(datetime.fromtimestamp(one.token.made_at, UTC), now),
            "seen": age(one.last_at, now),
        }
        for one in holders
    ]


def _add(off: str | None) -> None:
    proposal = actions.Proposal(
        "Add a Mac",
        _asked,
        verb="Make the token",
        command="mlops hardware token NAME",
        after=_show,
    )
    actions.button("Add a Mac", proposal, key="add-machine", icon="add", off=off, kind="primary")


def _revoke(name: str, off: str | None) -> None:
    proposal = actions.Proposal(
        f"Revoke the token {name}",
        lambda: RevokeMachineToken(name),
        verb="Revoke",
        command=f"mlops hardware token {name} --revoke",
    )
    actions.button(f"Revoke {plain(name, 40)}", proposal, key="revoke-token", icon="block", off=off)


def _asked() -> AddMachineToken | None:
    """Draw the name; the token is made once a dialog and shown when it counts."""
    name = st.text_input(
        "Name of the token",
        key="token-name",
        placeholder="studio",
        help="Any name you will know the machine by; the machine says itself who it is.",
        max_chars=40,
        autocomplete="off",
    ).strip()
    if not name:
        return None
    held: dict[str, str] = st.session_state["acting"]
    if "token" not in held:
        held["token"], held["token-hash"] = tokens.fresh()
    return AddMachineToken(name, held["token-hash"])


def _show() -> None:
    """Draw what is typed on the other machine."""
    token = st.session_state.get("acting", {}).get("token")
    if token is None:
        return
    found = joining.way(state.settings(), Home.locate())
    st.markdown("**On the other machine, in a checkout of the toolkit**")
    st.code("\n".join(found.commands(token)), language="shell", wrap_lines=True)
    st.caption("The token is shown in this window alone; copy it now. The agent remembers it.")
    for sentence in found.advice():
        st.caption(advice(sentence))
