"""What is kept quiet: by whom, why, until when, and what it covers now."""

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from dashboard.alerts import access, acting, drawing
from dashboard.charts.theme import colours
from dashboard.components import ages, notices, tables
from dashboard.numbers import age, counted
from dashboard.scope import Scope
from dashboard.text import plain
from services.alerting.asking import Place
from services.alerting.models import Silence

_ENDED = 50
_FEW = 3


def draw(where: Scope, off: str | None) -> None:
    """Draw the silences that count, and those that did."""
    acting.new_silence(where.project, off)
    found, now = access.silences(where), access.now()
    active = [one for one in found if one.lasts(now)]
    ended = [one for one in found if not one.lasts(now)]
    if not found:
        notices.empty(
            "Nothing is kept quiet",
            "A silence has an owner, a reason and an end. What it covers stays in the lists, and "
            "what still lasts afterwards is told then.",
            icon="notifications_off",
            command="mlops alerts silence 'run/PROJECT/*' --for 2h --reason TEXT",
        )
        return
    open_ = access.places_of(access.seen(where))
    if not active:
        st.caption("No silence counts now.")
    for one in active:
        _active(one, open_, off)
    if ended:
        st.subheader("Over")
        _over(ended[:_ENDED])


def _active(one: Silence, found: Sequence[Place], off: str | None) -> None:
    until = datetime.fromtimestamp(one.expires_at, UTC)
    with (
        st.container(border=True),
        st.container(horizontal=True, vertical_alignment="center"),
    ):
        with st.container(width="stretch", gap="xsmall"):
            of = f" of {plain(one.project)}" if one.project else ""
            st.markdown(
                f":material/notifications_off: **{plain(one.pattern, 300)}**{of}  \n"
                f"{plain(one.reason, 600)}"
            )
            began = age(datetime.fromtimestamp(one.created_at, UTC))
            st.caption(
                f"By {plain(one.owner)}, {began}. It ends {age(until)}.", help=ages.exact(until)
            )
            _covers(access.covered(one, found))
        acting.end_silence(one, off)


def _covers(places: Sequence[Place]) -> None:
    if not places:
        st.caption("It covers no alert that is open now.")
        return
    hues = colours()
    few = "".join(
        f"<li>{drawing.linked(one, hues)}</li>"
        for one in access.read([place.id for place in places[:_FEW]])
    )
    more = f"<li>and {len(places) - _FEW:,} more</li>" if len(places) > _FEW else ""
    st.html(
        f'<div style="font-size:13px;line-height:19px;color:{hues.muted}">It covers '
        f"{counted(len(places), 'open alert')}:"
        f'<ul style="margin:2px 0 0;padding-left:20px">{few}{more}</ul></div>'
    )


def _over(found: Sequence[Silence]) -> None:
    columns = {
        "pattern": st.column_config.TextColumn("What", width="medium"),
        "project": st.column_config.TextColumn("Project", width=150),
        "owner": st.column_config.TextColumn("Who", width="small"),
        "began": st.column_config.TextColumn("Began", width="small"),
        "ended": st.column_config.TextColumn("Ended", width="medium"),
        "reason": st.column_config.TextColumn("Why", width="large"),
    }
    rows = [
        {
            "pattern": one.pattern,
            "project": one.project or "all",
            "owner": one.owner,
            "began": _ago(one.created_at),
            "ended": f"{_ago(one.ended_at)}, before its time" if one.ended_at
            else _ago(one.expires_at),
            "reason": one.reason,
        }
        for one in found
    ]  # fmt: skip
    tables.table(rows, columns, key="silences-over")


def _ago(at: float) -> str:
    return age(datetime.fromtimestamp(at, UTC))
