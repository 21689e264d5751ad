"""The log of a replica: its last lines, searched, followed while it runs.

What a model prints is hostile text like any other: it is drawn letter by letter.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import streamlit as st

from dashboard import state
from dashboard.charts.theme import colours
from dashboard.components import located, notices
from dashboard.deployments.address import FOLLOW, ONLY, WORDS
from dashboard.numbers import size
from dashboard.text import plain
from dashboard.workflows import logbook, loghtml
from dashboard.workflows.logbook import Line
from services.errors import MlopsError
from services.home import Home
from services.serving.models import ReplicaStatus

LIVE_S = 2.0
TAIL_BYTES = 512_000
_SHOWN = 400
_LEVELS = ("ERROR", "CRITICAL", "WARNING", "DEBUG")


def draw(replica: ReplicaStatus) -> None:
    """Draw what is looked for, and the log."""
    words = located.text("Search", name=WORDS, placeholder="Text in the log", width=220)
    only = located.switch("Only lines that match", name=ONLY, default=False) if words else False
    runs = replica.state in {"ready", "starting"}
    follow = located.switch("Follow", name=FOLLOW, default=True) if runs else False
    path = own(replica.log)
    with st.container(width="stretch"):
        if path is None:
            st.caption("Its log is on another machine: `mlops logs serving` there.")
            return
        st.fragment(_live, run_every=LIVE_S if follow else None)(path, words, only)


def own(named: str) -> Path | None:
    """Return the file when it is one of this installation's logs, else None."""
    path, root = Path(named).resolve(), Home.locate().root.resolve()
    return path if path.is_relative_to(root) and path.suffix == ".log" else None


def _live(path: Path, words: str, only: bool) -> None:  # noqa: FBT001 - a fragment's arguments
    try:
        _draw(path, words, only=only)
    except MlopsError as error:  # out of a fragment no error reaches the frame that tells them
        notices.problem(error)


def _draw(path: Path, words: str, *, only: bool) -> None:
    try:
        text, whole = tail(path)
    except OSError as error:
        st.caption(f"The log cannot be read: {plain(error.strerror or error, 120)}.")
        return
    lines = lines_of(text)
    if not lines:
        st.caption("It has said nothing yet.")
        return
    found = logbook.find(lines, words)
    if words and not found:
        st.caption(f"“{plain(words, 80)}” is in none of the last {len(lines):,} lines.")
    here = found[-1] if found else None
    if only:
        kept = logbook.matching(lines, found, _SHOWN)
    else:
        begin, end = logbook.shown(len(lines), _SHOWN, here.place if here else None)
        kept = list(enumerate(lines[begin:end], begin))
    if kept:
        st.html(loghtml.html(kept, found, here, colours(), state.zone()))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"The last {len(lines):,} lines of {size(whole)}.", width="stretch")
        st.download_button(
            "Download", data=text, file_name=path.name, mime="text/plain", key="replica-log",
            icon=":material/download:", type="tertiary", on_click="ignore",
        )  # fmt: skip


def tail(path: Path) -> tuple[str, int]:
    """Return the last part of a file, from the begin of a line, and how long all of it is.

    Raises:
        OSError: It cannot be read.
    """
    whole = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, whole - TAIL_BYTES))
        held = file.read(TAIL_BYTES)
    if whole > TAIL_BYTES:
        held = held.partition(b"\n")[2]
    return held.decode(errors="replace"), whole


def lines_of(text: str) -> Sequence[Line]:
    """Return the lines with their level, where they tell one."""
    return [
        Line(number, _at(line), _level(line), line)
        for number, line in enumerate(text.splitlines(), 1)
    ]


def _level(line: str) -> str:
    head = line[:60]
    return next((word.lower() for word in _LEVELS if f"{word} " in f"{head} "), "")


def _at(line: str) -> datetime | None:
    del line  # its own time stands in the line
    return None
