"""Small and live charts (echarts: a few milliseconds and kilobytes each)."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import streamlit as st

from dashboard.charts.theme import colours
from dashboard.numbers import size_unit

Spec = dict[str, object]


def bars_per_day(days: Sequence[tuple[date, int, int]], *, key: str, height_px: int = 180) -> None:
    """Draw per day how many started, and of them how many failed, stacked."""
    hues = colours()
    labels = [f"{day:%d %b}" for day, _, _ in days]
    good = [started - failed for _, started, failed in days]
    series = [
        _bars("ended well or run", good, hues.accent),
        _bars("failed or lost", [failed for _, _, failed in days], hues.bad),
    ]
    spec = _frame(
        series, xAxis={"type": "category", "data": labels}, yAxis=_value_axis("runs", whole=True)
    )
    started, failed = sum(d[1] for d in days), sum(d[2] for d in days)
    alt = f"Runs per day over {len(days)} days: {started} started, {failed} of them failed or lost"
    st.echarts_chart(spec, height=height_px, key=key, alt=alt)


def lines(
    series: Mapping[str, tuple[Sequence[float | datetime], Sequence[float | None]]],
    *,
    key: str,
    unit: str = "",
    x_name: str = "step",
    height_px: int = 220,
    log: bool = False,
) -> None:
    """Draw lines, one a name; x is steps, or times; a None leaves a gap.

    Bytes (the unit ``B``) are drawn in the largest unit that fits them.
    """
    hues = colours()
    divisor = 1.0
    if unit == "B":
        present = (abs(y) for _, ys in series.values() for y in ys if y is not None)
        divisor, unit = size_unit(max(present, default=0.0))
    timed = any(x and isinstance(x[0], datetime) for x, _ in series.values())
    drawn = [
        {
            "type": "line",
            "name": name,
            "showSymbol": False,
            "sampling": "lttb",
            "lineStyle": {"width": 1.8},
            "itemStyle": {"color": hues.series[index % len(hues.series)]},
            "data": [
                [_coordinate(x), None if y is None else y / divisor]
                for x, y in zip(xs, ys, strict=True)
            ],
        }
        for index, (name, (xs, ys)) in enumerate(series.items())
    ]
    axis: Spec = {
        "type": "time" if timed else "value",
        "min": "dataMin",
        "max": "dataMax",
        **({} if timed else {"minInterval": 1}),
        "name": x_name,
        "nameLocation": "middle",
        "nameGap": 26,
    }
    value = _value_axis(unit) | ({"type": "log"} if log else {"scale": True})
    spec = _frame(drawn, xAxis=axis, yAxis=value)
    st.echarts_chart(spec, height=height_px, key=key, alt=f"Lines: {', '.join(series)}")


def _bars(name: str, values: Sequence[int], colour: str) -> Spec:
    return {
        "type": "bar",
        "name": name,
        "stack": "all",
        "data": list(values),
        "itemStyle": {"color": colour},
        "barMaxWidth": 18,
    }


def _frame(series: Sequence[Spec], **axes: Spec) -> Spec:
    hues = colours()
    named = len(series) > 1
    for axis in axes.values():
        axis.setdefault("axisLabel", {"color": hues.muted, "hideOverlap": True})
        axis.setdefault("axisLine", {"lineStyle": {"color": hues.line}})
        axis.setdefault("splitLine", {"lineStyle": {"color": hues.line}})
        axis.setdefault("nameTextStyle", {"color": hues.muted})
    axes["xAxis"]["splitLine"] = {"show": False}
    return {
        "animation": False,
        "grid": {"left": 8, "right": 14, "top": 34 if named else 26, "bottom": 8},
        "tooltip": {"trigger": "axis", "confine": True},
        "legend": {"show": named, "top": 0, "right": 0, "textStyle": {"color": hues.text}},
        "series": list(series),
        **axes,
    }


def _value_axis(unit: str, *, whole: bool = False) -> Spec:
    return {"type": "value", "name": unit, **({"minInterval": 1} if whole else {})}


def _coordinate(x: float | datetime) -> float | str:
    return x.isoformat() if isinstance(x, datetime) else x
