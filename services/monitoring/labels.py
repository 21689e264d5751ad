"""Labels beside answers, row by row: what can be compared, and what cannot."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from services.monitoring.metrics import Task as Task
from services.monitoring.series import Codes, Figures
from services.predictions import columns

if TYPE_CHECKING:
    import pyarrow as pa

_WANTED = ("id", "said_at", "predicted_at", "version", "kept", "label", "outputs")
_CLASSES = 100
"""Different whole numbers up to which labels are classes."""
_LARGEST = 1e100
"""Figures beyond are taken as this: their squares could not be summed."""
_Pair = tuple[Any, Any]
"""What was true, and what was answered."""


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
    """Labels that fit no answer: of another number of rows, of another column, of no answer, texts
    beside figures."""
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
    each: list[tuple[int, float, float, list[_Pair]]] = []
    read = columns.rows(table, _WANTED)
    for place, (_, said_at, predicted_at, _, kept, label, outputs) in enumerate(read):
        found = _rows(label, outputs) if kept in ("full", "hashed") else None
        if found is not None:
            each.append((place, predicted_at / 1e6, (said_at - predicted_at) / 1e6, found))
    task = _task([pair for *_, found in each for pair in found])
    fitting = [one for one in each if all(_fits(task, truth) for truth, _ in one[3])]
    made = _made(task, [pair for *_, found in fitting for pair in found])
    many = [len(found) for *_, found in fitting]
    at, delay_s = (np.repeat([one[n] for one in fitting], many) for n in (1, 2))
    label_of = np.repeat(np.array([one[0] for one in fitting], dtype=np.int64), many)
    return replace(
        made, at=at.astype(float), delay_s=delay_s.astype(float), requests=len(fitting),
        unusable=len(table) - len(fitting), label_of=label_of,
    )  # fmt: skip


def of_rows(truths: Sequence[Any], answers: Sequence[Any]) -> Labelled:
    """Return rows that belong together, of no time."""
    pairs = list(zip(truths, answers, strict=True))
    task = _task(pairs)
    fitting = [place for place, (truth, _) in enumerate(pairs) if _fits(task, truth)]
    made = _made(task, [pairs[place] for place in fitting])
    return replace(
        made, unusable=len(pairs) - len(fitting), label_of=np.array(fitting, dtype=np.int64)
    )


def _made(task: Task, pairs: Sequence[_Pair]) -> Labelled:
    count = len(pairs)
    none, each = np.full(count, np.nan), np.arange(count)
    if task == "regression":
        truths, answers = (tuple(_figure(pair[side]) for pair in pairs) for side in (0, 1))
        return Labelled(task, truths, answers, none, none, count, 0, 0, each)
    target, prediction = (tuple(_class(pair[side]) for pair in pairs) for side in (0, 1))
    known = set(prediction)
    strange = sum(one not in known for one in target)
    return Labelled(task, target, prediction, none, none, count, 0, strange, each)


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


def _task(pairs: Sequence[_Pair]) -> Task:
    """Return whether they are classes: texts, yes and no, or few whole numbers.

    The answers decide, for the model is one: a text or two among labels of figures are mistakes.
    """
    answers = [answer for _, answer in pairs]
    if any(isinstance(one, str | bool) for one in answers):
        return "classification"
    named = sum(isinstance(truth, str | bool) for truth, _ in pairs)
    figures = [one for one, _ in pairs if not isinstance(one, str | bool)]
    if not all(float(one).is_integer() for one in answers):
        return "regression"
    if 2 * named > len(pairs):  # numbers of classes, which labels name
        return "classification"
    whole = all(float(one).is_integer() for one in figures)
    return "classification" if whole and len({*answers, *figures}) <= _CLASSES else "regression"


def _fits(task: Task, truth: object) -> bool:
    """Return whether a label can be held against an answer: of a figure a figure can."""
    if task == "classification":
        return True
    if isinstance(truth, bool):
        return False
    try:
        return math.isfinite(float(truth))  # type: ignore[arg-type]  # texts and numbers alone
    except ValueError:
        return False


def _figure(value: Any) -> float:  # noqa: ANN401
    return max(-_LARGEST, min(_LARGEST, float(value)))


def _class(value: object) -> str:
    """Return a class as text: 3, 3.0 and "3" are the same."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
