"""Why jobs waited: a timeline of reasons, what the thermal policy decided, the hours it took."""

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from dashboard import scope, state
from dashboard.charts.theme import colours
from dashboard.components import notices, tables
from dashboard.components.live import live
from dashboard.numbers import counted, duration, moment
from dashboard.queue import access, looks, stretches, why_chart
from dashboard.queue.access import Queue
from dashboard.queue.address import LONGEST
from dashboard.queue.stretches import Lane, Window
from dashboard.scope import Scope
from dashboard.text import plain
from services.mirror.workflow_models import PolicyDecision

LANES = 25
_LEAST_S, _MOST_S, _STEPS = 5.0, 60.0, 240
_LISTED = 200


def draw(where: Scope, queue: Queue) -> None:
    """Draw it, again as time goes on."""
    shown = stretches.window(where, datetime.now(UTC))
    every = min(_MOST_S, max(_LEAST_S, shown.length_s / _STEPS))
    names = {row.id: row.what for row in queue.decided.rows if row.id}
    live(_draw, every)(where, names, queue.titles)


def _draw(where: Scope, names: dict[str, str], titles: dict[str, str]) -> None:
    shown = stretches.window(where, datetime.now(UTC))
    asked = (where.project,) if where.project else state.visible_projects()
    waits = access.workflows().waits(shown.start, asked)
    if where.project:
        waits = tuple(one for one in waits if one.project == where.project)
    decisions = access.workflows().decisions(shown.start, _LISTED)
    made = stretches.lanes(waits, shown)
    if not made:
        _nothing(shown, where)
    else:
        _lanes(made, shown, decisions, names, titles)
        _totals(stretches.hours(waits, shown), shown, titles)
    _decided(decisions, shown)


def _nothing(shown: Window, where: Scope) -> None:
    whose = " of this project" if where.project else ""
    notices.empty(
        "No job waited or ran",
        f"Nothing{whose} was in the queue {shown.sentence}. A wider time range may show more.",
        icon="timeline",
    )


def _lanes(
    made: Sequence[Lane],
    shown: Window,
    decisions: Sequence[PolicyDecision],
    names: dict[str, str],
    titles: dict[str, str],
) -> None:
    first = min(tables.offset(LONGEST, LANES), (len(made) - 1) // LANES * LANES)
    drawn = stretches.page(made, first, LANES)
    labels = [name(lane, names, titles) for lane in drawn]
    hues = colours()
    longest = duration(made[0].waited_s)
    st.markdown(f"**Why jobs waited {shown.sentence}**")
    st.echarts_chart(
        why_chart.lanes_spec(drawn, labels, shown, decisions, hues),
        height=why_chart.height_px(len(drawn)),
        key=f"queue-lanes-{scope.current().span}-{first}",
        alt=f"What {counted(len(drawn), 'job')} waited for; the longest wait is {longest}",
    )
    tables.pager(len(made), key=LONGEST, size=LANES, noun="job")
    marks = " Triangles are decisions of the thermal policy." if decisions else ""
    st.caption(
        "The jobs that waited longest come on the first page. Thin stretches ran; thick ones "
        f"waited for what their colour says: point at one for the sentence.{marks}"
    )


def name(lane: Lane, names: dict[str, str], titles: dict[str, str]) -> str:
    """Return a job's name at its lane: what it is, and when it came."""
    known = names.get(lane.job)
    parts = access.parts(lane.job)
    if known is None and parts is not None:
        kind = parts[0].partition(".")[2] or parts[0]
        known = f"{titles.get(lane.project, lane.project)}: {kind}"
        known += "" if parts[2] == "train" else f", {parts[2]}"
    return f"{access.clock(lane.begin, state.zone())}  {known or lane.job}"


def _totals(found: dict[str, dict[str, float]], shown: Window, titles: dict[str, str]) -> None:
    if not found:
        st.caption(f"Nobody waited {shown.sentence}: every job ran at once.")
        return
    whole = sum(sum(row.values()) for row in found.values())
    by_kind: dict[str, float] = {}
    for row in found.values():
        for kind, hours in row.items():
            by_kind[kind] = by_kind.get(kind, 0.0) + hours
    most = max(by_kind, key=lambda kind: by_kind[kind])
    told = (
        f"**{duration(whole * 3600)} waited {shown.sentence}**, {by_kind[most] / whole:.0%} of it "
        f"for: {looks.word(most)}"
    )
    st.markdown(told.replace("%", " %"))
    st.echarts_chart(
        why_chart.totals_spec(found, titles, colours()),
        height=why_chart.totals_px(len(found)),
        key="queue-hours",
        alt=f"Hours waited by reason, of {counted(len(found), 'project')}",
    )


def _decided(decisions: Sequence[PolicyDecision], shown: Window) -> None:
    if not decisions:
        st.caption(f"The thermal policy decided nothing {shown.sentence}: no machine changed.")
        return
    zone = state.zone()
    title = f"{counted(len(decisions), 'decision')} of the thermal policy, with readings"
    opened = st.expander(
        title, icon=":material/device_thermostat:", key="queue-decided", on_change="rerun"
    )
    if not opened.open:
        return  # a table nobody looks at is not made with every drawing
    with opened:
        rows = [
            {
                "at": moment(one.at, zone),
                "host": one.host,
                "change": f"{stance(one.before)} → {stance(one.stance)}",
                "said": one.said,
                "figures": stretches.readings(one),
            }
            for one in decisions
        ]
        text = st.column_config.TextColumn
        columns = {
            "at": text("When", width=175),
            "host": text("Machine", width=140),
            "change": text("Change", width=230),
            "said": text("Why", width=330),
            "figures": text("Readings", width=420),
        }
        tables.table(rows, columns, key="queue-decisions", max_rows_shown=12)
        if len(decisions) == _LISTED:
            st.caption(f"The newest {_LISTED} are listed: a narrower time range shows older ones.")


def stance(word: str) -> str:
    """Return a stance of the policy in words."""
    known = looks.STANCES.get(word)
    return known[1] if known else plain(word, 40)
