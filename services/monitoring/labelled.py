"""The labels of a check: how right the answers were, and whether the labels themselves moved."""

from dataclasses import dataclass, replace

import numpy as np

from services.home import Home
from services.monitoring import accuracy, hashed, labels, labels_window, measures
from services.monitoring.accuracy import Bound, Quality
from services.monitoring.labels import Labelled
from services.monitoring.metrics import Metric
from services.monitoring.pairs import Pair
from services.monitoring.reference import ANSWER, LABEL, Reference
from services.monitoring.series import Series
from services.monitoring.verdict import Judged, Rules

TRUTH = "label.true labels"
"""The column that labels are in the verdict on outputs: what ought to have been answered."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The labels of a check beside those of its baseline."""

    window: labels_window.Labels
    past: Labelled | None
    """Of the evaluation data; None: no labels were logged with it."""

    @property
    def expected(self) -> Quality | None:
        """Return how right the evaluation data is, by the measure and the classes of now."""
        now = self.window.found.overall
        if self.past is None or now is None:
            return None
        return measures.quality(measures.rows_of(self.past), now.metric, now.classes or None)

    def judged(self, bound: Bound | None, rules: Rules) -> Judged:
        """Return the verdict on how right the answers were."""
        found = self.window.found
        judged = accuracy.judge(found.overall, self.expected, bound, rules)
        said = judged.said if found.overall else found.said
        figure = judged.figure
        if figure is not None:
            figure = replace(figure, since=self.window.since, until=self.window.until)
        return replace(judged, said=self.window.told(said), figure=figure)

    @property
    def truth(self) -> Pair | None:
        """Return labels then and now as one more column; None: there are none to compare."""
        now, then = self.window.rows, self.past
        if then is None or not now.target or not then.target or now.task != then.task:
            return None
        names = {*then.target, *now.target}
        if now.task == "classification" and len(names) > measures.CLASSES:
            return None  # texts that a model writes
        if any(map(hashed.is_hash, names)):
            return None  # beside plain ones they would all look new
        return Pair(TRUTH, "output", _series(then), (_series(now),))


def read(
    home: Home, project: str, model: str, version: int, at: float, chosen: Reference | None, *,
    metric: Metric | None, shadow: bool,
) -> Seen:  # fmt: skip
    """Return the labels that a check at a moment looks at.

    Args:
        home: Where everything is.
        project: Of the model.
        model: Its name.
        version: The one looked at.
        at: Now, in seconds since 1970.
        chosen: What the check compares with.
        metric: What is measured; None: what the labels give.
        shadow: Whether it answers nobody.

    Raises:
        PlatformError: The log cannot be read.
    """
    window = labels_window.read(home, project, model, version, at, shadow=shadow, metric=metric)
    return Seen(window, None if chosen is None else of_reference(chosen))


def of_reference(chosen: Reference) -> Labelled | None:
    """Return labels and answers of a baseline; None: no labels were logged with it."""
    if not {LABEL, ANSWER} <= set(chosen.table.column_names):
        return None
    return labels.of_rows(*(chosen.table[name].to_pylist() for name in (LABEL, ANSWER)))


def _series(found: Labelled) -> Series:
    rows = len(found.target)
    alone = len(np.unique(found.label_of)) == rows
    figures = found.task == "regression"
    values = np.array(found.target, dtype=float if figures else object)
    return Series(
        TRUTH, "output", "numeric" if figures else "category", values,
        np.ones(rows, dtype=bool), None if alone else found.label_of,
    )  # fmt: skip
