"""What happened to a machine: stretches that are shaded, moments that are marked, and a table."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

import streamlit as st

from dashboard import navigation, state
from dashboard.charts.timeline import Band, Mark, Tone
from dashboard.components import tables
from dashboard.hardware import access
from dashboard.hardware.panels import stretches
from dashboard.hardware.readings import thermal_word
from dashboard.numbers import counted, moment
from services.telemetry.models import Event, EventKind, Series

_MARKS: Mapping[EventKind, tuple[str, Tone]] = {
    "run.started": ("run started", "mode"),
    "run.ended": ("run ended", "quiet"),
    "deploy": ("deployed", "mode"),
    "throttling.began": ("throttling", "warn"),
    "battery.on": ("on battery", "warn"),
    "battery.off": ("on mains", "quiet"),
    "host.joined": ("reports", "quiet"),
    "host.lost": ("silent", "bad"),
}
_DRAWN = 60
_LISTED = 200


def bands(found: Mapping[str, Series]) -> tuple[Band, ...]:
    """Return what is shaded: throttling, Low Power Mode, memory pressure."""
    hot = [
        Band(
            begin,
            end,
            f"thermal level {level:.0f} {thermal_word(level)}",
            "bad" if level >= 3 else "warn",
        )
        for begin, end, level in stretches(found.get("thermal_level"), 1)
    ]
    saving = [
        Band(begin, end, "Low Power Mode", "mode")
        for begin, end, _ in stretches(found.get("low_power_mode"), 1)
    ]
    pressed = [
        Band(begin, end, f"pressure {level:.0f}", "bad" if level >= 4 else "warn", "Memory")
        for begin, end, level in stretches(found.get("memory_pressure"), 2)
    ]
    return (*hot, *saving, *pressed)


def events(host: str, start: datetime, end: datetime) -> tuple[Event, ...]:
    """Return what happened on a machine that the person may see, oldest first."""
    found = state.telemetry().events(start, end, host)
    return tuple(event for event in found if access.visible(event))


def marks(found: Sequence[Event]) -> tuple[Mark, ...]:
    """Return what is marked, the newest when there are too many."""
    known = [event for event in found if event.kind in _MARKS]
    return tuple(Mark(event.at, *_MARKS[event.kind]) for event in known[-_DRAWN:])


def listed(found: Sequence[Event], zone: tzinfo) -> None:
    """Draw what happened as a table, newest first, with the way to runs."""
    if not found:
        st.caption("Nothing happened in this time: no run, no deployment, no throttling.")
        return
    with st.expander(f"{counted(len(found), 'event')} in this time", icon=":material/event_note:"):
        rows = [
            {
                "at": moment(event.at, zone),
                "title": event.title,
                "link": navigation.address("run", run=event.subject)
                if event.kind.startswith("run.") and event.subject
                else "",
            }
            for event in reversed(found[-_LISTED:])
        ]
        columns = {
            "at": st.column_config.TextColumn("when", width="medium"),
            "title": st.column_config.TextColumn("what", width="large"),
            "link": st.column_config.LinkColumn("run", display_text="Open", width="small"),
        }
        tables.table(rows, columns, key="hardware-events", max_rows_shown=10)
        if len(found) > _LISTED:
            st.caption(f"The newest {_LISTED} of {len(found):,} are listed: zoom in for others.")
