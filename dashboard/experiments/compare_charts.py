"""Curves of several runs over each other, and parallel coordinates."""

from collections.abc import Sequence

import streamlit as st

from dashboard import state
from dashboard.charts import analysis
from dashboard.charts.theme import colours
from dashboard.components import notices
from dashboard.experiments.compare_tables import labels
from dashboard.experiments.curves import FULL, XAxis, line_of, main_metrics, points_each
from dashboard.experiments.offered import offered, one_of
from dashboard.experiments.parallel import Axis, axes_of, varying
from dashboard.experiments.units import unit_of
from dashboard.experiments.wants import want
from dashboard.numbers import counted
from dashboard.text import markup, plain
from services.mirror.models import Curve, FieldInfo, RunDetail

_MOST = 3
_DASHES = ("solid", "dash", "dot")


def curves(details: Sequence[RunDetail], base: int, primary: str | None) -> None:
    """Draw the choice of metrics and one chart a metric with a line a run."""
    steps: dict[str, int] = {}
    for detail in details:
        for name, point in detail.points.items():
            steps[name] = max(steps.get(name, 0), point.step)
    if not any(steps.values()):
        notices.empty(
            "No curve", "None of these runs logged a metric over steps.", icon="show_chart"
        )
        return
    chosen, axis, smoothing = _choice(steps, primary)
    ids = tuple(detail.run.run_id for detail in details)
    mirror = state.mirror()
    missing = mirror.missing_curves(ids, chosen) if chosen else ()
    waiting = want("curve", (f"{run_id}/{key}" for run_id, key in missing))
    lively = any(detail.run.status == "running" for detail in details)
    interval = 1.0 if waiting else 2.0 if lively else None
    heads = labels([detail.run for detail in details], base)
    st.fragment(_charts, run_every=interval)(ids, heads, base, chosen, axis, smoothing)


def _choice(steps: dict[str, int], primary: str | None) -> tuple[tuple[str, ...], XAxis, float]:
    names = [name for name, step in steps.items() if step > 0]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        hits = offered([FieldInfo(n, "number", 1) for n in names], key="cmp-find", noun="curve")
        default = list(main_metrics(steps, primary, 2))
        kept = [n for n in st.session_state.get("cmp-curves", default) if n in steps]
        options = list(dict.fromkeys((*kept, *default, *hits)))
        chosen = st.multiselect(
            "Curves", options, default=default, key="cmp-curves", max_selections=_MOST
        )
        axis: XAxis = st.segmented_control(
            "Horizontal axis", ["step", "time"], default="step", required=True, key="cmp-x"
        )
        smoothing = st.slider("Smoothing", 0.0, 0.99, 0.0, 0.01, key="cmp-smooth", width=200)
    return tuple(chosen), axis, smoothing


def _charts(
    ids: tuple[str, ...],
    heads: list[str],
    base: int,
    chosen: tuple[str, ...],
    axis: XAxis,
    smoothing: float,
) -> None:
    held = {(c.run_id, c.key): c for c in state.mirror().curves(ids, chosen, FULL)}
    want("curve", (f"{i}/{k}" for i, k in state.mirror().missing_curves(ids, chosen)))
    most = points_each(len(ids) * len(chosen) * (2 if smoothing else 1))
    for key in chosen:
        found_curves = [held.get((run_id, key)) for run_id in ids]
        st.markdown(f"**{plain(key, 80)}**")
        absent = sum(curve is None for curve in found_curves)
        if absent == len(ids):
            st.caption("None of these runs has such a curve, or all are still coming.")
            continue
        _overlay(key, found_curves, heads, base, axis, smoothing, most)
        gaps = sum(curve.unfinite for curve in found_curves if curve is not None)
        told = []
        if absent:
            told.append(f"{absent} of {len(ids)} runs have no such curve, or it is still coming")
        if gaps:
            told.append(f"{counted(gaps, 'point')} NaN or infinite, drawn as gaps")
        if smoothing:
            told.append("thin: as logged; thick: smoothed")
        if told:
            st.caption(". ".join(told).capitalize() + ".")


