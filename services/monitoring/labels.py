"""Labels beside answers, row by row: what can be compared, and what cannot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import orjson

from services.monitoring.series import Codes, Figures
from services.predictions import columns

if TYPE_CHECKING:
    import pyarrow as pa

Task = Literal["classification", "regression"]
_WANTED = ("id", "said_at", "predicted_at", "version", "kept", "label", "outputs")
_CLASSES = 100
"""Different whole numbers up to which labels are classes."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Rows with a label: the same place in each is the same row."""

    task: Task
    target: tuple[Any, ...]
    """What was true: texts of classes, or figures."""
    prediction: tuple[Any, ...]
    at: Figures
    """When each was predicted, in seconds since 1970."""
    delay_s: Figures
    """How much later each label came; less than 0 when clocks differ."""
    requests: int
    """Labels that could be used."""
    unusable: int
    """Labels that fit no answer: of another number of rows, of another column, of no answer."""
    strange: int
    """Rows whose label is no class that the model answered in this time."""
    label_of: Codes
    """Of each row, which label of the table it is of."""


def paired(table: "pa.Table") -> Labelled:
    """Bring labels and answers together.

    A label is one value, a list of a value a row, or these by the name of an output. Where no
    output is named the first one is meant.

    Args:
        table: Of ``predictions.monitoring.labelled``.
    """
    rows: list[tuple[Any, Any, float, float, int]] = []
    used = unusable = 0
    read = columns.rows(table, _WANTED)
    for place, (_, said_at, predicted_at, _, kept, label, outputs) in enumerate(read):
        found = _rows(label, outputs) if kept in ("full", "hashed") else None
        if found is None:
            unusable += 1
            continue
        used += 1
        delay = (said_at - predicted_at) / 1e6
        rows += [(truth, answer, predicted_at / 1e6, delay, place) for truth, answer in found]
    at, delay_s = (np.array([row[field] for row in rows], dtype=float) for field in (2, 3))
    label_of = np.array([row[4] for row in rows], dtype=np.int64)
    made = of_rows([row[0] for row in rows], [row[1] for row in rows])
    return replace(
        made, at=at, delay_s=delay_s, requests=used, unusable=unusable, label_of=label_of
    )


def of_rows(truths: Sequence[Any], answers: Sequence[Any]) -> Labelled:
    """Return rows that belong together, of no time."""
    task = _task(truths, answers)
    none, each = np.full(len(truths), np.nan), np.arange(len(truths))
    if task == "regression":
        figures = tuple(map(float, truths)), tuple(map(float, answers))
        return Labelled(task, *figures, none, none, len(truths), 0, 0, each)
    target, prediction = tuple(map(_class, truths)), tuple(map(_class, answers))
    known = set(prediction)
    strange = sum(one not in known for one in target)
    return Labelled(task, target, prediction, none, none, len(truths), 0, strange, each)


def _rows(label: str | None, outputs: str | None) -> list[tuple[Any, Any]] | None:
    """Return (true, answered) a row, None when they do not fit."""
    try:
        said, answered = orjson.loads(label or "null"), orjson.loads(outputs or "null")
    except ValueError:
        return None
    if said is None or not isinstance(answered, Mapping) or not answered:
        return None
    name = next(iter(answered))
    if isinstance(said, Mapping):
        name = next((one for one in said if one in answered), "")
        said = said.get(name)
    answers = answered.get(name)
    truths = said if isinstance(said, list) else [said]
    answers = answers if isinstance(answers, list) else [answers]
    if len(truths) != len(answers) or not all(map(_plain, (*truths, *answers))):
        return None
    return list(zip(truths, answers, strict=True))


def _plain(value: object) -> bool:
    return isinstance(value, str | int | float)


def _task(truths: Sequence[Any], answers: Sequence[Any]) -> Task:
    """Return whether they are classes: texts, yes and no, or few whole numbers."""
    both = [*truths, *answers]
    if any(isinstance(one, str | bool) for one in both):
        return "classification"
    whole = all(float(one).is_integer() for one in both)
    return "classification" if whole and len(set(both)) <= _CLASSES else "regression"


def _class(value: object) -> str:
    """Return a class as text: 3, 3.0 and "3" are the same."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
