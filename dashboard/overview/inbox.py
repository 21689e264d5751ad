"""What needs the person, what changed, and how the engines are, as lists."""

from collections.abc import Sequence

import streamlit as st

from dashboard import navigation
from dashboard.components import ages, notices, status
from dashboard.numbers import age, counted
from dashboard.overview.needs import Need, foremost
from dashboard.text import plain
from services.mirror.models import Change, Freshness

_FIRST = 6
_ICONS = {
    "run.started": ("play_circle", "blue"),
    "run.finished": ("check_circle", "green"),
    "run.failed": ("cancel", "red"),
    "run.lost": ("help", "orange"),
    "run.archived": ("inventory_2", "gray"),
    "run.restored": ("unarchive", "gray"),
    "model.registered": ("deployed_code", "violet"),
    "alias.set": ("trophy", "green"),
    "alias.removed": ("label_off", "orange"),
    "project.connected": ("folder_open", "green"),
    "project.broken": ("error", "red"),
    "project.missing": ("folder_off", "orange"),
    "engine.live": ("check_circle", "green"),
    "engine.down": ("cloud_off", "red"),
}


def needs(found: Sequence[Need]) -> None:
    """Draw what needs the person; what does not fit is folded away."""
    if not found:
        st.success("Nothing needs you.", icon=":material/task_alt:")
        return
    first, rest = foremost(found, _FIRST)
    _grid(first)
    if rest:
        with st.expander(f"{len(rest)} more", icon=":material/expand_more:"):
            _grid(rest)


def _grid(found: Sequence[Need]) -> None:
    with st.grid(2, min_column_width=420, border=True, gap="xsmall"):
        for need in found:
            _need(need)


def _need(need: Need) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        look = status.look(need.state)
        with st.container(gap=None):
            st.markdown(
                f":{look.colour}-badge[:material/{look.icon}: {look.word}] "
                f"**{plain(need.subject, 60)}** {notices.advice(need.sentence)}"
            )
            if need.at is not None:
                st.caption(age(need.at))
        if navigation.has(need.page):
            navigation.link(need.page, f"**{need.label}**", icon="arrow_forward", **need.params)


def changes(found: Sequence[Change]) -> None:
    """Draw the change feed, newest first."""
    if not found:
        st.caption("Nothing changed in this time.")
        return
    for change in found:
        icon, colour = _ICONS.get(change.kind, ("circle", "gray"))
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
        ):
            named = change.project is None or change.project in change.title
            project = "" if named else f" :gray[{plain(change.project, 40)}]"
            st.markdown(
                f":{colour}[:material/{icon}:] {plain(change.title, 160)}{project}",
                width="stretch",
            )
            st.caption(age(change.at), width="content")


def engines(found: Sequence[Freshness]) -> None:
    """Draw the state of each engine, since when, and how fresh its picture is."""
    for engine in found:
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
        ):
            st.markdown(status.inline(engine.state, engine.title), width="stretch")
            since = f"for {age(engine.since).removesuffix(' ago')}" if engine.since else ""
            heard = f"heard {age(engine.last_sync)}" if engine.last_sync else "never heard of"
            st.caption(
                " · ".join(part for part in (since, heard) if part),
                help=ages.exact(engine.last_sync),
                width="content",
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
