"""The log of a replica: its last lines, searched, followed while it runs.

What a model prints is hostile text like any other: it is drawn letter by letter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from dashboard import state
from dashboard.charts.theme import colours
from dashboard.components import located
from dashboard.components.live import live
from dashboard.deployments.address import FOLLOW, ONLY, WORDS
from dashboard.numbers import counted, size
from dashboard.text import plain
from dashboard.workflows import logbook, loghtml
from dashboard.workflows.logbook import Line
from services.home import Home
from services.serving.models import ReplicaStatus

LIVE_S = 2.0
TAIL_BYTES = 512_000
_SHOWN = 400
_LEVELS = ("ERROR", "CRITICAL", "WARNING", "DEBUG")


@dataclass(frozen=True, slots=True)
class Look:
    """How the log is looked at."""

    words: str
    only: bool
    follow: bool


def asked(*, runs: bool) -> Look:
    """Draw what is looked for in it, and whether it is followed; of one that ended it is not."""
    words = located.text("Search", name=WORDS, placeholder="Text in the log", width=220)
    only = located.switch("Only lines that match", name=ONLY, default=False) if words else False
    follow = located.switch("Follow", name=FOLLOW, default=True) if runs else False
    return Look(words, only, follow)


def draw(replica: ReplicaStatus, look: Look) -> None:
    """Draw the log."""
    path = own(replica.log)
    if path is None:
        st.caption("Its log is on another machine: `mlops logs serving` there.")
        return
    live(_draw, LIVE_S if look.follow else None)(path, look)


def own(named: str) -> Path | None:
    """Return the file when it is one of this installation's logs, else None."""
    path, root = Path(named).resolve(), Home.locate().root.resolve()
    return path if path.is_relative_to(root) and path.suffix == ".log" else None


def _draw(path: Path, look: Look) -> None:
    try:
        text, whole = tail(path)
    except OSError as error:
        st.caption(f"The log cannot be read: {plain(error.strerror or error, 120)}.")
        return
    lines = lines_of(text)
    if not lines:
        st.caption("It has said nothing yet.")
        return
    found = logbook.find(lines, look.words)
    if look.words.strip():
        times = counted(len(found), "time")
        st.caption(f"“{plain(look.words, 80)}” is {times} in the last {len(lines):,} lines.")
    here = found[-1] if found else None
    if look.only:
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
    """Return the lines with their level, where they tell one; it stands in the line already."""
    return [
        Line(number, None, _level(line), line, more=True)
        for number, line in enumerate(text.splitlines(), 1)
    ]


def _level(line: str) -> str:
    head = f"{line[:60]} "
    return next((word.lower() for word in _LEVELS if f"{word} " in head), "")
