"""Whether an accuracy that was missed over days is missed still; pure.

A window of days holds days that are over. As a budget must burn in a short window, too, a missed
accuracy is trouble of now while no newer labels surely say otherwise.
"""

from typing import TYPE_CHECKING

from services.monitoring import metrics
from services.objectives.models import Objective

if TYPE_CHECKING:
    from services.monitoring.accuracy import Accuracy, Quality

PARTS = 12
"""Stretches of a window, after the short windows of burn rates."""


def over(objective: Objective, found: "Accuracy", version: int, least: int) -> str:
    """Return why it does not last, as a sentence; empty: it does.

    The newest stretch that is surely on one side of the bound decides: stretches that may be on
    either say nothing. With none the whole window stands.

    Args:
        objective: Of accuracy, missed in the window.
        found: How right the version was in the window, in ``PARTS`` stretches.
        version: The one that answers now.
        least: Rows with a label from which on a figure says anything.
    """
    for point in reversed(found.points):
        one = point.quality
        within = _is_within(objective, one) if one.size >= least else None
        if within:
            return (
                f"Lately version {version} is within its bound of {objective.target:g}: "
                f"{one.value:.4g} ({one.low:.4g} to {one.high:.4g}) on {one.rows:,} rows."
            )
        if within is not None:
            return ""
    return ""


def _is_within(objective: Objective, now: "Quality") -> bool | None:
    """Return whether a whole interval is within the bound, or beyond it; None: it is on both."""
    sides = {metrics.is_beyond(now.metric, one, objective.target) for one in (now.low, now.high)}
    apart = now.metric == "bias" and now.low < 0 < now.high  # each end may be beyond its own side
    return None if len(sides) > 1 or (apart and sides == {True}) else sides == {False}
