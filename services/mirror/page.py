"""One page of runs, put together from the columns in memory."""

from collections.abc import Sequence

import numpy as np

from services.mirror.columns import Columns, Numbers, Positions
from services.mirror.detail import moment
from services.mirror.filters import GROUPS, split_field
from services.mirror.models import Run
from services.mirror.text import Text

Cell = tuple[str, str, float | str | None]


def cells_of(field: str, column: Text | Numbers | None, shown: Positions) -> list[Cell]:
    """Return a column's values for the rows of a page."""
    group, name = split_field(field)
    if column is None:
        return [(group, name, None) for _ in shown]
    if isinstance(column, Text):
        codes = column.codes[shown]
        return [(group, name, column.words[code] if code >= 0 else None) for code in codes]
    size = int(shown.max(initial=0)) + 1
    size = max(size, int(column.positions.max(initial=0)) + 1)
    values, present = column.values(size)[shown], column.present(size)[shown]
    return [
        (group, name, float(value) if known else None)
        for value, known in zip(values, present, strict=True)
    ]


def rows_of(
    columns: Columns, shown: Positions, fields: Sequence[Sequence[Cell]]
) -> tuple[Run, ...]:
    """Return the runs at these positions, with the values of the fields that are shown.

    Column by column: a page is asked for at every rerun, and reading it run by run took most of it.
    """
    texts = {name: _words(column, shown) for name, column in columns.texts.items()}
    started = [moment(ms) for ms in columns.started_ms[shown].tolist()]
    ended = [moment(ms) for ms in columns.ended_ms[shown].tolist()]
    baseline = columns.baseline[shown].tolist()
    archived = columns.archived[shown].tolist()
    groups = {group: _by_run(group, fields, len(shown)) for group in GROUPS}
    return tuple(
        Run(
            run_id=texts["run_id"][i] or "",
            project=texts["project"][i] or "",
            experiment_id=texts["experiment_id"][i] or "",
            name=texts["name"][i] or "",
            status=texts["status"][i] or "running",  # type: ignore[arg-type]  # the store writes RunStatus
            status_reason=texts["status_reason"][i] or "",
            technique=texts["technique"][i],
            baseline=bool(baseline[i]),
            started_at=started[i],
            ended_at=ended[i],
            user=texts["user"][i],
            host=texts["host"][i],
            archived=bool(archived[i]),
            metrics={name: float(value) for name, value in groups["metrics"][i].items()},
            params={name: str(value) for name, value in groups["params"][i].items()},
            tags={name: str(value) for name, value in groups["tags"][i].items()},
        )
        for i in range(len(shown))
    )


def newest_of_each(columns: Columns, positions: Positions) -> tuple[tuple[int, Run], ...]:
    """Return the first of the runs of each project in each state, and how many there are of it."""
    projects, states = (columns.texts[name] for name in ("project", "status"))
    kinds = projects.codes[positions].astype(np.int64) * (len(states.words) + 1)
    kinds += states.codes[positions]
    _, first, counts = np.unique(kinds, return_index=True, return_counts=True)
    return tuple(zip(counts.tolist(), rows_of(columns, positions[first], ()), strict=True))


def _words(column: Text, shown: Positions) -> list[str | None]:
    words = column.words
    return [words[code] if code >= 0 else None for code in column.codes[shown].tolist()]


def _by_run(
    group: str, fields: Sequence[Sequence[Cell]], runs: int
) -> list[dict[str, float | str]]:
    """Return what each run logged of the fields of one group."""
    found: list[dict[str, float | str]] = [{} for _ in range(runs)]
    for cells in fields:
        for one, (of, name, value) in zip(found, cells, strict=True):
            if of == group and value is not None:
                one[name] = value
    return found
