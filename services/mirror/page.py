"""One page of runs, put together from the columns in memory."""

from collections.abc import Sequence

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


def row_of(columns: Columns, position: int, cells: Sequence[Cell]) -> Run:
    """Return the run at a position, with the values of the columns that are shown."""
    groups: dict[str, dict[str, float | str]] = {group: {} for group in GROUPS}
    for group, name, value in cells:
        if group and value is not None:
            groups[group][name] = value
    texts = {name: column.word(position) for name, column in columns.texts.items()}
    return Run(
        run_id=texts["run_id"] or "",
        project=texts["project"] or "",
        experiment_id=texts["experiment_id"] or "",
        name=texts["name"] or "",
        status=texts["status"] or "running",  # type: ignore[arg-type]  # the store writes RunStatus
        status_reason=texts["status_reason"] or "",
        technique=texts["technique"],
        baseline=bool(columns.baseline[position]),
        started_at=moment(columns.started_ms[position]),
        ended_at=moment(columns.ended_ms[position]),
        user=texts["user"],
        host=texts["host"],
        archived=bool(columns.archived[position]),
        metrics={name: float(value) for name, value in groups["metrics"].items()},
        params={name: str(value) for name, value in groups["params"].items()},
        tags={name: str(value) for name, value in groups["tags"].items()},
    )
