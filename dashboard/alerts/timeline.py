"""Alerts over time, a lane a project and kind; what explains what. Pure but for ``draw``."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

import streamlit as st

from dashboard import state
from dashboard.alerts import access, address, drawing, looks
from dashboard.charts.theme import Colours, colours
from dashboard.components import notices
from dashboard.components.live import live
from dashboard.numbers import counted, duration
from dashboard.scope import Scope
from dashboard.text import markup
from services.alerting.models import Alert, rank

LIVE_S = 3.0
MOST = 300
_LANES, _TRACKS = 40, 5
_TRACK_PX, _NAME_PX = 16, 210
_STEPS_S = (
    60, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
    2_592_000,
)  # fmt: skip
_TICKS = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """One alert; its begin and end as shares of the time, 0–1."""

    alert: Alert
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Lane:
    """The alerts of a project and kind, side by side where they lasted at the same time."""

    project: str
    kind: str
    tracks: tuple[tuple[Bar, ...], ...]
    left_out: int
    """Bars for which there is no room."""
    total: int


def lanes(found: Sequence[Alert], begin: float, end: float) -> tuple[Lane, ...]:
    """Return the lanes, the one with the worst first, then the one with most.

    Args:
        found: Alerts that lasted within the time, in any order.
        begin: Seconds since 1970.
        end: The same; what lasts still lasts until then.
    """
    groups: dict[tuple[str, str], list[Alert]] = defaultdict(list)
    for one in found:
        groups[one.project or "platform", one.kind].append(one)
    ordered = sorted(
        groups.items(),
        key=lambda item: (-max(rank(one.severity) for one in item[1]), -len(item[1]), item[0]),
    )
    return tuple(_lane(*name, members, begin, end) for name, members in ordered)


def _lane(project: str, kind: str, members: Sequence[Alert], begin: float, end: float) -> Lane:
    tracks: list[list[Bar]] = []
    left_out = 0
    length = max(1.0, end - begin)
    for alert in sorted(members, key=lambda one: (one.since, one.id)):
        until = end if alert.resolved_at is None else alert.resolved_at
        left = min(1.0, max(0.0, (alert.since - begin) / length))
        right = min(1.0, max(left, (until - begin) / length))
        free = next((track for track in tracks if track[-1].right + 0.004 <= left), None)
        if free is None and len(tracks) < _TRACKS:
            tracks.append(free := [])
        if free is None:
            left_out += 1
        else:
            free.append(Bar(alert, left, right))
    return Lane(project, kind, tuple(map(tuple, tracks)), left_out, len(members))


def ticks(begin: float, end: float, zone: tzinfo) -> tuple[tuple[float, str], ...]:
    """Return where the axis is marked, 0–1, with the moment: round ones of the zone."""
    length = max(1.0, end - begin)
    step = next((one for one in _STEPS_S if length / one <= _TICKS), _STEPS_S[-1])
    local = datetime.fromtimestamp(begin, UTC).astimezone(zone)
    shift = (local.utcoffset() or timedelta()).total_seconds()
    first = (begin + shift) // step * step + step - shift
    form = "%H:%M" if step < 86_400 else "%b %d"
    found: list[tuple[float, str]] = []
    at = first
    while at < end and len(found) < 2 * _TICKS:
        told = datetime.fromtimestamp(at, UTC).astimezone(zone).strftime(form)
        found.append(((at - begin) / length, told))
        at += step
    return tuple(found)


def html(found: Sequence[Lane], begin: float, end: float, hues: Colours, zone: tzinfo) -> str:
    """Return the drawing; a click on a bar opens its alert."""
    marks = ticks(begin, end, zone)
    rows = "".join(_row(one, marks, hues) for one in found[:_LANES])
    return (
        '<div role="list" aria-label="Alerts over time" style="font-variant-numeric:tabular-nums">'
        f"{_axis(marks, hues)}{rows}</div>"
    )


def _frame(name: str, middle: str, style: str = "") -> str:
    return (
        f'<div style="display:grid;grid-template-columns:minmax(110px,{_NAME_PX}px) minmax(0,1fr);'
        f'gap:0 12px;align-items:center;{style}">{name}{middle}</div>'
    )


def _axis(marks: Sequence[tuple[float, str]], hues: Colours) -> str:
    told = "".join(
        f'<span style="position:absolute;left:{100 * at:.2f}%;transform:translateX(-50%);'
        f'white-space:nowrap">{label}</span>'
        for at, label in marks
        if 0.02 < at < 0.98
    )
    style = f"position:relative;height:18px;font-size:11px;line-height:16px;color:{hues.muted}"
    return _frame("<span></span>", f'<div style="{style}">{told}</div>')


def _row(lane: Lane, marks: Sequence[tuple[float, str]], hues: Colours) -> str:
    height = max(1, len(lane.tracks)) * _TRACK_PX + 6
    lines = "".join(
        f'<i style="position:absolute;left:{100 * at:.2f}%;top:0;bottom:0;'
        f'border-left:1px solid {hues.line}"></i>'
        for at, _ in marks
    )
    bars = "".join(
        _bar(bar, place, hues) for place, track in enumerate(lane.tracks) for bar in track
    )
    more = f", {lane.left_out:,} more at the same time" if lane.left_out else ""
    name = (
        f'<div style="font-size:13px;line-height:17px;overflow-wrap:anywhere">'
        f"{markup(lane.project, 60)} "
        f'<span style="color:{hues.muted};font-size:12px">{markup(lane.kind, 30)} · '
        f"{counted(lane.total, 'alert')}{more}</span></div>"
    )
    middle = f'<div style="position:relative;height:{height}px">{lines}{bars}</div>'
    edge = f"border-bottom:1px solid {hues.line};padding:3px 0"
    return f'<div role="listitem">{_frame(name, middle, edge)}</div>'


def _bar(bar: Bar, place: int, hues: Colours) -> str:
    alert = bar.alert
    shown = looks.severity(alert.severity)
    tone = looks.hue(shown, hues)
    fill = f"background:{tone}"
    if alert.state in {"inhibited", "silenced"}:
        fill = f"background:repeating-linear-gradient(135deg,{tone} 0 2px,transparent 2px 6px)"
    elif alert.state == "unknown":
        fill = f"background:transparent;box-shadow:inset 0 0 0 1.5px {tone}"
    elif not alert.open:
        fill += ";opacity:.5"
    told = markup(said(alert), 300)
    return (
        f'<a href="{markup(address.to(alert.id))}" aria-label="{told}" title="{told}" '
        f'style="position:absolute;left:{100 * bar.left:.2f}%;'
        f"width:{100 * (bar.right - bar.left):.2f}%;min-width:5px;top:{place * _TRACK_PX + 5}px;"
        f'height:{_TRACK_PX - 4}px;border-radius:2px;{fill}"></a>'
    )


def said(alert: Alert) -> str:
    """Return a bar in words."""
    lasted = ""
    if alert.resolved_at is not None:
        lasted = f", lasted {duration(max(0.0, alert.resolved_at - alert.since))}"
    by = " by another alert" if alert.inhibited_by else ""
    return (
        f"{alert.severity}: {alert.title or alert.key}, {looks.state(alert.state).word}{by}{lasted}"
    )


# What explains what


def explained(found: Sequence[Alert]) -> dict[str, list[Alert]]:
    """Return by the key of an alert what it explains now, the one that explains most first."""
    by: dict[str, list[Alert]] = defaultdict(list)
    for one in found:
        if one.inhibited_by is not None:
            by[one.inhibited_by].append(one)
    return dict(sorted(by.items(), key=lambda item: (-len(item[1]), item[0])))


def draw(where: Scope) -> None:
    """Draw it, again and again."""
    live(_draw, LIVE_S)(where)


def _draw(where: Scope) -> None:
    begin, end = access.span(where, access.now())
    found = access.lasting(where, begin, end, MOST)
    span = "in the last 24 hours" if where.since is None else where.sentence
    if not found:
        notices.empty(
            "No alert",
            f"None lasted {span}. Choose a longer range on the left.",
            icon="timeline",
            command="mlops alerts list --all",
        )
        return
    drawn, hues = lanes(found, begin, end), colours()
    st.html(html(drawn, begin, end, hues, state.zone()))
    st.caption(_legend(found, drawn, span))
    explaining = access.explaining(found)
    _explanations(explained(found), explaining, hues)


def _legend(found: Sequence[Alert], drawn: Sequence[Lane], span: str) -> str:
    most = f", the newest {MOST}" if len(found) == MOST else ""
    hidden = f" {len(drawn) - _LANES} more lanes are not drawn." if len(drawn) > _LANES else ""
    return (
        f"{counted(len(found), 'alert')} that lasted {span}{most}. Red is critical, orange a "
        "warning, blue info; hatched is silenced or explained by another, an outline is what "
        f"nobody can tell of now, pale is over.{hidden}"
    )


def _explanations(
    found: Mapping[str, Sequence[Alert]], explaining: Mapping[str, Alert], hues: Colours
) -> None:
    if not found:
        return
    st.subheader("What explains what, now")
    rows = []
    for key, members in list(found.items())[:20]:
        by = explaining.get(key)
        head = (
            drawing.linked(by, hues) if by else f"<b>{markup('An alert that you do not see')}</b>"
        )
        few = "".join(f"<li>{drawing.linked(one, hues)}</li>" for one in members[:5])
        more = f"<li>and {len(members) - 5:,} more</li>" if len(members) > 5 else ""
        rows.append(
            f'<div style="margin-bottom:8px">{head} <span style="color:{hues.muted}">explains '
            f'{counted(len(members), "alert")}</span><ul style="margin:2px 0 0;padding-left:22px">'
            f"{few}{more}</ul></div>"
        )
    st.html(
        f'<div style="font-size:14px;line-height:21px;overflow-wrap:anywhere">{"".join(rows)}</div>'
    )
