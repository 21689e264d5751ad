"""The log of a task: chosen by task and try, searched, followed while it runs.

The one thing on the page that asks Airflow itself; the mirror holds no logs. What was read is kept
for the person who looks at it, so that an Airflow that went away takes nothing from the screen.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import streamlit as st

from dashboard import state
from dashboard.charts.theme import colours
from dashboard.components import located, notices
from dashboard.components.notices import advice
from dashboard.numbers import age, counted
from dashboard.text import plain
from dashboard.workflows import access, address, logbook, loghtml, states
from dashboard.workflows.address import FOLLOW, LINES, MATCH, ONLY, TASK, TRY, WORDS
from dashboard.workflows.logbook import LogBook, Match
from services.errors import EngineError, EngineRefusedError, MlopsError, PlatformError
from services.mirror.workflow_models import TaskRun, WorkflowRun

LIVE_S = 2.0
LIVE_LINES, ENDED_LINES = 400, 2_000
"""Lines that are shown: fewer while they come, for all of them are drawn again each time."""
_AGAIN_S = 10.0
"""So long an Airflow that did not answer is left alone."""
_GONE = 404
_HELD = "workflow-log"
_RUNNING = frozenset({"running", "restarting", "deferred"})


@dataclass(slots=True)
class Held:
    """The log that is looked at, as far as it was read."""

    of: tuple[str, str, str, int]
    """Workflow, run, task, try."""
    book: LogBook = field(default_factory=LogBook)
    trouble: EngineError | PlatformError | None = None
    tried_at: float = float("-inf")
    read_at: datetime | None = None


def draw(run: WorkflowRun, tasks: Sequence[TaskRun]) -> None:
    """Draw the choice of a task and a try, and their log."""
    st.subheader("Log", anchor=False)
    begun = [one for one in tasks if one.tries > 0]
    if not begun:
        st.caption("No task of this run has begun, so there is no log yet.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        task = _task(begun)
        attempt = _attempt(task)
        words = located.text("Search", name=WORDS, placeholder="Text in the log", width=240)
        only = located.switch("Only lines that match", name=ONLY, default=False) if words else False
        live = task.state in _RUNNING and attempt == task.tries
        follow = located.switch("Follow", name=FOLLOW, default=True) if live else False
        st.link_button(
            "In Airflow",
            address.in_airflow(run.dag_id, run.run_id, task.label),
            icon=":material/open_in_new:",
            type="tertiary",
        )
    look = _Look(task, attempt, words, only=only, live=live)
    st.fragment(_live, run_every=LIVE_S if follow else None)(look)


@dataclass(frozen=True, slots=True)
class _Look:
    task: TaskRun
    attempt: int
    words: str
    only: bool
    live: bool


def chosen(tasks: Sequence[TaskRun], named: str) -> TaskRun:
    """Return the task whose log is shown: the one the address names, else what matters most."""
    found = next((one for one in tasks if one.label == named), None)
    if found is not None:
        return found
    order = ("failed", "running", "restarting", "up_for_retry", "deferred")
    for word in order:
        found = next((one for one in tasks if one.state == word), None)
        if found is not None:
            return found
    return max(tasks, key=lambda one: one.started_at or datetime.min.replace(tzinfo=UTC))


def _task(begun: Sequence[TaskRun]) -> TaskRun:
    known = {one.label: one for one in begun}
    found = chosen(begun, st.query_params.get(TASK, ""))
    st.session_state[TASK] = found.label
    st.selectbox(
        "Task",
        list(known),
        key=TASK,
        width=240,
        format_func=lambda label: f"{states.shape(known[label].state)} {label}",
        on_change=_task_changed,
    )
    return found


def _task_changed() -> None:
    gone: dict[str, str | list[str]] = {name: [] for name in (TRY, MATCH, LINES)}
    st.query_params.update(gone | {TASK: st.session_state[TASK]})


def _attempt(task: TaskRun) -> int:
    tries = [str(one) for one in range(1, task.tries + 1)]
    if len(tries) == 1:
        return 1
    return int(located.choice("Try", tries[-8:], name=TRY, default=tries[-1]))


# What is read


def _live(look: _Look) -> None:
    try:
        held = _held(look)
        _read(held, look)
        _draw(held, look)
    except MlopsError as error:  # out of a fragment no error reaches the frame that tells them
        notices.problem(error)


def _held(look: _Look) -> Held:
    of = (look.task.dag_id, look.task.run_id, look.task.label, look.attempt)
    held = st.session_state.get(_HELD)
    if not isinstance(held, Held) or held.of != of:
        held = st.session_state[_HELD] = Held(of)
    return held


def _read(held: Held, look: _Look) -> None:
    now = time.monotonic()
    if held.book.ended or (held.trouble is not None and now - held.tried_at < _AGAIN_S):
        return
    known = access.airflow()
    if known is not None and known.state == "down":
        held.trouble = PlatformError(f"{known.title} is away. {known.reason}".strip(), known.hint)
        return
    task = look.task
    held.tried_at = now
    try:
        page = state.context().airflow.log(
            task.dag_id, task.run_id, task.task_id, look.attempt,
            map_index=task.map_index, page=held.book.next_page,
        )  # fmt: skip
    except (EngineError, PlatformError) as error:
        gone = isinstance(error, EngineRefusedError) and error.status == _GONE
        held.book.ended = gone and not look.live  # it has no log of this try, or none yet
        held.trouble = None if gone else error
        held.tried_at = time.monotonic()
        return
    held.trouble, held.read_at = None, datetime.now(UTC)
    held.book.add(page)
    if not look.live:
        held.book.ended = (
            True  # a log of a task that ended has no more, whatever its last page says
        )


# What is drawn


def _draw(held: Held, look: _Look) -> None:
    if held.trouble is not None:
        _away(held)
    lines = list(held.book.lines)
    if not lines:
        if held.trouble is None:
            st.caption("It has said nothing yet." if look.live else "Airflow has no log of it.")
        return
    found = logbook.find(lines, look.words)
    here = _matches(found, look, len(lines)) if look.words else None
    most = _most(look)
    if look.only:
        kept = logbook.matching(lines, found, most)
        begin, end = 0, len(lines)
    else:
        begin, end = logbook.shown(len(lines), most, here.place if here else None)
        kept = list(enumerate(lines[begin:end], begin))
    if kept:
        st.html(loghtml.html(kept, found, here, colours(), state.zone()))
    if here is not None:
        turn = found.index(here)
        st.html(loghtml.scroll_to_match(turn), unsafe_allow_javascript=True)
    _foot(held, look, begin, end)


def _most(look: _Look) -> int:
    least = LIVE_LINES if look.live else ENDED_LINES
    named = st.query_params.get(LINES, "")
    return (
        max(least, min(logbook.HELD, int(named))) if named.isdecimal() and len(named) < 6 else least
    )


def _away(held: Held) -> None:
    trouble = held.trouble
    if trouble is None:
        return
    read = f" Below is what it told until {age(held.read_at)}." if held.read_at else ""
    st.warning(
        f"**The log is with Airflow, which cannot be asked now.** {plain(trouble.message, 400)} "
        f"{advice(trouble.hint)}{read} It is asked again by itself.",
        icon=":material/cloud_off:",
    )


def _matches(found: Sequence[Match], look: _Look, total: int) -> Match | None:
    """Draw how often the text is there and the way from match to match; return the one shown."""
    if not found:
        st.caption(f"“{plain(look.words, 80)}” is in none of the {total:,} lines.")
        return None
    named = st.query_params.get(MATCH, "")
    at = int(named) - 1 if named.isdecimal() and 0 < int(named) <= len(found) else len(found) - 1
    in_lines = len({match.place for match in found})
    more = "the newest " if len(found) == logbook.MATCHES else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(
            f"Match {at + 1:,} of {more}{len(found):,}, in {counted(in_lines, 'line')}",
            width="content",
        )
        _step("Previous", "keyboard_arrow_up", at - 1, len(found))
        _step("Next", "keyboard_arrow_down", at + 1, len(found))
    return found[at]


def _step(label: str, icon: str, to: int, total: int) -> None:
    st.button(
        label,
        key=f"log-{label}",
        icon=f":material/{icon}:",
        type="tertiary",
        on_click=_go_to,
        args=(to % total,),
    )


def _go_to(match: int) -> None:
    st.query_params.update({MATCH: str(match + 1)})


def _foot(held: Held, look: _Look, begin: int, end: int) -> None:
    book = held.book
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(_said(held, look, begin, end), width="stretch")
        if begin > 0 and not look.only:
            st.button(
                "Older lines",
                key="log-older",
                icon=":material/expand_less:",
                type="tertiary",
                on_click=_older,
                args=(_most(look) + ENDED_LINES,),
            )
        st.download_button(
            "Download",
            data=book.text,
            file_name=f"{look.task.dag_id}-{look.task.label}-try-{look.attempt}.log",
            mime="text/plain",
            key="log-download",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
        )


def _older(most: int) -> None:
    st.query_params.update({LINES: str(most)})


def _said(held: Held, look: _Look, begin: int, end: int) -> str:
    book = held.book
    shown = f"Lines {book.dropped + begin + 1:,}–{book.dropped + end:,} of {book.count:,}"
    dropped = f"; the first {book.dropped:,} are in Airflow alone" if book.dropped else ""
    grows = ", followed as it grows" if look.live and held.trouble is None else ""
    return f"{shown}{dropped}{grows}."
