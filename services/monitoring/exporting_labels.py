"""Predictions beside their labels as the tables that Evidently compares."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.home import Home
from services.monitoring import labelled, labels
from services.monitoring.labels import Labelled, Task
from services.monitoring.reference import Reference
from services.predictions import monitoring as log

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 10_000
"""At most: the newest."""
CLASSES = 50
"""More classes make a matrix that nobody reads, and texts that a model writes are no classes."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Answers beside what was true."""

    task: Task
    reference: "pa.Table | None"
    """None: none were logged with the evaluation data, or they are of another kind."""
    current: "pa.Table"


def read(
    home: Home, project: str, model: str, version: int, since: float, until: float
) -> Labelled:
    """Return the labels that came for the predictions of a stretch of time.

    Raises:
        PlatformError: The log cannot be read.
    """
    return labels.paired(log.paired(home, project, model, since, until, version))


def tables(found: Labelled, chosen: Reference) -> tuple[Beside | None, tuple[str, ...]]:
    """Return the tables, None where there is nothing to show, and what is to be said of that."""
    if not found.target:
        return None, ()
    then = labelled.of_reference(chosen)
    classes = {*found.target, *found.prediction}
    if found.task == "classification" and len(classes) > CLASSES:
        said = f"Labels have {len(classes):,} different values: they are not drawn beside answers."
        return None, (said,)
    order = found.at.argsort(kind="stable")[-ROWS:]
    now = _table([found.target[n] for n in order], [found.prediction[n] for n in order])
    fits = then is not None and then.task == found.task
    notes = [f"{found.unusable:,} labels fit no answer and are left out."] if found.unusable else []
    reference = _table(then.target[:ROWS], then.prediction[:ROWS]) if then and fits else None
    if reference is None:
        notes.append("The baseline has no labels of this kind: answers stand beside labels alone.")
    return Beside(found.task, reference, now), tuple(notes)


def written(beside: Beside, place: Path) -> tuple[Path | None, Path]:
    """Write the tables into a folder.

    Raises:
        OSError: There is no room.
    """
    import pyarrow.parquet as pq

    current = place / "labels-current.parquet"
    pq.write_table(beside.current, current)
    if beside.reference is None:
        return None, current
    reference = place / "labels-reference.parquet"
    pq.write_table(beside.reference, reference)
    return reference, current


def _table(target: Sequence[Any], prediction: Sequence[Any]) -> "pa.Table":
    import pyarrow as pa

    return pa.table({"target": list(target), "prediction": list(prediction)})
