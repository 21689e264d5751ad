"""How near a run came to its chip's limits: two bars, the roofline, or why nobody can say."""

from dataclasses import dataclass

import streamlit as st

from dashboard import state
from dashboard.charts import roof
from dashboard.charts.theme import Colours, colours
from dashboard.experiments.environment import environment_of
from dashboard.experiments.wants import want
from dashboard.numbers import number, percent
from dashboard.text import markup, plain
from services.mirror.models import RunDetail
from services.telemetry.asking import meant_for_gpu
from services.telemetry.figures import Figure
from services.telemetry.models import HostState
from services.telemetry.roofline import (
    SPEEDS,
    Limits,
    Roofline,
    decoding,
    limits_of,
    mean_speeds,
    roofline,
)

_POINTS = 100_000
"""More than runs have: a thinned curve would bend the mean."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One limit, and how much of it was reached."""

    name: str
    ratio: Figure
    whole: str
    quality: str
    """Of the limit."""


def draw(detail: RunDetail, host: HostState | None) -> None:
    """Draw how near it came."""
    st.markdown("**How near it came to what the chip can do**")
    limits = limits_for(detail, host)
    on_gpu = meant_for_gpu(detail.run.tags)
    figures, last = _figures(detail)
    found = {"While it trained": roofline(figures, limits, on_gpu=on_gpu)}
    generated = decoding(figures, limits, on_gpu=on_gpu)
    if generated is not None:
        found["While it generated"] = generated
    known = {name: one for name, one in found.items() if _told(one)}
    if limits is None or not known:
        said = (generated or found["While it trained"]).said
        _reason(said, can_log=limits is not None and on_gpu is not False)
        return
    dots = [
        roof.Dot(name, one.intensity.value, one.flops.value)
        for name, one in known.items()
        if one.intensity.value is not None and one.flops.value is not None
    ]
    if dots and limits.flops and limits.bandwidth_bytes_s:
        left, right = st.columns([1, 1], gap="medium")
        with right:
            roof.draw(dots, limits.flops, limits.bandwidth_bytes_s, key="run-roof")
    else:
        left = st.container()
    with left:
        for name, one in known.items():
            _one(name, one, limits, named=len(found) > 1)
        _fineprint(limits, last=last)


def limits_for(detail: RunDetail, host: HostState | None) -> Limits | None:
    """Return the limits of a run's chip: by its machine, else by the chip the client tagged."""
    if host is not None:
        return limits_of(host.machine.chip, host.machine.gpu_cores)
    return limits_of(environment_of(detail.run).chip, None)


def bars(found: Roofline, limits: Limits) -> tuple[Bar, ...]:
    """Return both limits, each with how much of it was reached or why that is not known."""
    whole = limits.bandwidth_bytes_s
    flops = limits.flops
    return (
        Bar("Memory bandwidth", found.bandwidth_ratio,
            f"{number(whole / 1e9)} GB/s" if whole else "", "as Apple publishes"),
        Bar("Arithmetic", found.flops_ratio,
            f"{number(flops / 1e12, 3)} TFLOPS fp32" if flops else "", limits.flops_quality),
    )  # fmt: skip


def html(shown: tuple[Bar, ...], hues: Colours) -> str:
    """Return bars as HTML of our own."""
    return f'<div style="display:grid;gap:10px">{"".join(_bar(one, hues) for one in shown)}</div>'


def _figures(detail: RunDetail) -> tuple[dict[str, float | str], bool]:
    """Return what the run logged with its mean speeds; and whether one is its last step's alone."""
    run = detail.run
    speeds = [name for name in SPEEDS if name in detail.points]
    mirror = state.mirror()
    held = mean_speeds(mirror.curves((run.run_id,), speeds, _POINTS)) if speeds else {}
    missing = [n for n in speeds if n not in held and detail.points[n].step > 0]
    if missing:
        want("curve", (f"{run.run_id}/{name}" for name in missing))
    return {**run.params, **run.metrics, **held}, bool(missing)


def _told(found: Roofline) -> bool:
    return found.flops_ratio.value is not None or found.bandwidth_ratio.value is not None


def _reason(said: str, *, can_log: bool) -> None:
    how = (
        "A run says it with `flops_per_token` (or `_per_sample`, `_per_step`) and `bytes_per_…` "
        "beside the speed it logs."
    )
    st.caption(f"{plain(said, 400)} {how if can_log else ''}".strip())


def _one(name: str, found: Roofline, limits: Limits, *, named: bool) -> None:
    if named:
        st.markdown(name)
    st.html(html(bars(found, limits), colours()))
    st.caption(plain(found.said, 400))


def _fineprint(limits: Limits, *, last: bool) -> None:
    parts = [
        "What was reached is an estimate: operations and bytes are what the run says of its "
        "work. The bandwidth of the chip is Apple’s figure; its arithmetic is cores × 128 lanes "
        f"× 2 × clock ({limits.flops_quality})."
    ]
    if last:
        parts.append("The speed is that of its last steps: its curve is being fetched from MLflow.")
    st.caption(" ".join(parts))


def _bar(one: Bar, hues: Colours) -> str:
    value = one.ratio.value
    head = f"font-size:13px;line-height:18px;color:{hues.text}"
    muted = f"font-size:12px;line-height:17px;color:{hues.muted}"
    whole = f"of {one.whole}, {one.quality}" if one.whole else ""
    if value is None:
        return (
            f'<div><div style="{head}">{markup(one.name)}: <em>unavailable</em></div>'
            f'<div style="{muted}">{markup(one.ratio.reason)}</div></div>'
        )
    wide = min(100.0, 100 * value)
    hue = hues.warn if value > 1 else hues.accent
    return (
        f'<div><div style="{head}">{markup(one.name)}: <strong>≈ {percent(value)}</strong> '
        f'<span style="{muted}">{markup(whole)}</span></div>'
        f'<div style="background:{hues.line};border-radius:4px;height:10px;margin-top:4px">'
        f'<div style="background:{hue};border-radius:4px;height:10px;width:{wide:.1f}%"></div>'
        f"</div></div>"
    )
