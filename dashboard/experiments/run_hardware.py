"""The machine under a run: what it used and ran under, its curves beside the training's."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from dashboard import machines, navigation, state
from dashboard.charts import timeline
from dashboard.charts.timeline import Line, Panel
from dashboard.components import notices, tiles
from dashboard.components.notices import advice
from dashboard.experiments import run_roofline, run_why
from dashboard.experiments.access import detail_of
from dashboard.experiments.curves import line_of, main_metrics
from dashboard.experiments.run_conditions import conditions_of, energy_of, sentences, uses
from dashboard.experiments.run_machine import Found, interval, machine_of
from dashboard.experiments.units import unit_of
from dashboard.experiments.wants import want
from dashboard.hardware import access, happenings, panels, window
from dashboard.hardware.happened import happened
from dashboard.hardware.readings import MISSING, chip_line
from dashboard.hardware.why import clocks
from dashboard.numbers import size_unit
from dashboard.text import plain
from services.mirror.models import Curve, Run, RunDetail
from services.telemetry.models import HostState, Series

LIVE_S = 4.0
_POINTS = 240
_CURVES = 3
_CURVE_POINTS = 500
_EDGE = timedelta(seconds=2)


def draw(detail: RunDetail, primary: str | None) -> None:
    """Draw all of it."""
    _used(detail.run)
    _under(detail.run)
    found = machine_of(detail.run, machines.telemetry().hosts())
    if found.host is not None and detail.run.started_at is not None:
        run_why.draw(detail, found.host)
    run_roofline.draw(detail, found.host)
    every = LIVE_S if detail.run.status == "running" else None
    st.fragment(_curves, run_every=every)(detail.run.run_id, primary)


def _used(run: Run) -> None:
    told, why = energy_of(run)
    used = uses(run)
    if told == MISSING and all(figure == MISSING for _, figure, _ in used):
        st.caption(f"Energy, CPU and GPU time and memory are unavailable: {plain(why, 300)}")
        return
    with st.grid(6, min_column_width=130):
        tiles.tile("Energy", told, why=why)
        for name, figure, what in used:
            tiles.tile(name, figure, why=what)
    if told == MISSING:
        st.caption(f"Energy is unavailable: {plain(why, 300)}")
    else:
        st.caption(f"Energy. {plain(why, 300)}")


def _under(run: Run) -> None:
    found = conditions_of(run)
    if found is None:
        return
    told = sentences(found, access.owner_name)
    st.markdown("**What it ran under**")
    st.markdown("\n".join(f"- {plain(sentence, 300)}" for sentence in told))


def _curves(run_id: str, primary: str | None) -> None:
    detail = detail_of(run_id)
    span = interval(detail)
    if span is None:
        _not_sampled("The run does not say when it began.")
        return
    found = machine_of(detail.run, machines.telemetry().hosts())
    if found.host is None:
        _not_sampled(found.reason, found.hint)
        return
    start, end = within(window.named(datetime.now(UTC)), span)
    sampled = _sampled(found.host, start, end)
    made = panels.panels(panels.IN_RUN, sampled, found.host.machine)
    _head(found.host, start, end, zoomed=(start, end) != span)
    if not made:
        _not_sampled(*_silence(found, start, end))
        return
    training = _training(detail, primary)
    told = happened(found.host, start, end)
    others = [one for one in told.found if one.run_id != run_id]
    picked = timeline.draw(
        (*training, *made),
        start,
        end,
        # What was dragged belongs to the chart of its window.
        key=f"run-hardware-{start:%d%H%M%S}-{end:%d%H%M%S}"
        if (start, end) != span
        else "run-hardware",
        bands=happenings.bands(sampled),
        marks=happenings.marks(others, start, end),
        pick=True,
    )
    if picked is not None:
        window.enter(window.Window(*picked))
        st.rerun(scope="app")
    _fineprint(sampled, training=bool(training))


def within(
    named: window.Window | None, span: tuple[datetime, datetime]
) -> tuple[datetime, datetime]:
    """Return the part of a run's time the address names; all of it where that is none."""
    if named is None:
        return span
    start, end = max(named.start, span[0]), min(named.end, span[1])
    return (start, end) if end - start >= _EDGE else span


