"""Panels one above the other on one time axis, with what happened drawn through all of them.

One echarts chart: the pointer, a dragged range and the bands go through every panel, so that a
clock that falls is seen under the temperature that rose. Times go to the browser once.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import streamlit as st

from dashboard.charts import timeline_frame as frame
from dashboard.charts.theme import Colours, colours
from dashboard.charts.timeline_frame import Spec, height_px
from dashboard.charts.timeline_happened import LATE, UNNAMED, add_strip, happened
from dashboard.charts.timeline_parts import Band, Line, Mark, Panel, Tone

__all__ = ["Band", "Line", "Mark", "Panel", "Tone", "draw", "height_px", "picked", "spec"]
_DIGITS = 4


def draw(
    panels: Sequence[Panel],
    start: datetime,
    end: datetime,
    *,
    key: str,
    bands: Sequence[Band] = (),
    marks: Sequence[Mark] = (),
    pick: bool = False,
) -> tuple[datetime, datetime] | None:
    """Draw panels over ``[start, end]``; return the range that was dragged when ``pick`` is on.

    ``key`` must change with the range when ``pick`` is on: what was dragged belongs to the chart of
    that key.
    """
    made = spec(panels, start, end, colours(), bands, marks, pick=pick)
    told = f"{', '.join(panel.title for panel in panels)} over time"
    height = frame.height_px(len(panels), headed=bool(marks) or pick)
    if not pick:
        st.echarts_chart(made, height=height, key=key, alt=told)
        return None
    state = st.echarts_chart(made, height=height, key=key, alt=told, on_select="rerun")
    return picked(state.selection.areas)


def picked(areas: Sequence[Mapping[str, object]]) -> tuple[datetime, datetime] | None:
    """Return the first dragged range, None when there is none worth it."""
    for area in areas:
        span = area.get("coord_range")
        if not isinstance(span, list) or len(span) != 2:
            continue
        low, high = sorted(span)
        if isinstance(low, int | float) and isinstance(high, int | float) and high - low >= 1000:
            return datetime.fromtimestamp(low / 1000, UTC), datetime.fromtimestamp(high / 1000, UTC)
    return None


def spec(
    panels: Sequence[Panel],
    start: datetime,
    end: datetime,
    hues: Colours,
    bands: Sequence[Band] = (),
    marks: Sequence[Mark] = (),
    *,
    pick: bool = False,
) -> Spec:
    """Return the echarts option."""
    columns = _Columns()
    first = frame.first(headed=bool(marks) or pick)
    series: list[Spec] = []
    for place, panel in enumerate(panels):
        drawn = list(_series(panel, place, columns, hues))
        if drawn:
            late = start + (end - start) * LATE
            drawn[0] |= happened(panel, bands, marks, hues, late, named=place == 0)
        series += drawn
    every = list(range(len(panels)))
    option: dict[str, list[Spec]] = {
        "title": [frame.title(panel, frame.top(n, first), hues) for n, panel in enumerate(panels)],
        "legend": [
            frame.legend(panel, frame.top(n, first), hues) for n, panel in enumerate(panels)
        ],
        "grid": [frame.grid(frame.top(place, first), frame.PANEL_PX) for place in every],
        "xAxis": [
            frame.time_axis(place, start, end, hues, last=place == every[-1]) for place in every
        ],
        "yAxis": [frame.value_axis(panel, place, hues) for place, panel in enumerate(panels)],
    }
    if marks:
        add_strip(option, series, marks, start, end, hues)
    return {
        "animation": False,
        "dataset": columns.datasets,
        "axisPointer": {"link": [{"xAxisIndex": every}], "lineStyle": {"color": hues.muted}},
        "tooltip": {"trigger": "axis", "confine": True, "order": "seriesAsc"},
        "series": series,
        **option,
        **(frame.brush(hues, every) if pick else {}),
    }


class _Columns:
    """What the browser gets of the values: one table a time axis, its times once."""

    def __init__(self) -> None:
        self.datasets: list[Spec] = []
        self._places: dict[tuple[datetime, ...], int] = {}

    def add(self, times: Sequence[datetime], values: Sequence[float | None]) -> tuple[int, int]:
        """Return in which table and which column the values are now."""
        key = tuple(times)
        if key not in self._places:
            self._places[key] = len(self.datasets)
            rows = [[round(at.timestamp() * 1000)] for at in times]
            self.datasets.append({"source": rows, "sourceHeader": False})
        place = self._places[key]
        rows = self.datasets[place]["source"]  # type: ignore[assignment]  # of the line above
        for row, value in zip(rows, _rounded(values), strict=True):
            row.append(value)  # type: ignore[arg-type]
        return place, len(rows[0]) - 1 if rows else 1


def _rounded(values: Sequence[float | None]) -> list[float | None]:
    """Return values to as many digits as the largest needs: more are drawn nowhere."""
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    places = max(0, _DIGITS - 1 - math.floor(math.log10(largest))) if largest else 0
    scale = 10.0**places
    # Three times as fast as rounding to places: there are ten thousand values a chart.
    return [None if value is None else round(value * scale) / scale for value in values]


def _series(panel: Panel, place: int, columns: _Columns, hues: Colours) -> Iterable[Spec]:
    shown = _decimals(panel)
    for number, line in enumerate(panel.lines):
        hue = hues.series[(number if line.colour is None else line.colour) % len(hues.series)]
        where = {"xAxisIndex": place, "yAxisIndex": place, "type": "line", "showSymbol": False}
        table, column = columns.add(line.times, line.values)
        yield {
            **where,
            "name": line.name,
            "datasetIndex": table,
            "encode": {"x": 0, "y": column},
            "lineStyle": {"width": 1.6, "type": "dashed" if line.dashed else "solid"},
            "itemStyle": {"color": hue},
            # One point between two gaps has no line: its symbol shows it.
            "showSymbol": _lonely(line.values),
            "symbolSize": 3,
            "emphasis": {"disabled": True},
            "tooltip": {"valueFormatter": f"%,.{shown}f {panel.unit.replace('%', '%%')}".strip()},
            **({"stack": f"{place}", "areaStyle": {"opacity": 0.35}} if line.stacked else {}),
        }
        if line.low and tuple(line.low) != tuple(line.high):
            yield from _range(line, f"{place}-{number}", where, columns, hue)


def _range(line: Line, stack: str, where: Spec, columns: _Columns, hue: str) -> Iterable[Spec]:
    """Return the range from the least to the greatest: an invisible base and a shaded rest."""
    rest = [
        None if low is None or high is None else high - low
        for low, high in zip(line.low, line.high, strict=True)
    ]
    for values, opacity in ((line.low, 0.0), (rest, 0.16)):
        table, column = columns.add(line.times, values)
        yield {
            **where,
            "name": f"{UNNAMED}{line.name}",
            "datasetIndex": table,
            "encode": {"x": 0, "y": column, "tooltip": []},
            "stack": f"range {stack}",
            "silent": True,
            "lineStyle": {"opacity": 0},
            "itemStyle": {"color": hue},
            "areaStyle": {"opacity": opacity},
            "emphasis": {"disabled": True},
            "tooltip": {"show": False},
            "z": 1,
        }


def _lonely(values: Sequence[float | None]) -> bool:
    known = [False, *(value is not None for value in values), False]
    return any(
        here and not before and not after
        for (before, here), (_, after) in pairwise(pairwise(known))
    )


def _decimals(panel: Panel) -> int:
    largest = max(
        (abs(v) for line in panel.lines for v in line.values if v is not None), default=0.0
    )
    return 0 if panel.whole or largest >= 1000 else 1 if largest >= 10 else 2
