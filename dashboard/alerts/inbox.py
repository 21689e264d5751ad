"""What needs the person, in order; drawn again every few seconds."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import state
from dashboard.alerts import access, acting, links, looks, picks
from dashboard.alerts.access import Filter
from dashboard.alerts.acting import Reasons
from dashboard.alerts.address import FIND, KIND, QUIET, SEVERITY
from dashboard.alerts.row import Rows
from dashboard.charts.theme import colours
from dashboard.components import located, notices, tables
from dashboard.components.live import live
from dashboard.numbers import counted
from dashboard.overview import access as overview
from dashboard.overview import needs
from dashboard.overview.needs import Need
from dashboard.scope import Scope
from services.alerting import store
from services.alerting.asking import Place
from services.alerting.inbox import NEEDS, urgency
from services.alerting.models import SEVERITIES, Alert

if TYPE_CHECKING:
    from services.errors import MlopsError

LIVE_S = 3.0
PAGE_SIZE = 20


def draw(where: Scope, off: str | None) -> None:
    """Draw the filters and the list."""
    found = access.places(where)
    asked = access.wanted()
    if found or asked.narrow:
        _filters(found, asked)
    live(_draw, LIVE_S)(where, off)


def _filters(found: Sequence[Place], asked: Filter) -> None:
    kinds = sorted({one.kind for one in found} | set(asked.kinds))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        located.text("Find", name=FIND, placeholder="Words, a key, a host", width=200)
        located.several("Severity", list(reversed(SEVERITIES)), name=SEVERITY)
        if len(kinds) > 1:
            located.several("Kind", kinds, name=KIND)
        located.switch("Also what is kept quiet", name=QUIET, default=False)


def _draw(where: Scope, off: str | None) -> None:
    asked, reasons = access.wanted(), Reasons(off)
    found = access.places(where, asked.words)
    kept = matching(found, asked)
    unread: list[MlopsError] = []
    others: tuple[Need, ...] = ()
    if not asked.narrow:
        others = overview.others(where, found, unread)
    for error in unread:
        notices.problem(error)
    _summary(found, others)
    listed = merged(kept, others)
    if not listed:
        _nothing(asked, unread=bool(unread))
        return
    first = min(tables.offset(size=PAGE_SIZE), (len(listed) - 1) // PAGE_SIZE * PAGE_SIZE)
    _page(listed[first : first + PAGE_SIZE], reasons)
    if len(listed) > PAGE_SIZE:
        tables.pager(len(listed), size=PAGE_SIZE, noun="thing")


def matching(found: Sequence[Place], asked: Filter) -> list[Place]:
    """Return the alerts that fit the filters; the words were asked of the journal."""
    return [
        one
        for one in found
        if (one.state in NEEDS or asked.quiet)
        and (not asked.severities or one.severity in asked.severities)
        and (not asked.kinds or one.kind in asked.kinds)
    ]


def merged(kept: Sequence[Place], others: Sequence[Need]) -> list[Place | Need]:
    """Return alerts and what is none in one order; what is kept quiet comes last."""

    def key(one: Place | Need) -> tuple[bool, int, int, float, int]:
        if isinstance(one, Need):
            return (False, *needs.urgency(one))
        return (one.state not in NEEDS, *urgency(one.state, one.severity, one.since, one.id))

    return sorted([*kept, *others], key=key)


def _summary(found: Sequence[Place], others: Sequence[Need]) -> None:
    by = Counter(one.severity for one in found if one.state == "firing")
    states: Counter[str] = Counter(one.state for one in found)
    with st.container(horizontal=True, gap="small"):
        for severity in reversed(SEVERITIES):
            if by[severity]:
                shown = looks.severity(severity)
                _badge(f"{by[severity]:,} {shown.word}", shown)
        for state_, word in (
            ("unknown", "nobody can tell of"), ("acknowledged", "looked after"),
            ("silenced", "silenced"), ("inhibited", "explained by others"),
        ):  # fmt: skip
            if states[state_]:
                _badge(f"{states[state_]:,} {word}", looks.state(state_))
        if others:
            st.badge(counted(len(others), "other thing"), icon=":material/inbox:", color="violet")


def _badge(word: str, shown: looks.Look) -> None:
    st.badge(word, icon=f":material/{shown.icon}:", color=shown.colour)


def _nothing(asked: Filter, *, unread: bool) -> None:
    if asked.narrow:
        st.caption("No alert has what is looked for. Take a word, a severity or a kind away.")
    elif not unread:
        notices.empty(
            "Nothing needs you",
            "Alerts show here while they last: engines that are down, runs that fail, models that "
            "drift or fail. So do decisions that wait for you.",
            icon="task_alt",
            command="mlops alerts list --all",
        )


def _page(listed: Sequence[Place | Need], reasons: Reasons) -> None:
    ids = [one.id for one in listed if isinstance(one, Place)]
    by_id = {one.id: one for one in access.read(ids)}
    open_ids = [one for one in ids if one in by_id and by_id[one].open]
    rows = rows_of(list(by_id.values()))
    if open_ids:
        _bar(open_ids, [by_id[one] for one in picks.chosen(open_ids)], reasons)
    why: dict[tuple[str, str | None], str | None] = {}
    for one in listed:
        if isinstance(one, Need):
            with st.container(border=True):
                st.html(rows.need(one))
        elif one.id in by_id:
            _row(by_id[one.id], rows, reasons, why)


def rows_of(alerts: Sequence[Alert]) -> Rows:
    """Return what draws these alerts."""
    silences = {}
    if any(one.silence is not None for one in alerts):
        silences = {one.id: one for one in store.silences(state.journal())}
    return Rows(
        colours(), datetime.now(UTC), state.zone(), admin=links.admin(),
        explaining=access.explaining(alerts), silences=silences,
    )  # fmt: skip


def _bar(ids: Sequence[int], chosen: Sequence[Alert], reasons: Reasons) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="alerts-bar"):
        every = len(chosen) == len(ids)
        st.button(
            "Choose none" if every else f"Choose all {len(ids)}",
            key="alerts-choose",
            icon=f":material/{'deselect' if every else 'select_all'}:",
            type="tertiary",
            on_click=picks.all_of,
            args=(ids,),
        )
        if not chosen:
            st.caption("Tick alerts to do the same to several.", width="content")
            return
        st.markdown(f"**{counted(len(chosen), 'alert')} chosen**", width="content")
        picked = [one.id for one in chosen]
        offered: list[acting.What] = ["ack", "silence"]
        if all(one.state == "unknown" for one in chosen):
            offered.append("close")
        if all(one.owner is not None for one in chosen):
            offered.append("release")
        for what in offered:
            why = next((no for one in chosen if (no := reasons.against(what, one.project))), None)
            acting.button(what, picked, f"alerts-{what}", why)


def _row(
    alert: Alert, rows: Rows, reasons: Reasons, why: dict[tuple[str, str | None], str | None]
) -> None:
    def against(what: acting.What) -> str | None:
        known = (what, alert.project)
        if known not in why:
            why[known] = reasons.against(what, alert.project)
        return why[known]

    with (
        st.container(border=True, key=f"alert-row-{alert.id}"),
        st.container(horizontal=True, gap="small"),
    ):
        picks.box(alert.id)
        with st.container(width="stretch"):
            st.html(rows.html(alert))
        buttons(alert, against)


def buttons(alert: Alert, against: acting.Against) -> None:
    """Draw what can be done about an alert that has not ended."""
    with st.container(width=130, gap="xsmall"):
        if alert.state == "unknown":
            acting.button("close", [alert.id], f"alert-close-{alert.id}", against("close"))
        elif alert.owner is None:
            acting.button("ack", [alert.id], f"alert-ack-{alert.id}", against("ack"))
        else:
            acting.button("release", [alert.id], f"alert-release-{alert.id}", against("release"))
        if alert.silence is None:
            acting.button("silence", [alert.id], f"alert-silence-{alert.id}", against("silence"))
