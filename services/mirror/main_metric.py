"""The order by main metric: each project's own primary metric, best first as the project means it.

Figures of different metrics do not compare, so over several projects the runs stand project by
project, in the order of the projects everywhere else. Runs without the metric stand last.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, select

from services.mirror import schema
from services.mirror.columns import Columns, Numbers
from services.mirror.projects import Goal, goal_and_metric, path_key
from services.mirror.text import Floats

MAIN_METRIC = "main_metric"
"""Names the order, and the column that shows it, where fields are named."""


@dataclass(frozen=True, slots=True)
class Primary:
    """What one project is judged by."""

    project: str
    metric: str
    goal: Goal


def primaries(connection: Connection) -> tuple[Primary, ...]:
    """Return the projects that declare a primary metric, in their order."""
    rows = connection.execute(select(schema.projects)).all()
    found = []
    for row in sorted(rows, key=lambda row: path_key(row, row.id)):
        metric, goal = goal_and_metric(row)
        if metric is not None:
            found.append(Primary(row.id, metric, goal))
    return tuple(found)


def main_metric_keys(
    columns: Columns, connection: Connection, judged: tuple[Primary, ...], *, descending: bool
) -> Callable[[], Floats]:
    """Return a function that makes the sort keys for ``Columns.order``, NaN where missing.

    Descending is best first, ascending worst first; the projects keep their order either way.
    """

    def keys() -> Floats:
        found: Floats = np.full(columns.size, np.nan)
        for place, primary in enumerate(judged):
            column = columns.values(connection, "metrics", primary.metric)
            if not isinstance(column, Numbers):
                continue
            values = column.values(columns.size)
            mine = columns.texts["project"].equal(primary.project)[: columns.size]
            mine &= ~np.isnan(values)
            within = _goodness(values[mine], primary.goal)
            found[mine] = within - place if descending else within + place
        return found

    return keys


def _goodness(values: Floats, goal: Goal) -> Floats:
    """Return where each value stands between the worst (0) and the best (below 1); equals tie.

    An infinite value is no result, so it is the worst whichever way is better.
    """
    finite = np.isfinite(values)
    found: Floats = np.zeros(len(values))
    _, ranks = np.unique(values[finite] if goal == "max" else -values[finite], return_inverse=True)
    found[finite] = (ranks + 1) / (len(values) + 1)
    return found
