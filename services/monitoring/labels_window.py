"""Which predictions an accuracy verdict looks at: those whose labels came, the newest of them.

Labels come late, and those that come first are no fair sample of them: complaints come before
what went well. So the newest predictions are left out until nine of ten labels are there, by how
late labels were; before that a stretch grows from a day to as long as predictions are kept, until
it has labels enough, of worth enough to be judged, and no class of too few labels.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from services.home import Home
from services.monitoring import accuracy, measures
from services.monitoring.accuracy import Accuracy
from services.monitoring.labels import Labelled
from services.monitoring.metrics import Metric
from services.predictions import monitoring as log
from services.predictions import reading

ENOUGH = 200
"""Rows with a label from which on older ones are left out."""
_DAY_S = 86_400.0
_SPANS = (_DAY_S, 7 * _DAY_S, 30 * _DAY_S)
_LATE = 0.9
_TOLD_S = 3600.0
"""How late labels are is told from here on: an hour is what a check waits anyway."""


@dataclass(frozen=True, slots=True)
class Labels:
    """How right the predictions of a stretch of time were."""

    rows: Labelled
    found: Accuracy
    """What they come to."""
    since: float
    until: float
    late_s: float
    """So much later nine of ten labels come, by the newest 1,000; 0 when none came."""

    def told(self, said: str) -> str:
        """Return a sentence of it with the time that it is of, where labels are late."""
        if self.late_s < _TOLD_S:
            return said
        return (
            f"{said} Of predictions {_word(self.since)} to {_word(self.until)} UTC: nine of ten "
            f"labels take up to {_long(self.late_s)}."
        )


def read(
    home: Home, project: str, model: str, version: int | None, at: float, *, shadow: bool = False,
    metric: Metric | None = None,
) -> Labels:  # fmt: skip
    """Return the newest predictions of which labels are no longer to be expected.

    Args:
        home: Where everything is.
        project: Of the model.
        model: Its name.
        version: The one looked at; None: all.
        at: Now, in seconds since 1970.
        shadow: Whether it answers nobody: the labels of the requests it got copies of.
        metric: What is measured; None: what the labels give.

    Raises:
        PlatformError: The log cannot be read.
    """
    delays = log.delays(home, project, model, at)
    late = max(0.0, float(np.quantile(delays, _LATE))) if delays else 0.0
    until = at - late
    least: int | None = None
    for span in _SPANS:
        of = home, project, model, until - span, until, version
        longer = accuracy.labelled(*of, shadow=shadow)
        out = _left_out(longer, metric)
        # A typing error is in each stretch: one that leaves out no fewer is only older.
        if least is None or (out is not None and out < least):
            rows, since, least = longer, until - span, out
        if least == 0 or not delays:  # without any older ones have none either
            break
    predictions = reading.count(home, project, model, since, until, version, shadow=shadow)
    found = accuracy.measured(rows, predictions, since, until, _DAY_S, metric)
    return Labels(rows, found, since, until, late)


def _left_out(rows: Labelled, metric: Metric | None) -> int | None:
    """Return how many classes have too few labels; None: the rows are too few to be judged."""
    found = measures.quality(measures.rows_of(rows), metric)
    if found is None or found.rows < ENOUGH or found.size < accuracy.LEAST:
        return None
    return found.left_out


def _word(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%-d %b %H:%M}"


def _long(seconds: float) -> str:
    if seconds < 2 * _DAY_S:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / _DAY_S:.0f} days"
