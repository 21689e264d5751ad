"""What was live when, and everything else that happened to an endpoint."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

import streamlit as st

from dashboard import state
from dashboard.charts.theme import Colours, colours
from dashboard.deployments import access, looks, table
from dashboard.numbers import age, duration, moment
from dashboard.text import markup, plain
from services.serving import looking, on_the_way
from services.serving.looking import Deployment, Span
from services.serving.store import Event

_SHOWN = 60


def draw(seen: Deployment) -> None:
    """Draw both."""
    _now(seen)
    events = access.events(seen.name)
    if not events:
        st.caption("Nothing has happened to it yet.")
        return
    zone, now, hues = state.zone(), datetime.now(UTC), colours()
    found = on_the_way.with_watched(
        looking.spans(state.journal(), seen.name), seen, now.timestamp()
    )
    st.markdown("**What was live when**")
    if found:
        st.html(spans_html(found, hues, zone, now))
    else:
        st.caption("No version has gone live yet.")
    st.markdown("**What happened**")
    st.html(events_html(events[:_SHOWN], hues, zone, now))


def _now(seen: Deployment) -> None:
    """Draw the versions that are loaded, and why each is as it is."""
    if not seen.versions:
        return
    st.markdown("**Versions now**")
    zone, now, old = state.zone(), datetime.now(UTC), bool(seen.stale)
    st.html(table.html([seen], colours(), now, zone, old=old))
    for one in seen.versions:
        told = [f"on {one.backend}: {one.backend_reason}" if one.backend else "", one.said]
        said = " ".join(part for part in told if part)
        kept = f" ({on_the_way.KEPT})" if on_the_way.kept(seen, one.version) else ""
        if said or kept:
            st.caption(f"Version {one.version}{kept} {plain(said, 400)}")


def spans_html(found: Sequence[Span], hues: Colours, zone: tzinfo, now: datetime) -> str:
    """Return the stretches as a bar over time and a list."""
    begin = found[-1].began_at
    whole = max(1.0, (now - begin).total_seconds())
    bar = "".join(_part(one, begin, whole, hues, now, zone) for one in found)
    rows = "".join(_row(one, hues, zone, now) for one in found)
    told = "; ".join(f"version {one.version} for {_lasted(one, now)}" for one in found[:12])
    return (
        f'<div role="img" aria-label="{markup(told)}" style="position:relative;height:18px;'
        f'border-radius:5px;overflow:hidden;background:{hues.line};margin:2px 0 8px">{bar}</div>'
        f"{_table(('Version', 'From', 'Until', 'For', 'Why', 'By'), rows, hues)}"
    )


def _part(
    one: Span, begin: datetime, whole: float, hues: Colours, now: datetime, zone: tzinfo
) -> str:
    left = (one.began_at - begin).total_seconds() / whole * 100
    width = max(0.4, _seconds(one, now) / whole * 100)
    colour = hues.series[one.version % len(hues.series)]
    told = f"Version {one.version}, {moment(one.began_at, zone)}, for {_lasted(one, now)}"
    return (
        f'<div title="{markup(told)}" style="position:absolute;top:0;bottom:0;left:{left:.2f}%;'
        f"width:{width:.2f}%;background:{colour};color:{hues.background};font-size:11px;"
        f'line-height:18px;padding-left:5px;overflow:hidden;white-space:nowrap">{one.version}</div>'
    )


def _row(one: Span, hues: Colours, zone: tzinfo, now: datetime) -> str:
    colour = hues.series[one.version % len(hues.series)]
    until = "now" if one.ended_at is None else moment(one.ended_at, zone)
    return _cells(
        f'<span style="color:{colour}">■</span> <b>{one.version}</b>',
        moment(one.began_at, zone),
        until,
        _lasted(one, now),
        markup(one.said, 300),
        markup(one.actor, 60),
        hues=hues,
    )


def events_html(events: Sequence[Event], hues: Colours, zone: tzinfo, now: datetime) -> str:
    """Return what happened, newest first."""
    rows = []
    for one in events:
        shown = looks.event(one.kind)
        rows.append(
            _cells(
                f'<span title="{markup(_clock(one.at, zone))}">'
                f"{age(datetime.fromtimestamp(one.at, UTC), now)}</span>",
                f'<span style="color:{looks.hue(shown, hues)}">{shown.sign} {shown.word}</span>',
                "" if one.version is None else str(one.version),
                markup(one.said, 400),
                markup(one.actor, 60),
                hues=hues,
            )
        )
    return _table(("When", "What", "Version", "Why", "By"), "".join(rows), hues)


def _table(heads: Sequence[str], rows: str, hues: Colours) -> str:
    drawn = "".join(
        f'<th scope="col" style="text-align:left;font-weight:500;font-size:12px;color:{hues.muted};'
        f'padding:0 14px 3px 0;border:none;border-bottom:1px solid {hues.line}">{head}</th>'
        for head in heads
    )
    return (
        '<div style="overflow-x:auto"><table style="width:100%;border-collapse:collapse;margin:0;'
        'border:none;font-size:13px;line-height:18px;font-variant-numeric:tabular-nums">'
        f"<thead><tr>{drawn}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cells(*inner: str, hues: Colours) -> str:
    cells = "".join(
        f'<td style="padding:4px 14px 4px 0;border:none;border-bottom:1px solid {hues.line};'
        f'vertical-align:top;overflow-wrap:anywhere{_width(place, len(inner))}">{one}</td>'
        for place, one in enumerate(inner)
    )
    return f"<tr>{cells}</tr>"


def _width(place: int, count: int) -> str:
    """Let the sentence have the room: it is the last but one."""
    return ";width:45%" if place == count - 2 else ";white-space:nowrap"


def _clock(at: float, zone: tzinfo) -> str:
    return moment(datetime.fromtimestamp(at, UTC), zone)


def _lasted(one: Span, now: datetime) -> str:
    return duration(_seconds(one, now))


def _seconds(one: Span, now: datetime) -> float:
    return max(0.0, ((one.ended_at or now) - one.began_at).total_seconds())
