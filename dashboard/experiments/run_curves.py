"""The curves of one run: live while it runs, drawn once when it has ended."""

from collections.abc import Sequence

import streamlit as st

from dashboard import state
from dashboard.charts import small
from dashboard.components import dialogs, notices
from dashboard.experiments.access import detail_of
from dashboard.experiments.columns import found
from dashboard.experiments.curves import (
    FULL,
    XAxis,
    line_of,
    main_metrics,
    points_each,
)
from dashboard.experiments.units import figure, unit_of
from dashboard.experiments.wants import want
from dashboard.numbers import counted
from dashboard.text import plain
from services.mirror.models import Curve, FieldInfo, MetricPoint, RunDetail

LIVE_S = 1.5
_WAIT_S = 1.0
_MOST = 8
_OFFERED = 100


def draw(detail: RunDetail, primary: str | None) -> None:
    """Draw the choice of metrics and their curves."""
    stepped = {name: point.step for name, point in detail.points.items()}
    if not any(step > 0 for step in stepped.values()):
        if detail.run.status == "running":
            st.caption("No metric has been logged over steps yet; curves appear as they come.")
            st.fragment(_await_first, run_every=LIVE_S)(detail.run.run_id)
            return
        notices.empty(
            "No curve",
            "This run logged no metric over steps; its last values are under Metrics.",
            icon="show_chart",
        )
        return
    chosen = _choice(stepped, primary)
    axis, smoothing = _look()
    running = detail.run.status == "running"
    waiting = bool(state.mirror().missing_curves((detail.run.run_id,), chosen)) if chosen else False
    interval = redraw_s(running=running, waiting=waiting)
    st.fragment(_charts, run_every=interval)(detail.run.run_id, chosen, axis, smoothing, running)


def redraw_s(*, running: bool, waiting: bool) -> float | None:
    """Return how often the curves are drawn again: never when there is nothing to come."""
    return LIVE_S if running else _WAIT_S if waiting else None


def _await_first(run_id: str) -> None:
    detail = detail_of(run_id)
    if detail.run.status != "running" or any(p.step > 0 for p in detail.points.values()):
        dialogs.redraw()


def _choice(stepped: dict[str, int], primary: str | None) -> tuple[str, ...]:
    names = [name for name, step in stepped.items() if step > 0]
    default = list(main_metrics(stepped, primary))
    text = ""
    if len(names) > _OFFERED:
        text = st.text_input(
            f"Find one of {len(names):,} curves", key="run-find", type="search", live="200ms"
        )
    hits, total = found([FieldInfo(n, "number", 1) for n in names], text, limit=_OFFERED)
    kept = [n for n in st.session_state.get("run-curves", default) if n in stepped]
    options = list(dict.fromkeys((*kept, *default, *(hit.name for hit in hits))))
    if total > len(hits):
        st.caption(f"{total:,} curves match; {len(hits)} are offered.")
    chosen = st.multiselect(
        "Curves", options, default=default, key="run-curves", max_selections=_MOST
    )
    return tuple(chosen)


def _look() -> tuple[XAxis, float]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        axis: XAxis = st.segmented_control(
            "Horizontal axis", ["step", "time"], default="step", required=True, key="run-x"
        )
        smoothing = st.slider("Smoothing", 0.0, 0.99, 0.0, 0.01, key="run-smooth", width=260)
    return axis, smoothing


def _charts(
    run_id: str,
    chosen: Sequence[str],
    axis: XAxis,
    smoothing: float,
    running: bool,  # noqa: FBT001 - a fragment's arguments are stored by place
) -> None:
    detail = detail_of(run_id)
    if running and detail.run.status != "running":
        dialogs.redraw()
    mirror = state.mirror()
    held = {curve.key: curve for curve in mirror.curves((run_id,), chosen, FULL)}
    missing = [key for key in chosen if key not in held]
    asked = want("curve", (f"{run_id}/{key}" for key in missing))
    most = points_each(len(chosen))
    with st.grid(2, min_column_width=360):
        for key in chosen:
            with st.container(border=True):
                point = detail.points.get(key)
                if key in held:
                    _chart(held[key], point, axis, smoothing, most)
                else:
                    _awaited(key, asked > 0)


def _chart(
    curve: Curve, point: MetricPoint | None, axis: XAxis, smoothing: float, most: int
) -> None:
    last = f" · {figure(curve.key, point.value)} at step {point.step:,}" if point else ""
    st.markdown(f"**{plain(curve.key, 60)}**{last}")
    line = line_of(curve, axis, smoothing, most)
    small.lines(
        {curve.key: (line.xs, line.ys)},
        key=f"run-curve-{curve.key}",
        unit=unit_of(curve.key),
        x_name="step" if axis == "step" else "seconds since the first point",
        height_px=230,
    )
    if curve.unfinite:
        of = f"{counted(curve.unfinite, 'point')} of {curve.points_total:,}"
        st.caption(f":material/warning: {of} NaN or infinite, drawn as gaps.")


def _awaited(key: str, coming: bool) -> None:  # noqa: FBT001 - private
    st.markdown(f"**{plain(key, 60)}**")
    if coming:
        st.skeleton(height=230)
        return
    st.caption(
        "The curve has not come from MLflow. The controller fetches it when it runs: see "
        "`mlops status`."
    )
