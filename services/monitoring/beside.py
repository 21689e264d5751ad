"""How right a shadow was beside the live version, by the labels of the same requests.

Both answered the same rows, so each row tells which of them was nearer: what makes some rows harder
than others weighs on both alike, and a difference is seen on fewer rows than between two groups of
requests. Of hits the exact test of McNemar (1947), one-sided; of absolute errors the mean of their
differences, normal. Rows that were asked together are alike: both go by what the differences are
worth (``measures.worth_of``), the counts of McNemar's test in that proportion.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainc, ndtr

from services.home import Home
from services.monitoring import accuracy, labels, measures
from services.monitoring.labels import Labelled
from services.monitoring.series import Figures
from services.monitoring.verdict import Rules
from services.predictions import shadowed

if TYPE_CHECKING:
    import pyarrow as pa

_SAME = 1e-9
"""Mean errors that differ by less than this part of one are the same."""


@dataclass(frozen=True, slots=True)
class Paired:
    """Both on the same rows."""

    metric: accuracy.Metric
    mine: float
    """The shadow's."""
    theirs: float
    rows: int
    worth: float
    """How many independent rows their differences are worth."""
    p_value: float
    """Of the shadow being as good, one-sided."""

    @property
    def enough(self) -> bool:
        """Return whether there are rows enough to tell."""
        return self.worth >= accuracy.LEAST

    def is_worse(self, rules: Rules | None = None) -> bool:
        """Return whether the shadow is worse, at the level of the verdicts."""
        return self.enough and self.p_value <= (rules or Rules()).level


def read(
    home: Home, project: str, model: str, version: int, since: float, until: float
) -> Paired | None:
    """Return how right a shadow was beside what went out; None: no label came to both.

    Raises:
        PlatformError: The log cannot be read.
    """
    return compared(*shadowed.labelled(home, project, model, version, since, until))


def compared(theirs: "pa.Table", mine: "pa.Table") -> Paired | None:
    """Return what two tables of the same requests come to; None: they cannot be compared."""
    live, shadow = labels.paired(theirs), labels.paired(mine)
    if live.task != shadow.task:
        return None
    first, second = _by_label(live), _by_label(shadow)
    both = [one for one in first if one in second and len(first[one]) == len(second[one])]
    if not both:
        return None
    before = np.concatenate([first[one] for one in both])
    after = np.concatenate([second[one] for one in both])
    hits = live.task == "classification"
    requests = np.repeat(np.arange(len(both)), [len(first[one]) for one in both])
    worth = measures.worth_of(after - before, requests)
    p_value = (_mcnemar if hits else _of_errors)(before, after, worth)
    metric: accuracy.Metric = "accuracy" if hits else "mae"
    return Paired(metric, float(after.mean()), float(before.mean()), len(after), worth, p_value)


def _by_label(found: Labelled) -> dict[int, Figures]:
    errors = accuracy.errors_of(found)
    # Rows of one label stand together: see ``labels.paired``.
    names, starts = np.unique(found.label_of, return_index=True)
    return dict(zip(names.tolist(), np.split(errors, starts[1:]), strict=False))


def _mcnemar(before: Figures, after: Figures, worth: float) -> float:
    """Return the chance of as many losses by a coin; of whole counts it is the binomial tail."""
    each = worth / len(before)
    lost, won = (float(np.sum(one)) * each for one in (before > after, after > before))
    return float(betainc(lost, won + 1, 0.5)) if lost else 1.0


def _of_errors(before: Figures, after: Figures, worth: float) -> float:
    more = after - before
    mean, spread = float(more.mean()), float(more.std())
    if mean <= _SAME * abs(float(before.mean())):
        return 1.0
    return float(ndtr(-mean / spread * math.sqrt(worth))) if spread > 0 else 0.0
