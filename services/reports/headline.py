"""What a report comes to in a few lines: three figures, and what changed most for the worse."""

import math
from collections.abc import Iterator

from services.reports.models import Figure, Report
from services.reports.units import told

_FIRST = (
    "Requests answered", "Deployments that drifted", "Objectives missed", "Alerts fired", "Runs",
    "Failed", "Actions",
)  # fmt: skip
"""Labels of what is told, the most telling first; what is not known is left out."""
_MOST = 3


def headline(report: Report) -> tuple[str, ...]:
    """Return the lines: three figures that are known, and the worst change where there is one."""
    known = {one.label: one for one in _figures(report) if one.value is not None}
    lines = [_line(known[label]) for label in _FIRST if label in known][:_MOST]
    worst = max(_figures(report), key=_worse, default=None)
    if worst is not None and _worse(worst) > 0:
        lines.append(f"Worst change: {_line(worst)}")
    return tuple(lines)


def _figures(report: Report) -> Iterator[Figure]:
    for section in report.sections:
        yield from section.figures


def _line(one: Figure) -> str:
    before = "" if one.before is None else f" (before: {told(one.before, one.unit)})"
    return f"{one.label}: {told(one.value or 0.0, one.unit)}{before}"


def _worse(one: Figure) -> float:
    """Return how many times worse a figure became; 0: it did not, or that is not known."""
    if one.value is None or one.before is None or not one.better:
        return 0.0
    now, before = one.value, one.before
    if one.unit == "ratio" and one.better == "more":
        now, before = 1 - now, 1 - before  # of 99.9 % and 99 % the lack tells
    elif one.better == "more":
        now, before = before, now
    if now <= before:
        return 0.0
    return now / before - 1 if before else math.inf