def _sampled(host: HostState, start: datetime, end: datetime) -> dict[str, Series]:
    wanted = panels.metrics(panels.IN_RUN)
    found = machines.telemetry().series(host.machine.host, wanted, start, end, _POINTS)
    return {series.metric: series for series in found}


def _silence(found: Found, start: datetime, end: datetime) -> tuple[str, str]:
    host = found.host
    name = host.machine.host if host else "The machine"
    if host is not None and host.last_at is not None and host.last_at < start:
        return f"{name} had stopped reporting before the run began.", ""
    if end - start < 2 * _EDGE:
        return f"The run was shorter than the time between two samples of {name}.", ""
    return f"{name} sent no sample while it ran, or they are older than what is kept.", ""


def _head(host: HostState, start: datetime, end: datetime, *, zoomed: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(host.machine.host, 60)}**", width="content")
        st.caption(plain(chip_line(host.machine), 200), width="stretch")
        if zoomed:
            told = clocks(start, end, state.zone())
            st.badge(plain(told), icon=":material/zoom_in:", color="blue")
            if st.button(
                "Whole run", icon=":material/zoom_out_map:", key="run-whole", type="tertiary"
            ):
                window.leave()
                st.rerun(scope="app")
        if navigation.has("hardware"):
            navigation.link(
                "hardware",
                "All curves of the machine",
                icon="memory",
                host=host.machine.host,
                **window.parameters(window.Window(start, end + timedelta(seconds=1))),
            )


def _training(detail: RunDetail, primary: str | None) -> tuple[Panel, ...]:
    """Return the run's own main curves; those not fetched yet are asked for."""
    run_id = detail.run.run_id
    stepped = {name: point.step for name, point in detail.points.items()}
    chosen = main_metrics(stepped, primary, _CURVES)
    if not chosen:
        return ()
    held = {curve.key: curve for curve in state.mirror().curves((run_id,), chosen, _CURVE_POINTS)}
    missing = [key for key in chosen if key not in held]
    if missing:
        want("curve", (f"{run_id}/{key}" for key in missing))
        st.caption(
            f"Not fetched from MLflow yet: {plain(', '.join(missing), 200)}. They appear here when "
            "the page is opened again."
        )
    return tuple(_panel(held[key]) for key in chosen if key in held and held[key].times)


def _panel(curve: Curve) -> Panel:
    line = line_of(curve, "time", 0.0, _CURVE_POINTS)
    begun = curve.times[0]
    times = [begun + timedelta(seconds=x) for x in line.xs]
    unit, values = _in_unit(unit_of(curve.key), line.ys)
    return Panel(
        curve.key[:60], unit, (Line(f"{curve.key[:60]} logged", times, values),), bottom=None
    )


def _in_unit(unit: str, ys: Sequence[float | None]) -> tuple[str, list[float | None]]:
    if unit != "B":
        return unit, list(ys)
    divisor, unit = size_unit(max((abs(y) for y in ys if y is not None), default=0.0))
    return unit, [None if y is None else y / divisor for y in ys]


def _fineprint(sampled: dict[str, Series], *, training: bool) -> None:
    parts = ["All panels share one time axis."] if training else []
    parts.append("Where nothing was sampled there is a gap.")
    estimates = panels.estimated(panels.IN_RUN, sampled)
    if estimates:
        parts.append(f"Estimated: {', '.join(estimates)}.")
    lacking = panels.missing(panels.IN_RUN, sampled)
    parts += [
        f"Unavailable: {', '.join(titles)} ({plain(reason.rstrip('.') or 'nobody says why', 200)})."
        for reason, titles in lacking.items()
    ]
    st.caption(" ".join(parts))


def _not_sampled(reason: str, hint: str = "") -> None:
    notices.empty(
        "Not sampled",
        f"There are no hardware curves of this run. {plain(reason, 300)} {advice(hint)}".strip(),
        icon="memory",
    )
