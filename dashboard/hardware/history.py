"""A machine's curves over the chosen time, with what happened drawn through them."""

from datetime import UTC, datetime

import streamlit as st

from dashboard import machines, scope, state
from dashboard.charts import timeline
from dashboard.components import notices
from dashboard.hardware import access, happenings, machine_why, panels, why, window
from dashboard.hardware.happened import happened
from dashboard.numbers import duration
from dashboard.text import plain
from services.telemetry.models import HostState, Series

POINTS = 240
_FULL = 1.5
"""Buckets up to so many sampling intervals are single samples."""


def draw(host: HostState) -> None:
    """Draw the curves, again as new samples come."""
    if window.refused():
        st.info(
            "The address names a part of time that cannot be read: the whole range is shown. "
            "`start` and `end` are times such as 2026-11-28T08:00:00Z, at most ten years back.",
            icon=":material/link_off:",
        )
    name = host.machine.host
    machine_why.draw(name)
    every = window.current(name).redraw_s(POINTS, datetime.now(UTC))
    st.fragment(_draw, run_every=every)(name)


def _draw(name: str) -> None:
    host = access.host(name)
    if host is None:
        st.rerun(scope="app")
        return
    shown = window.current(name)
    _bar(shown)
    wanted = panels.metrics(panels.PLANS)
    store = machines.telemetry()
    found = {
        series.metric: series
        for series in store.series(name, wanted, shown.start, shown.end, POINTS)
    }
    made = panels.panels(panels.PLANS, found, host.machine)
    told = happened(host, shown.start, shown.end)
    if not made:
        _nothing(host, shown)
        return
    picked = timeline.draw(
        made,
        shown.start,
        shown.end,
        key=_key(shown),
        bands=happenings.bands(found),
        marks=happenings.marks(told.found, shown.start, shown.end),
        pick=True,
    )
    if picked is not None:
        window.enter(window.Window(*picked))
        st.rerun(scope="app")
    _fineprint(found, host)
    happenings.listed(told, state.zone())


def _key(shown: window.Window) -> str:
    """Return the chart's key: a dragged range belongs to the chart of its window."""
    if not shown.zoomed:
        return f"hardware-{scope.current().span}"
    return f"hardware-{shown.start:%d%H%M%S}-{shown.end:%d%H%M%S}"


def _bar(shown: window.Window) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        told = window.sentence(shown) if shown.zoomed else scope.current().sentence
        st.markdown(f"**{plain(told[:1].upper() + told[1:], 120)}**", width="content")
        # Not at the right edge: the chart's own tools hang over it while one points at the chart.
        window.buttons(shown)
        if not why.is_open():
            machine_why.opener(shown)
        st.caption(
            "Press :material/arrow_range: at the chart’s corner, then drag over a range to zoom.",
            width="stretch",
        )


def _nothing(host: HostState, shown: window.Window) -> None:
    last = host.last_at
    before = last is not None and last < shown.start
    said = "Its last sample is older." if before else "Nothing was sampled then."
    notices.empty(
        "Not sampled",
        f"{host.machine.host} has sent no sample in this time. {said} A wider time range may "
        "show more.",
        icon="timeline",
    )


def _fineprint(found: dict[str, Series], host: HostState) -> None:
    bucket = next(iter(found.values())).bucket_s
    parts = []
    if bucket > _FULL * host.interval_s:
        parts.append(
            f"Lines are means of {duration(bucket)}, the pale range goes from the least to the "
            "greatest sample."
        )
    else:
        parts.append(f"Each point is one sample, every {duration(bucket)}.")
    parts.append("Where nothing was sampled there is a gap.")
    estimates = panels.estimated(panels.PLANS, found)
    if estimates:
        parts.append(f"Estimated: {', '.join(estimates)}.")
    st.caption(" ".join(parts))
    lacking = panels.missing(panels.PLANS, found)
    if lacking:
        told = "\n".join(
            f"- {', '.join(titles)}: {plain(reason or 'nobody says why.', 200)}"
            for reason, titles in lacking.items()
        )
        st.caption(f"**Unavailable on this machine**\n\n{told}")
