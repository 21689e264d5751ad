"""How a column's values were spread and are now: two outlines, or bars of categories."""

import base64
from collections.abc import Sequence

import streamlit as st

from dashboard.charts.theme import Colours, colours
from dashboard.numbers import number
from dashboard.text import shortened
from services.monitoring.models import ColumnVerdict, Histogram
from services.monitoring.wording import title

Spec = dict[str, object]
_WIDE, _HIGH = 96, 26
_BAR_PX, _LEAST_PX = 22, 220
_LABEL = 22
_THEN, _NOW = "baseline", "now"


def draw(column: ColumnVerdict, key: str) -> None:
    """Draw the chart; nothing where the column was not compared."""
    then, now = column.reference, column.current
    if then is None or now is None:
        return
    made = bars(then, now, colours()) if then.labels else outlines(column, colours())
    height = max(_LEAST_PX, 64 + _BAR_PX * len(then.labels)) if then.labels else _LEAST_PX
    name = shortened(title(column.name), 60)
    st.echarts_chart(made, height=height, key=key, alt=f"How {name} was spread and is now")


def unit(column: ColumnVerdict) -> str:
    """Return what is spread along the axis."""
    name = shortened(title(column.name), 40)
    if column.kind in ("vector", "picture"):
        return f"score of {name}: higher is more like now"
    return f"words of {name}" if column.kind == "text" else name


def outlines(column: ColumnVerdict, hues: Colours) -> Spec:
    """Return the chart of figures."""
    assert column.reference is not None  # noqa: S101  drawn only where there are both
    assert column.current is not None  # noqa: S101
    return figures(column.reference, column.current, unit(column), hues)


def figures(then: Histogram | None, now: Histogram, name: str, hues: Colours) -> Spec:
    """Return the chart of figures with the same edges, named along the axis."""
    edges = now.edges
    series = [_outline(_NOW, now, hues.series[0], 0.10, 2.0)]
    if then is not None:
        series.insert(0, _outline(_THEN, then, hues.muted, 0.22, 1.2))
    return {
        **_frame(hues),
        "xAxis": {
            "type": "value", "min": edges[0], "max": edges[-1], "name": name,
            "nameLocation": "middle", "nameGap": 26, "nameTextStyle": {"color": hues.muted},
            "axisLabel": {"color": hues.muted, "hideOverlap": True,  # ends are no round figures
                          "showMinLabel": False, "showMaxLabel": False},
            "axisLine": {"lineStyle": {"color": hues.line}}, "splitLine": {"show": False},
        },
        "yAxis": _shares(hues),
        "series": series,
    }  # fmt: skip


def bars(then: Histogram, now: Histogram, hues: Colours) -> Spec:
    """Return the chart of categories, the first above."""
    labels = [shortened(one or "(empty text)", _LABEL) for one in then.labels]
    return {
        **_frame(hues),
        "xAxis": {**_shares(hues), "nameLocation": "middle", "nameGap": 26},
        "yAxis": {
            "type": "category", "data": labels, "inverse": True,
            "axisLabel": {"color": hues.text, "interval": 0},
            "axisLine": {"lineStyle": {"color": hues.line}}, "axisTick": {"show": False},
        },
        "series": [
            _bar(_THEN, then, hues.muted, 0.45), _bar(_NOW, now, hues.series[0], 1.0),
        ],
    }  # fmt: skip


def small(column: ColumnVerdict, hues: Colours, told: str) -> str:
    """Return it small, as a picture of its own; empty where the column was not compared."""
    then, now = column.reference, column.current
    if then is None or now is None:
        return ""
    top = max((*then.shares, *now.shares), default=0.0) or 1.0
    area = _path(then.shares, top)
    line = _path(now.shares, top)
    drawing = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDE}" height="{_HIGH}" '
        f'viewBox="0 0 {_WIDE} {_HIGH}">'
        f'<path d="{area}V{_HIGH}H0Z" fill="{hues.muted}" fill-opacity=".3"/>'
        f'<path d="{line}" fill="none" stroke="{hues.series[0]}" stroke-width="1.6"/></svg>'
    )
    data = base64.b64encode(drawing.encode()).decode()
    return (
        f'<img alt="{told}" title="{told}" src="data:image/svg+xml;base64,{data}" '
        f'width="{_WIDE}" height="{_HIGH}" style="display:block">'
    )


def _path(shares: Sequence[float], top: float) -> str:
    """Return the outline of bars from left to right."""
    wide = _WIDE / max(1, len(shares))
    steps = [
        f"{_HIGH - 1 - share / top * (_HIGH - 3):.1f}H{(place + 1) * wide:.1f}"
        for place, share in enumerate(shares)
    ]
    return f"M0 {steps[0]}" + "".join(f"V{one}" for one in steps[1:]) if steps else ""


def _outline(name: str, found: Histogram, colour: str, filled: float, width: float) -> Spec:
    points = [
        [edge, round(share * 100, 3)]
        for edge, share in zip(found.edges, (*found.shares, found.shares[-1]), strict=True)
    ]
    return {
        "type": "line", "name": name, "step": "end", "showSymbol": False, "data": points,
        "lineStyle": {"width": width}, "itemStyle": {"color": colour},
        "areaStyle": {"opacity": filled}, "emphasis": {"disabled": True},
        "tooltip": {"valueFormatter": "%,.1f %%"},
    }  # fmt: skip


def _bar(name: str, found: Histogram, colour: str, opacity: float) -> Spec:
    return {
        "type": "bar", "name": name, "data": [round(share * 100, 3) for share in found.shares],
        "itemStyle": {"color": colour, "opacity": opacity}, "barMaxWidth": 9, "barGap": "10%",
        "tooltip": {"valueFormatter": "%,.1f %%"},
    }  # fmt: skip


def _frame(hues: Colours) -> Spec:
    return {
        "animation": False,
        "grid": {"left": 8, "right": 20, "top": 34, "bottom": 12},
        "tooltip": {"trigger": "axis", "confine": True},
        "legend": {"top": 0, "left": 0, "textStyle": {"color": hues.text}, "itemWidth": 16},
    }


def _shares(hues: Colours) -> Spec:
    return {
        "type": "value", "name": "% of values", "nameTextStyle": {"color": hues.muted},
        "axisLabel": {"color": hues.muted}, "splitNumber": 3,
        "splitLine": {"lineStyle": {"color": hues.line}},
    }  # fmt: skip


def ends(column: ColumnVerdict) -> str:
    """Return what the axis leaves out, as a sentence."""
    found = column.reference
    if found is None or not found.edges:
        return ""
    return (
        f"Bars go from {number(found.edges[0], 3)} to {number(found.edges[-1], 3)}, where nearly "
        "all of the baseline is; what lies outside is in the first and the last."
    )
