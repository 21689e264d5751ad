"""Tagging and archiving several runs: one action a run, each journalled and audited by itself."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.components import actions, notices
from dashboard.experiments.access import detail_of
from dashboard.numbers import counted
from dashboard.text import plain
from services.actions.archive import ArchiveRun
from services.actions.tag import TagRun
from services.errors import MlopsError
from services.mirror.models import Run

_HELD = "experiments:bulk"
_POLL_S = 0.5
_TOLD = 5
Made = ArchiveRun | TagRun


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done with each run; ``make`` draws the fields still to be filled in."""

    title: str
    verb: str
    consequence: str
    make: Callable[[], Callable[[Run], Made] | None]


def buttons(chosen: Sequence[str], off: str | None, *, back: bool) -> None:
    """Draw the buttons that open the dialogs; off, with the reason, for who may not."""
    for icon, wish in (("sell", _tag()), ("unarchive" if back else "archive", _archive(back=back))):
        action = TagRun if icon == "sell" else ArchiveRun
        why = _why_not(action, chosen, off)
        pressed = st.button(
            wish.title,
            key=f"exp-bulk-{icon}",
            icon=f":material/{icon}:",
            type="tertiary",
            disabled=why is not None,
            help=plain(why, 300) if why else None,
        )
        if pressed:
            st.session_state[_HELD] = {"key": secrets.token_hex(12), "ids": None, "refused": []}
            title = f"{wish.title} {counted(len(chosen), 'run')}"
            st.dialog(title, icon=f":material/{icon}:", on_dismiss="rerun")(_dialog)(
                wish, tuple(chosen)
            )


def _why_not(action: type[Any], chosen: Sequence[str], off: str | None) -> str | None:
    """Ask for the first run's project: a chosen run is one the person sees."""
    try:
        project = detail_of(chosen[0]).run.project
    except MlopsError as error:
        return str(error)
    return actions.why_not(action, project=project, off=off)


def _tag() -> Wish:
    def fields() -> Callable[[Run], Made] | None:
        key = st.text_input("Tag", key="exp-tag-key", max_chars=250, placeholder="e.g. reviewed")
        value = st.text_input("Value", key="exp-tag-value", max_chars=8000)
        name = key.strip()
        return (lambda run: TagRun(run.project, run.run_id, name, value)) if name else None

    return Wish(
        "Tag",
        "Tag them",
        "The tag is set on every run; a value it had before is replaced.",
        fields,
    )


def _archive(*, back: bool) -> Wish:
    def ready() -> Callable[[Run], Made]:
        return lambda run: ArchiveRun(run.project, run.run_id, back)

    if back:
        told = "The runs are shown in the tables again."
        return Wish("Restore", "Restore them", told, ready)
    told = (
        "The runs leave the tables and the leaderboards. Their metrics, parameters and artifacts "
        "are kept; they can be restored. A run that still runs is refused."
    )
    return Wish("Archive", "Archive them", told, ready)


def _dialog(wish: Wish, chosen: tuple[str, ...]) -> None:
    held = st.session_state.setdefault(
        _HELD, {"key": secrets.token_hex(12), "ids": None, "refused": []}
    )
    asking = st.empty()
    if held["ids"] is None:
        with asking.container():
            _ask(wish, chosen, held)
    if held["ids"] is not None:
        asking.empty()
        _follow(held)


def _ask(wish: Wish, chosen: tuple[str, ...], held: dict[str, Any]) -> None:
    made = wish.make()
    st.markdown(f"**What happens**\n- {wish.consequence}")
    st.markdown(_named(chosen))
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Cancel", key="exp-bulk-cancel"):
            st.rerun()
        sent = st.button(wish.verb, key="exp-bulk-do", type="primary", disabled=made is None)
    if sent and made is not None:
        _submit(made, chosen, held)


def _named(chosen: tuple[str, ...]) -> str:
    names = []
    for run_id in chosen[:_TOLD]:
        try:
            run = detail_of(run_id).run
            names.append(f"- {plain(run.name or run.run_id[:8], 60)} of {plain(run.project)}")
        except MlopsError as error:
            names.append(f"- {plain(error.message, 200)}")
    more = len(chosen) - len(names)
    return "\n".join([*names, f"- and {more} more"] if more else names)


def _submit(made: Callable[[Run], Made], chosen: tuple[str, ...], held: dict[str, Any]) -> None:
    ids, refused = [], []
    for run_id in chosen:
        try:
            action = made(detail_of(run_id).run)
            key = f"{held['key']}:{run_id}"
            ids.append(state.executor().submit(state.actor(), action, key).id)
        except MlopsError as error:
            refused.append(f"{run_id[:8]}: {error}")
    held["ids"], held["refused"] = ids, refused


def _follow(held: dict[str, Any]) -> None:
    records = [state.executor().record(action_id) for action_id in held["ids"]]
    ended = all(record.ended for record in records)
    st.fragment(run_every=None if ended else _POLL_S)(_progress)(held)


def _progress(held: dict[str, Any]) -> None:
    records = [state.executor().record(action_id) for action_id in held["ids"]]
    ended = [record for record in records if record.ended]
    done = [record for record in ended if record.state == "done"]
    if records:
        told = f"{len(ended)} of {counted(len(records), 'action')} ended"
        st.progress(len(ended) / len(records), text=told)
    failed = [f"{r.title}: {r.error}" for r in ended if r.state != "done"]
    faults = [*held["refused"], *failed]
    for sentence in faults[:_TOLD]:
        notices.problem(MlopsError(sentence))
    if len(faults) > _TOLD:
        st.caption(f"{len(faults) - _TOLD} more were refused or failed: see Activity.")
    if len(ended) < len(records):
        st.caption("Closing this window does not stop it; Activity shows how it went.")
        return
    if done:
        st.success(f"{counted(len(done), 'run')} done.", icon=":material/check_circle:")
    if st.button("Close", key="exp-bulk-close", type="primary"):
        st.session_state.pop(_HELD, None)
        st.rerun()
