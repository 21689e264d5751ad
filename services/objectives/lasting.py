"""Whether a promised accuracy that was missed is missed still, by what answers now; pure.

A window of days holds the answers of versions that are gone and of days that are over. As a budget
must burn in a short window, too, a missed accuracy is trouble of now while the version that answers
now has no labels that surely say otherwise.
"""

from typing import TYPE_CHECKING

from services.objectives.models import Lasts, Objective

if TYPE_CHECKING:
    from services.monitoring.accuracy import Accuracy, Quality

PARTS = 12
"""Stretches of a window, after the short windows of burn rates."""


def lasting(
    objective: Objective, found: "Accuracy | None", version: int, least: int
) -> tuple[Lasts, str]:
    """Return whether it lasts, and what that rests on.

    The newest stretch that is surely on one side of the bound decides, else all of the window:
    stretches that may be either say nothing.

    Args:
        objective: Of accuracy.
        found: How right the version was in the window, in ``PARTS`` stretches; None: it is being
            counted.
        version: The one that answers now.
        least: Rows with a label from which on a figure says anything.
    """
    who = f"Version {version} answers now"
    if found is None:
        return "unknown", f"{who}; how right it is is being counted."
    own = found.overall
    if own is None or own.rows < least or own.metric != objective.metric:
        rows = 0 if own is None or own.metric != objective.metric else own.rows
        few = f"{rows:,} of its rows have a label that tells, {least} are wanted"
        return "unknown", f"{who}; {few}."
    for point in reversed(found.points):
        side = _side(objective, point.quality) if point.quality.rows >= least else ""
        if side:
            return _told(objective, point.quality, who, side)
    return _told(objective, own, who, _side(objective, own))


def _side(objective: Objective, now: "Quality") -> Lasts | None:
    """Return on which side of the bound a whole interval is; None: on both."""
    best, worst = now.high, now.low
    bound, higher = objective.target, objective.metric == "accuracy"
    if not higher:
        best, worst, bound = -now.low, -now.high, -bound
    if worst >= bound:
        return "no"
    return "yes" if best < bound else None


def _told(objective: Objective, now: "Quality", who: str, side: Lasts | None) -> tuple[Lasts, str]:
    figure = f"{now.value:.4g} ({now.low:.4g} to {now.high:.4g}) on {now.rows:,} rows"
    bound = f"its bound of {objective.target:g}"
    if side == "yes":
        return "yes", f"{who}, and is beyond {bound}: {figure}."
    if side == "no":
        return "no", f"{who}, and is within {bound}: {figure}."
    return "unknown", f"{who}, and may be within {bound} or beyond it: {figure}."
