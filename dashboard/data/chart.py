"""How a project's data grew: the size of each version over time."""

from collections.abc import Sequence
from datetime import tzinfo

import streamlit as st

from dashboard.charts.theme import colours
from dashboard.numbers import counted, size, size_unit
from services.data.models import Version

_HEIGHT_PX = 150


def draw(versions: Sequence[Version], zone: tzinfo, shown: str | None = None) -> None:
    """Draw the size of versions, newest first, over the time they were made; two or more."""
    if len(versions) < 2:
        return
    oldest_first = versions[::-1]
    st.echarts_chart(
        spec(oldest_first, zone, shown),
        height=_HEIGHT_PX,
        key="data-sizes",
        alt=f"Size of {counted(len(versions), 'version')} over time: from "
        f"{size(oldest_first[0].bytes)} to {size(oldest_first[-1].bytes)}",
    )


def spec(oldest_first: Sequence[Version], zone: tzinfo, shown: str | None) -> dict[str, object]:
    """Return the chart: a step at each version, the present one and the one looked at marked."""
    hues = colours()
    divisor, unit = size_unit(max(version.bytes for version in oldest_first))
    last = len(oldest_first) > 60
    points = [
        {
            "name": version.revision,
            "value": [version.at.astimezone(zone).isoformat(), version.bytes / divisor],
            "symbolSize": _symbol(version, shown, many=last),
            "itemStyle": {"color": hues.good if version.current else hues.accent},
        }
        for version in oldest_first
    ]
    label = {"color": hues.muted, "hideOverlap": True}
    line = {"lineStyle": {"color": hues.line}}
    return {
        "animation": False,
        "grid": {"left": 8, "right": 14, "top": 26, "bottom": 8},
        "tooltip": {"trigger": "axis", "confine": True},
        "xAxis": {
            "type": "time",
            "axisLabel": label,
            "axisLine": line,
            "splitLine": {"show": False},
        },
        "yAxis": {
            "type": "value",
            "name": unit,
            "min": 0,
            "axisLabel": label,
            "axisLine": line,
            "splitLine": line,
            "splitNumber": 3,
            "nameTextStyle": {"color": hues.muted},
        },
        "series": [
            {
                "type": "line",
                "name": f"size ({unit})",
                "step": "end",
                "lineStyle": {"width": 1.8, "color": hues.accent},
                "areaStyle": {"color": hues.accent, "opacity": 0.08},
                "data": points,
            }
        ],
    }


def _symbol(version: Version, shown: str | None, *, many: bool) -> int:
    if version.revision == shown:
        return 11
    if version.current:
        return 9
    return 3 if many else 6
