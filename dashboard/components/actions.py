"""Acting from a page: a dialog that says what will happen, then how far it is and how it ended.

The action gets its idempotency key when the dialog opens: pressing twice does it once.
"""

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from dashboard import state
from dashboard.components import dialogs, notices, status
from dashboard.components.cli import command_line
from dashboard.numbers import duration
from dashboard.text import plain
from services.actions import roles
from services.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.actions.action import Action
    from services.actions.executor import ActionRecord

_POLL_S = 0.5
_HELD = "acting"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a person is about to do.

    ``make`` draws the fields that are still to be filled in and returns the action, or None while
    they are not complete; for an action that is complete, ``lambda: action``.
    """

    title: str
    make: "Callable[[], Action | None]"
    verb: str = "Do it"
    command: str = ""
    """The command line that does the same."""
    during: "Callable[[], None] | None" = None
    """Draws how far it is, below the steps, again and again while it is under way."""
    after: "Callable[[], None] | None" = None
    """Draws below the outcome of an action that was done."""
    hand_over: "Callable[[Action, Callable[[Action], int]], int] | None" = None
    """Submits it in its own way, given the usual one; for what must happen at that moment alone,
    such as putting a secret where the action finds it."""


def why_not(action: type[Any], *, project: str | None = None, off: str | None = None) -> str | None:
    """Return why the person cannot do this now, None when they can.

    ``off`` is what ``notices.engine_notice("controller", …)`` said.
    """
    if off is not None:
        return off
    return roles.reason_against(state.actor(), action.role, project, "This") or None


def button(
    label: str,
    proposal: Proposal,
    *,
    key: str,
    icon: str = "bolt",
    off: str | None = None,
    kind: Literal["primary", "secondary", "tertiary"] = "secondary",
    stretch: bool = False,
) -> None:
    """Draw a button that opens the dialog; ``off`` is why it cannot be pressed, if it cannot."""
    pressed = st.button(
        label,
        key=key,
        icon=f":material/{icon}:",
        type=kind,
        disabled=off is not None,
        help=plain(off, 300) if off else None,
        width="stretch" if stretch else "content",
    )
    if pressed:
        confirm(proposal, icon=icon)


def confirm(proposal: Proposal, *, icon: str = "bolt") -> None:
    """Open the dialog."""
    st.session_state[_HELD] = {"key": secrets.token_hex(12), "id": None}
    title = plain(proposal.title, 100)
    dialogs.dialog(title, icon=f":material/{icon}:")(_dialog)(proposal)


def opened() -> str:
    """Return what marks the dialog that is open: another one is marked otherwise."""
    held: dict[str, Any] = st.session_state.get(_HELD) or {}
    return str(held.get("key", ""))


def _dialog(proposal: Proposal) -> None:
    held = st.session_state.setdefault(_HELD, {"key": secrets.token_hex(12), "id": None})
    asking = st.empty()
    if held["id"] is None:
        with asking.container():
            _ask(proposal, held)
    if held["id"] is not None:
        asking.empty()
        _follow(held["id"], proposal)


def _ask(proposal: Proposal, held: dict[str, Any]) -> None:
    try:
        action = proposal.make()
        consequences = action.consequences(state.context()) if action else ()
    except MlopsError as error:
        notices.problem(error)
        action, consequences = None, ()
    if consequences:
        st.markdown("**What happens**\n" + "\n".join(f"- {plain(c, 500)}" for c in consequences))
    sent = _buttons(proposal.verb, ready=action is not None)
    if proposal.command:
        command_line(proposal.command)
    if sent and action is not None:
        _submit(action, held, proposal)


def _buttons(verb: str, *, ready: bool) -> bool:
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Cancel", key="acting-cancel"):
            st.rerun()
        return st.button(verb, key="acting-do", type="primary", disabled=not ready)


def _submit(action: "Action", held: dict[str, Any], proposal: Proposal) -> None:
    def usual(asked: "Action") -> int:
        return state.executor().submit(state.actor(), asked, held["key"]).id

    try:
        held["id"] = proposal.hand_over(action, usual) if proposal.hand_over else usual(action)
    except MlopsError as error:
        notices.problem(error)


def _follow(action_id: int, proposal: Proposal) -> None:
    try:
        ended = state.executor().record(action_id).ended
    except MlopsError:
        ended = False
    st.fragment(run_every=None if ended else _POLL_S)(_progress)(action_id, proposal)


def _progress(action_id: int, proposal: Proposal) -> None:
    try:
        record = state.executor().record(action_id)
    except MlopsError as error:  # a journal that is busy: asked again
        notices.problem(error)
        return
    steps(record)
    if record.state == "pending":
        st.caption("The controller takes it up within a second.")
    if not record.ended:
        _guarded(proposal.during)
        st.caption("Closing this window does not stop it; Activity shows how it went.")
        return
    outcome(record)
    if record.state == "done":
        _guarded(proposal.after)
    if st.button("Close", key="acting-close", type="primary"):
        st.session_state.pop(_HELD, None)
        st.rerun()


def _guarded(draw: "Callable[[], None] | None") -> None:
    """Draw what a proposal adds; what it cannot read is a sentence, and the dialog stays."""
    if draw is not None:
        try:
            draw()
        except MlopsError as error:
            notices.problem(error)


def steps(record: "ActionRecord") -> None:
    """Draw each step that was begun, with how it went and how long it took."""
    for step in record.steps:
        look = status.look(step.state)
        told = f" · {plain(step.detail, 200)}" if step.detail else ""
        lasted = ""
        if step.finished_at is not None:
            lasted = f" · {duration((step.finished_at - step.started_at).total_seconds())}"
        st.markdown(
            f":{look.colour}[:material/{look.icon}: {look.word}] {plain(step.name)}{told}{lasted}"
        )


def outcome(record: "ActionRecord") -> None:
    """Draw how an action ended, as a sentence."""
    if record.state == "done":
        said = f": {record.result.removesuffix('.')}" if record.result else ""
        st.success(plain(f"{record.title}{said}.", 600), icon=":material/check_circle:")
        return
    words = {
        "failed": "failed",
        "denied": "was denied",
        "compensated": "failed and was taken back",
    }
    told = f"{record.title} {words.get(record.state, record.state)}. {record.error}"
    notices.problem(MlopsError(told, record.hint))
