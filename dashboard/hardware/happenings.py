"""What happened to a machine: stretches that are shaded, moments that are marked, and a table."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

import streamlit as st

from dashboard.charts.timeline import Band, Mark, Tone
from dashboard.components import tables
from dashboard.hardware.happened import Happened, Happening
from dashboard.hardware.panels import stretches
from dashboard.hardware.readings import thermal_word
from dashboard.numbers import counted, moment
from dashboard.text import plain
from services.telemetry.models import Series

_SIDE_BY_SIDE = 80
"""So many marks have room in a chart beside each other."""
_LABEL = 120
_TONES: tuple[Tone, ...] = ("quiet", "mode", "warn", "bad")
"""The last is told for several."""
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


def marks(found: Sequence[Happening], start: datetime, end: datetime) -> tuple[Mark, ...]:
    """Return what is marked over ``[start, end]``; moments that would touch are one mark."""
    together = (end - start) / _SIDE_BY_SIDE
    groups: list[list[Happening]] = []
    for one in found:
        if not one.mark:
            continue
        if groups and one.at - groups[-1][0].at < together:
            groups[-1].append(one)
        else:
            groups.append([one])
    return tuple(_mark(group) for group in groups)


def _mark(group: Sequence[Happening]) -> Mark:
    label = ", ".join(one.mark for one in group)
    if len(label) > _LABEL:
        label = counted(len(group), "event")
    tone = max((one.tone for one in group), key=_TONES.index)
    return Mark(group[0].at, label, tone)


def listed(told: Happened, zone: tzinfo) -> None:
    """Draw what happened as a table, newest first, with the way to runs and actions."""
    found = told.found
    for sentence in told.unknown:
        st.caption(f":material/help: {plain(sentence, 300)}")
    if not found:
        if not told.unknown:
            st.caption("Nothing happened in this time: no run, no deployment, no throttling.")
        return
    told_by = f"{counted(len(found), 'event')} in this time"
    opened = st.expander(
        told_by, icon=":material/event_note:", key="hardware-happened", on_change="rerun"
    )
    if not opened.open:
        return  # a table nobody looks at is not made with every drawing
    with opened:
        rows = [
            {"at": moment(one.at, zone), "title": one.title, "link": one.link}
            for one in reversed(found[-_LISTED:])
        ]
        columns = {
            "at": st.column_config.TextColumn("when", width="medium"),
            "title": st.column_config.TextColumn("what", width="large"),
            "link": st.column_config.LinkColumn("more", display_text="Open", width="small"),
        }
        tables.table(rows, columns, key="hardware-events", max_rows_shown=10)
        if len(found) > _LISTED:
            st.caption(f"The newest {_LISTED} of {len(found):,} are listed: zoom in for others.")
