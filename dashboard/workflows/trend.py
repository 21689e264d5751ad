"""How long the last runs took, task by task."""

import streamlit as st

from dashboard.charts.theme import Colours, colours
from dashboard.workflows import states
from dashboard.workflows.figures import ran_s
from dashboard.workflows.grid import Grid

_MOST_TASKS = 7
_REST = "all others"


def draw(shown: Grid, *, key: str) -> None:
    """Draw a bar a run: its tasks one on the other."""
    named = series(shown)
    if not named:
        st.caption("No task of these runs has begun yet.")
        return
    alt = f"How long each task of the last {len(shown.runs)} runs took: {', '.join(named)}"
    st.echarts_chart(spec(shown, named, colours()), height=240, key=key, alt=alt)


def series(shown: Grid) -> dict[str, list[float]]:
    """Return seconds by task, one a run; of many tasks the longest, the rest together."""
    found: dict[str, list[float]] = {}
    for name, _ in shown.tasks:
        values = [
            sum(ran_s(task) or 0.0 for task in shown.cells.get((run.run_id, name), ()))
            for run in shown.runs
        ]
        if any(values):
            found[name] = values
    if len(found) <= _MOST_TASKS:
        return found
    by_size = sorted(found, key=lambda name: -sum(found[name]))
    kept = {name: values for name, values in found.items() if name in by_size[: _MOST_TASKS - 1]}
    rest = [found[name] for name in by_size[_MOST_TASKS - 1 :]]
    return kept | {_REST: [sum(values) for values in zip(*rest, strict=True)]}


def spec(shown: Grid, named: dict[str, list[float]], hues: Colours) -> dict[str, object]:
    """Return the echarts option."""
    longest = max((sum(values) for values in zip(*named.values(), strict=True)), default=0.0)
    divisor, unit = (3600, "h") if longest >= 7200 else (60, "min") if longest >= 120 else (1, "s")
    labels = [
        f"{states.shape(run.state)}\n{run.started_at or run.queued_at:%d %b %H:%M}"
        if run.started_at or run.queued_at
        else states.shape(run.state)
        for run in shown.runs
    ]
    drawn = [
        {
            "type": "bar",
            "name": name,
            "stack": "all",
            "barMaxWidth": 26,
            "data": [round(value / divisor, 3) for value in values],
            "itemStyle": {"color": hues.series[index % len(hues.series)]},
        }
        for index, (name, values) in enumerate(named.items())
    ]
    quiet = {"color": hues.muted, "hideOverlap": True}
    line = {"lineStyle": {"color": hues.line}}
    return {
        "animation": False,
        "grid": {"left": 8, "right": 14, "top": 34, "bottom": 8},
        "tooltip": {"trigger": "axis", "confine": True},
        "legend": {"show": True, "top": 0, "right": 0, "textStyle": {"color": hues.text}},
        "xAxis": {"type": "category", "data": labels, "axisLabel": quiet, "axisLine": line},
        "yAxis": {
            "type": "value",
            "name": unit,
            "axisLabel": quiet,
            "splitLine": line,
            "nameTextStyle": {"color": hues.muted},
        },
        "series": drawn,
    }