def _overlay(
    key: str,
    found_curves: Sequence[Curve | None],
    heads: Sequence[str],
    base: int,
    axis: XAxis,
    smoothing: float,
    most: int,
) -> None:
    x = "step" if axis == "step" else "seconds since the first point"
    figure = analysis.figure(x=x, y=_axis_title(key))
    palette = colours().series
    for place, curve in enumerate(found_curves):
        if curve is None:
            continue
        colour = palette[place % len(palette)]
        # After eight runs the colours come again: the dash tells the lines apart.
        dash = _DASHES[place // len(palette) % len(_DASHES)]
        width = 3 if place == base else 1.8
        name = markup(heads[place], 60)
        if smoothing:
            raw = line_of(curve, axis, 0.0, most)
            figure.add_scatter(
                x=raw.xs,
                y=raw.ys,
                mode="lines",
                opacity=0.28,
                hoverinfo="skip",
                showlegend=False,
                line={"color": colour, "width": 1},
            )
        line = line_of(curve, axis, smoothing, most)
        figure.add_scatter(
            x=line.xs,
            y=line.ys,
            mode="lines",
            name=name,
            line={"color": colour, "width": width, "dash": dash},
        )
    figure.update_layout(hovermode="x unified")
    analysis.draw(figure, key=f"cmp-chart-{key}")


def _axis_title(key: str) -> str:
    unit = unit_of(key)
    return f"{markup(key, 60)}{f' ({unit})' if unit else ''}"


def parallel(details: Sequence[RunDetail], primary: str | None) -> None:
    """Draw one axis a parameter that varies, coloured by a metric."""
    runs = [detail.run for detail in details]
    names = sorted({name for run in runs for name in run.metrics})
    if not names:
        notices.empty("No metric", "None of these runs logged a metric.", icon="query_stats")
        return
    first = primary if primary in names else names[0]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        fields = [FieldInfo(name, "number", 1) for name in names]
        chosen = one_of("Metric", fields, key="cmp-parallel", noun="metric", first=(first,))
    metric = chosen or first
    axes, kept = axes_of(runs, metric)
    if len(axes) < 2:
        notices.empty(
            "Nothing to draw",
            "Parallel coordinates need two runs with this metric and a parameter in which they "
            "differ.",
            icon="conversion_path",
        )
        return
    _parallel(axes)
    left_out = len(runs) - len(kept)
    told = "Drag along an axis to keep only the runs that pass there."
    if left_out:
        told += f" {counted(left_out, 'run')} without a finite {plain(metric, 60)} left out."
    differing = len(varying([runs[place] for place in kept]))
    if differing >= len(axes):
        told += f" {len(axes) - 1} of {differing:,} parameters that differ are drawn."
    st.caption(told)


def _parallel(axes: Sequence[Axis]) -> None:
    import plotly.graph_objects as go

    hues = colours()
    values = axes[-1].values
    figure = go.Figure(
        go.Parcoords(
            line={
                "color": values,
                # The palest steps of the scale would not stand out from the page.
                "colorscale": _stretched(hues.sequential[3:]),
                "showscale": True,
                "colorbar": {"title": {"text": ""}, "thickness": 10},
            },
            dimensions=[_dimension(axis) for axis in axes],
            labelfont={"color": hues.text, "size": 12},
            tickfont={"color": hues.muted, "size": 11},
            rangefont={"color": "rgba(0,0,0,0)"},
        ),
        layout={
            "height": 420,
            "margin": {"l": 60, "r": 40, "t": 48, "b": 24},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": hues.text},
        },
    )
    analysis.draw(figure, key="cmp-parcoords")


def _stretched(scale: Sequence[str]) -> list[list[object]]:
    return [[place / (len(scale) - 1), hue] for place, hue in enumerate(scale)]


def _dimension(axis: Axis) -> dict[str, object]:
    found_dimension: dict[str, object] = {"label": markup(axis.title, 24), "values": axis.values}
    if axis.ticks:
        found_dimension["tickvals"] = [place for place, _ in axis.ticks]
        found_dimension["ticktext"] = [markup(word, 24) for _, word in axis.ticks]
    return found_dimension
