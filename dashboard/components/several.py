"""The same done to several things: one action each, journalled and audited by itself."""

import secrets
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import streamlit as st

from dashboard import state
from dashboard.components import dialogs, notices
from dashboard.numbers import counted
from dashboard.text import plain
from services.errors import MlopsError

if TYPE_CHECKING:
    from services.actions.action import Action

T = TypeVar("T")
_HELD = "several"
_POLL_S = 0.5
_TOLD = 5


@dataclass(frozen=True, slots=True)
class Wish(Generic[T]):
    """What is to be done with each."""

    title: str
    verb: str
    consequence: str
    make: Callable[[], "Callable[[T], Action] | None"]
    """Draws the fields still to be filled in; None: one that must be is empty."""


@dataclass(frozen=True, slots=True)
class Those(Generic[T]):
    """What it is done to."""

    things: tuple[T, ...]
    noun: str
    name: Callable[[T], str]
    key: Callable[[T], Hashable]
    """Tells one from the others."""
    done: Callable[[], None] = lambda: None
    """Called when all have ended and the person closes the dialog."""


def confirm(wish: Wish[T], those: Those[T], *, icon: str) -> None:
    """Open the dialog."""
    st.session_state[_HELD] = _fresh()
    title = plain(wish.title)
    dialogs.dialog(title, icon=f":material/{icon}:")(dialog)(wish, those)


def _fresh() -> dict[str, Any]:
    return {"key": secrets.token_hex(12), "ids": None, "refused": []}


def dialog(wish: Wish[T], those: Those[T]) -> None:
    """Draw the dialog: what will happen, then how far it is."""
    held = st.session_state.setdefault(_HELD, _fresh())
    asking = st.empty()
    if held["ids"] is None:
        with asking.container():
            _ask(wish, those, held)
    if held["ids"] is not None:
        asking.empty()
        _follow(those, held)


def _ask(wish: Wish[T], those: Those[T], held: dict[str, Any]) -> None:
    made = wish.make()
    names = [f"- {plain(those.name(one), 120)}" for one in those.things[:_TOLD]]
    more = len(those.things) - len(names)
    names += [f"- and {more} more"] if more else []
    st.markdown("\n".join([f"**What happens**\n- {wish.consequence}\n\n**To**", *names]))
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Cancel", key="several-cancel"):
            st.rerun()
        sent = st.button(wish.verb, key="several-do", type="primary", disabled=made is None)
    if sent and made is not None:
        submit(made, those, held)


def submit(made: "Callable[[T], Action]", those: Those[T], held: dict[str, Any]) -> None:
    """Ask for the action of each; what is refused keeps no other waiting."""
    ids, refused = [], []
    for one in those.things:
        try:
            key = f"{held['key']}:{those.key(one)}"
            ids.append(state.executor().submit(state.actor(), made(one), key).id)
        except MlopsError as error:
            refused.append(f"{those.name(one)}: {error}")
    held["ids"], held["refused"] = ids, refused


def _follow(those: Those[T], held: dict[str, Any]) -> None:
    try:
        ended = all(state.executor().record(action_id).ended for action_id in held["ids"])
    except MlopsError:
        ended = False
    st.fragment(run_every=None if ended else _POLL_S)(_progress)(those, held)


def _progress(those: Those[T], held: dict[str, Any]) -> None:
    try:
        records = [state.executor().record(action_id) for action_id in held["ids"]]
    except MlopsError as error:  # a journal that is busy: asked again
        notices.problem(error)
        return
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
        st.success(f"{counted(len(done), those.noun)} done.", icon=":material/check_circle:")
    if st.button("Close", key="several-close", type="primary"):
        st.session_state.pop(_HELD, None)
        those.done()
        st.rerun()
