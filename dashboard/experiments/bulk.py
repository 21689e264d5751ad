"""Tagging and archiving several runs: one action a run, each journalled and audited by itself."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard.components import actions, several
from dashboard.components.several import Those, Wish
from dashboard.experiments.access import detail_of
from dashboard.numbers import counted
from dashboard.text import plain
from services.actions.archive import ArchiveRun
from services.actions.tag import TagRun
from services.errors import MlopsError

Asked = Callable[[str], ArchiveRun | TagRun]


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
            title = f"{wish.title} {counted(len(chosen), 'run')}"
            several.confirm(replace(wish, title=title), _those(chosen), icon=icon)


def _why_not(action: type[Any], chosen: Sequence[str], off: str | None) -> str | None:
    """Ask for the first run's project: a chosen run is one the person sees."""
    try:
        project = detail_of(chosen[0]).run.project
    except MlopsError as error:
        return str(error)
    return actions.why_not(action, project=project, off=off)


def _tag() -> Wish[str]:
    def fields() -> Asked | None:
        key = st.text_input("Tag", key="exp-tag-key", max_chars=250, placeholder="e.g. reviewed")
        value = st.text_input("Value", key="exp-tag-value", max_chars=8000)
        name = key.strip()
        return (lambda run_id: TagRun(_project(run_id), run_id, name, value)) if name else None

    return Wish(
        "Tag",
        "Tag them",
        "The tag is set on every run; a value it had before is replaced.",
        fields,
    )


def _archive(*, back: bool) -> Wish[str]:
    def ready() -> Asked:
        return lambda run_id: ArchiveRun(_project(run_id), run_id, back)

    if back:
        told = "The runs are shown in the tables again."
        return Wish("Restore", "Restore them", told, ready)
    told = (
        "The runs leave the tables and the leaderboards. Their metrics, parameters and artifacts "
        "are kept; they can be restored. A run that still runs is refused."
    )
    return Wish("Archive", "Archive them", told, ready)


def _project(run_id: str) -> str:
    return detail_of(run_id).run.project


def _those(chosen: Sequence[str]) -> Those[str]:
    return Those(tuple(chosen), "run", _named, str)


def _named(run_id: str) -> str:
    try:
        run = detail_of(run_id).run
    except MlopsError:  # what is refused says why
        return run_id[:8]
    return f"{run.name or run_id[:8]} of {run.project}"
