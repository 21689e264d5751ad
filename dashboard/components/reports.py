"""Reports from a page: made now and downloaded, made by the calendar, and those that are kept."""

import shlex
import time
from datetime import UTC, datetime, timedelta
from functools import partial

import streamlit as st

from dashboard import state
from dashboard.components import actions, notices
from dashboard.components.actions import Proposal
from dashboard.documents import DOWNLOAD
from dashboard.numbers import age, counted
from dashboard.text import plain
from services.actions.report_make import MakeReport
from services.actions.report_schedule import RemoveReportSchedule, SetReportSchedule
from services.alerting import channels
from services.errors import MlopsError, NotFoundError
from services.home import Home
from services.reports import kept, schedules
from services.reports.kept import Kept
from services.reports.period import days
from services.reports.schedules import EVERY, Every, Schedule

PERIODS = {"24h": "The last day", "7d": "The last week", "4w": "The last 4 weeks",
           "13w": "The last quarter", "52w": "The last year"}  # fmt: skip
CHOSEN = "Days of your choice"
_EVERY: dict[Every, str] = {
    "day": "Every day", "week": "Every Monday", "month": "On the first of a month",
}  # fmt: skip
_SHOWN = 6


def menu(project: str | None, off: str | None) -> None:
    """Draw what opens reports of a project, or of the whole toolkit."""
    with st.popover("Report", icon=":material/description:", key="reports"):
        _buttons(project, off)
        _by_calendar(project, off)
        _kept(project)


def _buttons(project: str | None, off: str | None) -> None:
    of = _of(project)
    actions.button(
        "Make one now",
        Proposal(
            "Make a report",
            partial(_asked, project),
            "Make it",
            f"mlops report{of} --period 7d --out report.html",
            after=partial(_download, project),
        ),
        key="report-make",
        icon="description",
        off=actions.why_not(MakeReport, project=project, off=off),
        kind="primary",
        stretch=True,
    )
    actions.button(
        "Make one by the calendar",
        Proposal(
            "Make a report by the calendar",
            partial(_wished, project),
            "Set it",
            f"mlops report schedule{of} --every week",
        ),
        key="report-schedule",
        icon="calendar_month",
        off=actions.why_not(SetReportSchedule, project=project, off=off),
        stretch=True,
    )


def _of(project: str | None) -> str:
    return "" if project is None else f" --project {shlex.quote(project)}"


def _asked(project: str | None) -> MakeReport:
    period = st.selectbox(
        "Period", [*PERIODS, CHOSEN], 1, lambda one: PERIODS.get(one, one), key="report-period"
    )
    return MakeReport(project, period) if period != CHOSEN else _of_days(project)


def _of_days(project: str | None) -> MakeReport:
    """Draw the choice of a first and a last day, by the clock of the person."""
    zone = st.context.timezone or "UTC"
    today = datetime.now(state.zone()).date()
    chosen = st.date_input(
        "First and last day", (today - timedelta(days=30), today - timedelta(days=1)),
        max_value=today, key="report-days", format="YYYY-MM-DD",
        help=f"Whole days by the clock of {plain(zone, 60)}; 366 at most.",
    )  # fmt: skip
    picked = [one for one in (chosen if isinstance(chosen, tuple) else (chosen,)) if one]
    first, last = (picked[0], picked[-1]) if picked else (today, today)
    return MakeReport(project, "7d", *days(first, last), zone)


def _wished(project: str | None) -> SetReportSchedule:
    left, right = st.columns(2)
    every = left.selectbox("How often", EVERY, 1, _EVERY.__getitem__, key="report-every")
    hour = right.selectbox("At", range(24), 7, lambda hour: f"{hour:02}:00", key="report-hour")
    named = st.multiselect(
        "Tell", _channels(project), key="report-channels", placeholder="Nobody",
        help="Channels of alerts, which get a message with a link.",
    )  # fmt: skip
    zone = st.context.timezone or "UTC"
    st.caption(f"By the clock of {plain(zone, 60)}.")
    return SetReportSchedule(project, every, hour, zone, tuple(named))


def _channels(project: str | None) -> list[str]:
    """Return the channels that may be told of what a report is of."""
    return [
        one.name
        for one in channels.channels(state.journal())
        if one.projects is None or project in one.projects
    ]


def _download(project: str | None) -> None:
    """Draw the way to the report that the person has just had made."""
    mine = (one for one in _found(project) if one.by == state.actor().name and not one.schedule)
    newest = max(mine, key=lambda one: one.made_at, default=None)
    if newest is None:
        st.caption("It is not kept any more.")
        return
    try:
        found, content = kept.content(Home.locate(), newest.name, state.visible_projects())
    except NotFoundError as error:
        notices.problem(error)
        return
    with st.container(horizontal=True):
        st.download_button(
            "Download", content, found.file_name, "text/html", key="report-download",
            icon=":material/download:", on_click="ignore", type="primary",
        )  # fmt: skip
        st.link_button("Open", found.link, icon=":material/open_in_new:")


# What there is


def _found(project: str | None) -> list[Kept]:
    return [
        one for one in kept.kept(Home.locate(), state.visible_projects()) if one.project == project
    ]


def _kept(project: str | None) -> None:
    found = _found(project)
    st.markdown(f"**Kept** :gray[{len(found):,}]")
    if not found:
        st.caption("None yet. One that is made now is kept for a week.")
    for one in found[:_SHOWN]:
        begin, end = (datetime.fromtimestamp(at, UTC) for at in (one.since, one.until))
        by = "by the calendar" if one.schedule else f"by {plain(one.by, 40)}"
        made = age(datetime.fromtimestamp(one.made_at, UTC))
        lost = f" :orange[:material/warning: {counted(len(one.missing), 'part')} missing]"
        st.markdown(
            f"[{begin:%Y-%m-%d} to {end:%Y-%m-%d}]({one.link}) · "
            f"[Download]({one.link}?{DOWNLOAD}=1) "
            f":gray[{by}, {made}]{lost if one.missing else ''}"
        )
    if len(found) > _SHOWN:
        st.caption(f"and {len(found) - _SHOWN:,} more: `mlops report list` lists all.")


def _by_calendar(project: str | None, off: str | None) -> None:
    try:
        found = schedules.schedules(state.journal(), state.visible_projects())
    except MlopsError as error:
        notices.problem(error)
        return
    for one in found:
        if one.project == project:
            _schedule(one, off)


def _schedule(one: Schedule, off: str | None) -> None:
    following = datetime.fromtimestamp(one.next(time.time()), UTC).astimezone(state.zone())
    told = ", ".join(plain(name, 40) for name in one.channels)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f":material/calendar_month: {_EVERY[one.every]} :gray[next {following:%a %d %b %H:%M}"
            f"{f', tells {told}' if told else ''}]",
            width="stretch",
        )
        actions.button(
            "Remove",
            Proposal(
                "Make no more reports by the calendar",
                lambda: RemoveReportSchedule(one.project, one.every),
                "Remove it",
                f"mlops report unschedule{_of(one.project)} --every {one.every}",
            ),
            key=f"report-unschedule-{one.every}",
            icon="event_busy",
            off=actions.why_not(RemoveReportSchedule, project=one.project, off=off),
            kind="tertiary",
        )
    if one.trouble:
        st.caption(f":red[:material/error: The last try failed:] {plain(one.trouble, 300)}")
