"""How near a run came to what its chip can do: memory bandwidth and arithmetic.

The roofline model of Williams, Waterman and Patterson, "Roofline: an insightful visual performance
model for multicore architectures", CACM 52(4), 2009: attainable = min(peak, intensity × bandwidth),
with the intensity in operations a byte of memory traffic.

Neither operations nor bytes are measured here: no counter of them is open to users. They are
what the run says of its work, so it has to log it. Of its metrics and parameters are understood:

- ``tokens_per_s``, ``samples_per_s``, ``step_time_ms``, which ``TrainingLogger`` logs (give their
  means over the run, see ``mean_speeds``: the last step alone is noise);
- ``flops_per_token``, ``flops_per_sample``, ``flops_per_step``;
- ``bytes_per_token``, ``bytes_per_sample``, ``bytes_per_step``: memory traffic;
- ``weight_bytes`` with ``tokens_per_s``, of a run that generates for one sequence at a time
  (``batch_size`` 1): every token reads all weights once, so their size is a lower bound of the
  traffic (Pope et al., "Efficiently scaling transformer inference", 2022).

A run that trains and then generates has two speeds. That of generating, one sequence at a time, is
logged as ``decode_tokens_per_s``, with ``weight_bytes`` and ``flops_per_decoded_token``: see
``decoding``.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from services.engines.silicon.chips import chip as known_chip
from services.mirror.models import Curve
from services.telemetry.figures import Figure, estimated, percent, unavailable

_UNITS = ("token", "sample", "step")

NEAR = 0.6
"""From this share of a limit on it is called the limit. Ours: published limits are never reached
in full, and a run that is at less than this of both waits for something else."""

SPEEDS = (*(f"{unit}s_per_s" for unit in _UNITS[:2]), "step_time_ms")
"""Metrics that tell a run's speed."""

_DECODING = {
    "decode_tokens_per_s": "tokens_per_s",
    "flops_per_decoded_token": "flops_per_token",
    "weight_bytes": "weight_bytes",
}

