"""Units of metrics, read off the names the client and the projects use."""

import math

from dashboard.numbers import Delta, Goal, delta, number, size

_SUFFIXES = (
    ("_per_s", "/s"),
    ("_per_second", "/s"),
    ("_ms", " ms"),
    ("_s", " s"),
    ("_seconds", " s"),
    ("_w", " W"),
    ("_j", " J"),
    ("_mb", " MB"),
    ("_gb", " GB"),
)


def unit_of(metric: str) -> str:
    """Return the unit a metric's name ends in, empty when it names none."""
    folded = metric.lower()
    if _is_bytes(folded):
        return "B"
    return next((unit.strip() for ending, unit in _SUFFIXES if folded.endswith(ending)), "")


def figure(metric: str, value: float, digits: int = 4) -> str:
    """Return a metric's value with its unit: ``410 MB`` for ``mlx_peak_bytes``."""
    folded = metric.lower()
    if _is_bytes(folded) and math.isfinite(value):
        return size(value)
    unit = next((unit for ending, unit in _SUFFIXES if folded.endswith(ending)), "")
    return number(value, digits) + unit


def change(metric: str, value: float, goal: Goal) -> str:
    """Return a difference of a metric with its sign and unit."""
    if _is_bytes(metric.lower()):
        sign = "+" if value > 0 else "−" if value < 0 else "±"
        return f"{sign}{size(abs(value))}"
    told: Delta | None = delta(value, 0.0, goal, unit_of(metric))
    return told.text if told else ""


def _is_bytes(folded: str) -> bool:
    return folded == "bytes" or folded.endswith(("_bytes", ".bytes", "/bytes"))
