"""How right answers were in detail: by class, which for which, how far figures were off."""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.charts.theme import Colours, colours
from dashboard.components import tables
from dashboard.monitoring import spread
from dashboard.numbers import count, percent
from dashboard.text import shortened

if TYPE_CHECKING:
    from services.monitoring.breakdown import Breakdown, Class, Share

Spec = dict[str, object]
_CELL_PX, _LEAST_PX = 26, 200
_LABEL = 18


def draw(found: "Breakdown", key: str) -> None:
    """Draw what there is of it."""
    if found.classes:
        st.markdown("**By class**")
        then = found.classes[0].recall_then is not None
        tables.table(
            [_row(one) for one in found.classes], _columns(then=then), key=f"{key}:classes"
        )
    if found.names:
        st.markdown("**Which was taken for which**")
        height = max(_LEAST_PX, 96 + _CELL_PX * len(found.names))
        told = f"How often each of {len(found.names)} classes was answered for each"
        st.echarts_chart(matrix(found, colours()), height=height, key=f"{key}:matrix", alt=told)
        st.caption("A row is a label, a column an answer; the darker, the larger its share of the "
                   "row. Right answers are on the diagonal.")  # fmt: skip
    if found.off is not None:
        st.markdown("**How far answers were off**")
        st.echarts_chart(
            spread.figures(found.off_then, found.off, "answer − label", colours()),
            height=_LEAST_PX + 20, key=f"{key}:off", alt="How answer − label is spread",
        )  # fmt: skip
        st.caption("What lies outside is in the first and the last bar.")


def matrix(found: "Breakdown", hues: Colours) -> Spec:
    """Return the chart of which class was taken for which: each cell its share of the row."""
    names = [shortened(one or "(empty text)", _LABEL) for one in found.names]
    cells = [
        {"value": [x, y, round(100 * value / sum(row), 1)], "name": f"{value:,}"}
        for y, row in enumerate(found.matrix) if sum(row)
        for x, value in enumerate(row) if value
    ]  # fmt: skip
    axis = {
        "type": "category", "data": names, "axisLabel": {"color": hues.text, "hideOverlap": True},
        "axisLine": {"lineStyle": {"color": hues.line}}, "axisTick": {"show": False},
        "nameLocation": "middle", "nameTextStyle": {"color": hues.muted},
        "splitArea": {"show": False},
    }  # fmt: skip
    return {
        "animation": False,
        "grid": {"left": 24, "right": 20, "top": 28, "bottom": 12},
        "tooltip": {"confine": True},
        "xAxis": {**axis, "position": "top", "name": "answer", "nameGap": 20},
        "yAxis": {**axis, "inverse": True, "name": "label"},
        "visualMap": {
            "show": False, "min": 0, "max": 100, "dimension": 2,
            "inRange": {"color": [hues.surface, hues.series[0]]},
        },
        "series": [{
            "type": "heatmap", "data": cells,
            "label": {"show": True, "formatter": "{b}", "color": hues.text},
            "tooltip": {"formatter": "{b} rows"},
            "itemStyle": {"borderColor": hues.line, "borderWidth": 1},
        }],
    }  # fmt: skip


def _columns(*, then: bool) -> dict[str, str]:
    told = {"name": "Class", "labels": "Labels", "precision": "Precision", "recall": "Recall"}
    if then:
        told |= {"precision_then": "Precision then", "recall_then": "Recall then"}
    return told


def _row(one: "Class") -> dict[str, object]:
    return {
        "name": one.name, "labels": count(one.recall.of), "precision": _share(one.precision),
        "recall": _share(one.recall), "precision_then": _share(one.precision_then),
        "recall_then": _share(one.recall_then),
    }  # fmt: skip


def _share(one: "Share | None") -> str:
    return (
        "–" if one is None or one.share is None else f"{percent(one.share, 1)} of {count(one.of)}"
    )