_NO_SPEED = "it logged neither tokens_per_s, samples_per_s nor step_time_ms"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a chip can do."""

    name: str
    bandwidth_bytes_s: float | None
    flops: float | None
    """Operations per second in fp32."""
    flops_quality: Literal["measured", "estimated"] = "estimated"
    """Apple publishes none: cores × lanes × 2 × clock."""


def limits_of(name: str | None, gpu_cores: int | None) -> Limits | None:
    """Return what a chip can do, by our table; None when it is not in it."""
    found = known_chip(name)
    if found is None:
        return None
    return Limits(found.name, found.bandwidth_bytes_s(gpu_cores), found.fp32_flops(gpu_cores))


def mean_speeds(curves: Iterable[Curve]) -> dict[str, float]:
    """Return a run's mean speeds, by the curves of ``SPEEDS``.

    Of times the arithmetic mean, of rates the harmonic one: points are steps of about the same
    work, so the mean rate is all work by all time. Thinned curves keep extremes, which bends it;
    give whole ones.
    """
    out = {}
    for curve in curves:
        values = [value for value in curve.values if 0 < value < math.inf]
        if curve.key in SPEEDS and values:
            rate = curve.key != "step_time_ms"
            total = sum(1 / value if rate else value for value in values)
            out[curve.key] = len(values) / total if rate else total / len(values)
    return out


@dataclass(frozen=True, slots=True)
class Roofline:
    """A run under the roof of its chip."""

    flops: Figure
    """Operations per second."""
    bytes_s: Figure
    """Memory traffic in bytes per second."""
    intensity: Figure
    """Operations a byte."""
    attainable_flops: Figure
    """What the chip could do at that intensity."""
    flops_ratio: Figure
    """Share of the peak, 0–1. Above 1: see the reason."""
    bandwidth_ratio: Figure
    limit: Literal["bandwidth", "compute"] | None
    """What it came near to; None: neither, or not known."""
    said: str


def roofline(
    figures: Mapping[str, float | str], limits: Limits | None, *, on_gpu: bool | None = True
) -> Roofline:
    """Return how near a run came to the limits of its chip.

    Args:
        figures: The run's last metrics and its parameters; those that are no numbers are ignored.
        limits: Of its chip; None when our table does not have it.
        on_gpu: Whether it computed on the GPU, whose limits these are. None: nobody said.
    """
    numbers = {name: n for name, value in figures.items() if (n := _number(value)) is not None}
    flops, traffic = _rate(numbers, "flops"), _traffic(numbers)
    reason = _why_no_limits(limits, on_gpu=on_gpu)
    if limits is None or reason:
        none = unavailable(reason)
        return Roofline(flops, traffic, none, none, none, none, None, f"Not known: {reason}.")
    intensity = _quotient(flops, traffic, 1.0, "of what the run says of its work")
    peak = _limit(limits.flops, f"the GPU clock of {limits.name} is not published")
    bandwidth = _limit(
        limits.bandwidth_bytes_s, f"the bandwidth of {limits.name} depends on its GPU"
    )
    flops_ratio = _quotient(flops, peak, 1.0, "the peak is cores × 128 lanes × 2 × clock, in fp32")
    bandwidth_ratio = _quotient(traffic, bandwidth, 1.0, "of the published bandwidth")
    limit = _nearest(flops_ratio.value, bandwidth_ratio.value)
    return Roofline(
        flops=flops,
        bytes_s=traffic,
        intensity=intensity,
        attainable_flops=_attainable(intensity, peak, bandwidth),
        flops_ratio=_possible(flops_ratio, "it computes in less than fp32, or logs too much"),
        bandwidth_ratio=_possible(bandwidth_ratio, "caches serve a part, or it logs too much"),
        limit=limit,
        said=_said(flops_ratio, bandwidth_ratio, limit, limits),
    )


def decoding(
    figures: Mapping[str, float | str], limits: Limits | None, *, on_gpu: bool | None = True
) -> Roofline | None:
    """Return how near a run came while it generated; None when it did not log how fast it did."""
    if "decode_tokens_per_s" not in figures:
        return None
    given: dict[str, float | str] = {
        name: figures[logged] for logged, name in _DECODING.items() if logged in figures
    }
    return roofline({**given, "batch_size": 1}, limits, on_gpu=on_gpu)


def _why_no_limits(limits: Limits | None, *, on_gpu: bool | None) -> str:
    if limits is None:
        return "the chip is not in the table of Apple’s chips"
    if on_gpu is False:
        return "it computed on the CPU, and the limits are those of the GPU"
    return ""


def _number(value: float | str) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 < number < float("inf") else None


def _speeds(numbers: Mapping[str, float]) -> dict[str, float]:
    """Return how many of each unit were done per second."""
    speeds = {unit: numbers[f"{unit}s_per_s"] for unit in _UNITS if f"{unit}s_per_s" in numbers}
    if "step_time_ms" in numbers:
        speeds["step"] = 1000 / numbers["step_time_ms"]
    return speeds


def _rate(numbers: Mapping[str, float], what: str) -> Figure:
    """Return ``what`` per second, by the first unit of which both are logged."""
    speeds = _speeds(numbers)
    for unit in _UNITS:
        each = numbers.get(f"{what}_per_{unit}")
        if each is not None and unit in speeds:
            return estimated(each * speeds[unit], f"{what}_per_{unit} as the run logged it")
    if not speeds:
        return unavailable(_NO_SPEED)
    wanted = " or ".join(f"{what}_per_{unit}" for unit in _UNITS if unit in speeds)
    return unavailable(f"it did not log {wanted}")


def _traffic(numbers: Mapping[str, float]) -> Figure:
    logged = _rate(numbers, "bytes")
    weights, tokens = numbers.get("weight_bytes"), numbers.get("tokens_per_s")
    if logged.value is not None or weights is None or tokens is None:
        return logged
    if numbers.get("batch_size") != 1:
        return unavailable(
            "weight_bytes tells the traffic only of a run with batch_size 1; log bytes_per_token"
        )
    return estimated(weights * tokens, "every token reads all weights once: a lower bound")


def _limit(value: float | None, reason: str) -> Figure:
    return unavailable(reason) if value is None else estimated(value, "from our table of chips")


def _quotient(part: Figure, whole: Figure, factor: float, reason: str) -> Figure:
    for figure in (part, whole):
        if figure.value is None:
            return figure
    assert part.value is not None  # noqa: S101 - told above
    assert whole.value  # noqa: S101 - only figures above 0 get here
    return estimated(factor * part.value / whole.value, reason)


def _attainable(intensity: Figure, peak: Figure, bandwidth: Figure) -> Figure:
    for figure in (intensity, peak, bandwidth):
        if figure.value is None:
            return figure
    roof = (intensity.value or 0.0) * (bandwidth.value or 0.0)
    return estimated(min(peak.value or 0.0, roof), "min(peak, intensity × bandwidth)")


def _possible(ratio: Figure, why_above: str) -> Figure:
    if ratio.value is None or ratio.value <= 1:
        return ratio
    return estimated(ratio.value, f"more than the chip can do: {why_above}")


def _nearest(
    flops: float | None, bandwidth: float | None
) -> Literal["bandwidth", "compute"] | None:
    nearest = max(flops or 0.0, bandwidth or 0.0)
    if nearest < NEAR:
        return None
    return "bandwidth" if (bandwidth or 0.0) >= (flops or 0.0) else "compute"


def _said(flops: Figure, bandwidth: Figure, limit: str | None, limits: Limits) -> str:
    known = []
    if bandwidth.value is not None and limits.bandwidth_bytes_s:
        whole = f"{limits.bandwidth_bytes_s / 1e9:g} GB/s"
        known.append(f"{percent(bandwidth.value)} of the memory bandwidth ({whole})")
    if flops.value is not None and limits.flops:
        whole = f"{limits.flops / 1e12:.1f} TFLOPS fp32"
        known.append(f"{percent(flops.value)} of the arithmetic ({whole})")
    if not known:
        return f"Not known: {bandwidth.reason}; {flops.reason}."
    reached = f"It reached {' and '.join(known)} of the {limits.name}"
    if limit == "bandwidth":
        return f"{reached}: reading memory is what limits it; smaller weights make it faster."
    if limit == "compute":
        return f"{reached}: arithmetic is what limits it."
    if len(known) == 1:
        return f"{reached}; the other limit is not known."
    return f"{reached}: neither limits it; look for waiting between steps."
