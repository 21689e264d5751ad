"""What needs the person, what changed, and how the engines are, as lists."""

from collections.abc import Sequence

import streamlit as st

from dashboard import navigation
from dashboard.charts.theme import colours
from dashboard.components import ages, notices, status
from dashboard.numbers import age, counted
from dashboard.overview import feed
from dashboard.overview.access import Needed
from dashboard.overview.needs import Need, foremost
from dashboard.text import plain
from services.mirror.models import Change, Freshness

_FIRST = 6


def needs(needed: Needed) -> None:
    """Draw what needs the person; what does not fit is folded away."""
    for error in needed.unread:
        notices.problem(error)
    if not needed.first:
        if not needed.unread:
            st.success("Nothing needs you.", icon=":material/task_alt:")
        return
    first, rest = foremost(needed.first, _FIRST)
    _grid(first)
    if rest:
        more = st.expander(
            f"{len(rest)} more", key="more-needs", icon=":material/expand_more:", on_change="rerun"
        )
        if more.open:
            with more:
                _grid(rest)
    if navigation.has("alerts") and (more_of := needed.total - len(needed.first)) > 0:
        navigation.link(
            "alerts", f"{counted(more_of, 'more thing')}: to the inbox", icon="inbox", hover=""
        )


def _grid(found: Sequence[Need]) -> None:
    with st.grid(2, min_column_width=420, border=True, gap="xsmall"):
        for need in found:
            _need(need)


def _need(need: Need) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        look = status.look(need.state)
        since = f"  \n:small[:gray[{age(need.at)}]]" if need.at is not None else ""
        with st.container():  # shares the line; a text alone takes all of it
            st.markdown(
                f":{look.colour}-badge[:material/{look.icon}: {look.word}] "
                f"**{plain(need.subject, 60)}** {notices.advice(need.sentence)}{since}"
            )
        if navigation.has(need.page):
            navigation.link(
                need.page, f"**{need.label}**", icon="arrow_forward", hover="", **need.params
            )


def changes(found: Sequence[Change]) -> None:
    """Draw the change feed, newest first."""
    if found:
        st.html(feed.html(found, colours()))
    else:
        st.caption("Nothing changed in this time.")


def engines(found: Sequence[Freshness]) -> None:
    """Draw the state of each engine, since when, and how fresh its picture is."""
    for engine in found:
        since = f"for {age(engine.since).removesuffix(' ago')}" if engine.since else ""
        heard = f"heard {age(engine.last_sync)}" if engine.last_sync else "never heard of"
        told = " · ".join(part for part in (since, heard) if part)
        st.markdown(
            f"{status.inline(engine.state, engine.title)} :small[:gray[{told}]]",
            help=ages.exact(engine.last_sync),
        )


def headline(states: dict[str, int], running: int, needed: int) -> None:
    """Draw how the projects are and how much waits, in one line."""
    parts = [status.inline(state, f"{number}") for state, number in states.items()]
    if running:
        parts.append(status.inline("running", counted(running, "run")))
    if needed:
        word = "needs" if needed == 1 else "need"
        parts.append(
            f":orange-badge[:material/notifications: {counted(needed, 'thing')} {word} you]"
        )
    st.markdown(" ".join(parts))
