"""The same done to several alerts: one action each, journalled and audited by itself."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.alerts import picks
from dashboard.components import notices
from dashboard.numbers import counted
from dashboard.text import plain
from services.actions.alerts import AcknowledgeAlert, CloseAlert, SilenceAlerts
from services.alerting.models import Alert
from services.errors import MlopsError

Asked = Callable[[Alert], AcknowledgeAlert | CloseAlert | SilenceAlerts]
_HELD = "alerts:several"
_POLL_S = 0.5
_TOLD = 5


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done with each alert; ``make`` draws the fields still to be filled in."""

    title: str
    verb: str
    consequence: str
    make: Callable[[], Asked | None]


def confirm(wish: Wish, alerts: Sequence[Alert], *, icon: str) -> None:
    """Open the dialog."""
    st.session_state[_HELD] = {"key": secrets.token_hex(12), "ids": None, "refused": []}
    st.dialog(plain(wish.title), icon=f":material/{icon}:", on_dismiss="rerun")(dialog)(
        wish, tuple(alerts)
    )


def dialog(wish: Wish, alerts: tuple[Alert, ...]) -> None:
    """Draw the dialog: what will happen, then how far it is."""
    held = st.session_state.setdefault(
        _HELD, {"key": secrets.token_hex(12), "ids": None, "refused": []}
    )
    asking = st.empty()
    if held["ids"] is None:
        with asking.container():
            _ask(wish, alerts, held)
    if held["ids"] is not None:
        asking.empty()
        _follow(held)


def _ask(wish: Wish, alerts: tuple[Alert, ...], held: dict[str, Any]) -> None:
    made = wish.make()
    names = [f"- {plain(one.title or one.key, 120)}" for one in alerts[:_TOLD]]
    more = len(alerts) - len(names)
    names += [f"- and {more} more"] if more else []
    st.markdown("\n".join([f"**What happens**\n- {wish.consequence}\n\n**To**", *names]))
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Cancel", key="alerts-several-cancel"):
            st.rerun()
        sent = st.button(wish.verb, key="alerts-several-do", type="primary", disabled=made is None)
    if sent and made is not None:
        _submit(made, alerts, held)


def _submit(made: Asked, alerts: tuple[Alert, ...], held: dict[str, Any]) -> None:
    ids, refused = [], []
    for alert in alerts:
        try:
            key = f"{held['key']}:{alert.id}"
            ids.append(state.executor().submit(state.actor(), made(alert), key).id)
        except MlopsError as error:
            refused.append(f"{alert.title or alert.key}: {error}")
    held["ids"], held["refused"] = ids, refused


def _follow(held: dict[str, Any]) -> None:
    ended = all(state.executor().record(action_id).ended for action_id in held["ids"])
    st.fragment(run_every=None if ended else _POLL_S)(_progress)(held)


def _progress(held: dict[str, Any]) -> None:
    records = [state.executor().record(action_id) for action_id in held["ids"]]
    ended = [record for record in records if record.ended]
    done = [record for record in ended if record.state == "done"]
    if records:
        told = f"{len(ended)} of {counted(len(records), 'action')} ended"
        st.progress(len(ended) / len(records), text=told)
    faults = [*held["refused"], *(f"{r.title}: {r.error}" for r in ended if r.state != "done")]
    for sentence in faults[:_TOLD]:
        notices.problem(MlopsError(sentence))
    if len(faults) > _TOLD:
        st.caption(f"{len(faults) - _TOLD} more were refused or failed: see Activity.")
    if len(ended) < len(records):
        st.caption("Closing this window does not stop it; Activity shows how it went.")
        return
    if done:
        st.success(f"{counted(len(done), 'alert')} done.", icon=":material/check_circle:")
    if st.button("Close", key="alerts-several-close", type="primary"):
        st.session_state.pop(_HELD, None)
        picks.clear()
        st.rerun()
