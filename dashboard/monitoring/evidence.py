"""What a cause is told from: its circumstance and what got worse over time, then beside now."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from dashboard.charts import timeline
from dashboard.charts.theme import Colours, colours
from dashboard.charts.timeline import Line, Mark, Panel
from dashboard.text import plain, shortened
from services.causes.models import Chart

Spec = dict[str, object]
_THEN, _NOW = "then", "now"
_LABEL, _NAME = 22, 60
_NEARLY_ALL = 80.0
"""From here on an axis of shares ends at 100 %."""
_BAR_PX, _LEAST_PX, _AROUND_PX = 26, 150, 78
_WIDE_PX = 320


def draw(chart: Chart, onset: float | None, key: str) -> None:
    """Draw it.

    Args:
        chart: What is drawn.
        onset: When it began, in seconds since 1970.
        key: Of the elements on the page.
    """
    st.markdown(f"**{plain(shortened(chart.title, 100))}**")
    if chart.begins:
        _over_time(chart, onset, key)
    hues = colours()
    with st.grid(2, min_column_width=_WIDE_PX):
        _bars(chart, chart.then, chart.now, chart.of, hues, f"{key}-mix")
        if any(one is not None for one in (*chart.then_outcome, *chart.now_outcome)):
            said = f"{chart.outcome} with each"
            unit = f"{said}, {chart.outcome_unit}" if chart.outcome_unit else said
            _bars(chart, chart.then_outcome, chart.now_outcome, unit, hues, f"{key}-outcome")


def _over_time(chart: Chart, onset: float | None, key: str) -> None:
    times = [datetime.fromtimestamp(one + chart.step_s / 2, UTC) for one in chart.begins]
    lines = [Line(shortened(one.name, _NAME), times, one.values) for one in chart.courses]
    word = "Share of each" if len(lines) > 1 else "On average"
    panels = [Panel(word, chart.unit, lines)]
    if any(one is not None for one in chart.outcome_course):
        worse = Line(shortened(chart.outcome, _NAME), times, chart.outcome_course, colour=1)
        panels.append(Panel(shortened(chart.outcome, _NAME), chart.outcome_unit, [worse]))
    begin = datetime.fromtimestamp(chart.begins[0], UTC)
    end = datetime.fromtimestamp(chart.begins[-1], UTC) + timedelta(seconds=chart.step_s)
    marks = []
    if onset is not None:
        marks = [Mark(datetime.fromtimestamp(onset, UTC), "it began", "bad")]
    timeline.draw(panels, begin, end, key=f"{key}-course", marks=marks)


def _bars(
    chart: Chart,
    then: Sequence[float | None],
    now: Sequence[float | None],
    unit: str,
    hues: Colours,
    key: str,
) -> None:
    height = max(_LEAST_PX, _AROUND_PX + _BAR_PX * len(chart.labels))
    st.echarts_chart(
        bars(chart.labels, then, now, unit, hues), height=height, key=key,
        alt=f"{chart.title}: {unit}, then and now",
    )  # fmt: skip


def bars(
    labels: Sequence[str],
    then: Sequence[float | None],
    now: Sequence[float | None],
    unit: str,
    hues: Colours,
) -> Spec:
    """Return bars a label, then above now; what is not known has none."""
    series = [
        {
            "type": "bar", "name": name, "barMaxWidth": 9, "barGap": "10%",
            "data": [None if one is None else float(f"{one:.4g}") for one in values],
            "itemStyle": {"color": colour},
        }
        for name, values, colour in ((_THEN, then, hues.muted), (_NOW, now, hues.series[0]))
    ]  # fmt: skip
    most = max((one for one in (*then, *now) if one is not None), default=0.0)
    return {
        "animation": False,
        "grid": {"left": 8, "right": 20, "top": 34, "bottom": 30},
        "tooltip": {"trigger": "axis", "confine": True},
        "legend": {"top": 0, "left": 0, "textStyle": {"color": hues.text}, "itemWidth": 16},
        "xAxis": {
            "type": "value", "name": unit, "nameLocation": "middle", "nameGap": 26,
            "nameTextStyle": {"color": hues.muted}, "axisLabel": {"color": hues.muted},
            "splitNumber": 3, "splitLine": {"lineStyle": {"color": hues.line}},
            **({"max": 100} if most > _NEARLY_ALL and "%" in unit else {}),
        },
        "yAxis": {
            "type": "category", "inverse": True,
            "data": [shortened(one, _LABEL) for one in labels],
            "axisLabel": {"color": hues.text, "interval": 0},
            "axisLine": {"lineStyle": {"color": hues.line}}, "axisTick": {"show": False},
        },
        "series": series,
    }  # fmt: skip
