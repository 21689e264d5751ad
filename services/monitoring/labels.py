"""Labels beside answers, row by row: what can be compared, and what cannot."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from services.monitoring.metrics import Task as Task
from services.monitoring.series import Codes, Figures
from services.predictions import paired as pairing

if TYPE_CHECKING:
    import pyarrow as pa

_CLASSES = 100
"""Different whole numbers up to which labels are classes."""
_LARGEST = 1e100
"""Figures beyond are taken as this: their squares could not be summed."""


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
    """Bring labels and answers together; see ``services.predictions.paired.of``.

    Args:
        table: Of ``predictions.monitoring.paired``, or of ``labelled``, which is read anew.
    """
    if pairing.PAIRS not in table.column_names:
        table = pairing.of(table)
    lists = _whole(table[pairing.PAIRS])
    many = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    label_of = np.repeat(np.arange(len(table), dtype=np.int64), many)
    sides = _Sides.of(lists.flatten())
    task = sides.task()
    unfit = np.zeros(len(table), dtype=bool)
    unfit[label_of[~sides.fits(task)]] = True
    fitting = int((lists.is_valid().to_numpy(zero_copy_only=False) & ~unfit).sum())
    rows = ~unfit[label_of]
    label_of = label_of[rows]
    said_at, at = (_us(table, name)[label_of] for name in ("said_at", "predicted_at"))
    return replace(
        sides.made(task, rows), at=at / 1e6, delay_s=(said_at - at) / 1e6, requests=fitting,
        unusable=len(table) - fitting, label_of=label_of,
    )  # fmt: skip


def of_rows(truths: Sequence[Any], answers: Sequence[Any]) -> Labelled:
    """Return rows that belong together, of no time."""
    pairs = list(zip(truths, answers, strict=True))
    sides = _Sides.of(pairing.sides(*([pair[side] for pair in pairs] for side in (0, 1))))
    task = sides.task()
    fitting = sides.fits(task)
    return replace(
        sides.made(task, fitting), unusable=int((~fitting).sum()), label_of=np.flatnonzero(fitting)
    )


@dataclass(frozen=True, slots=True)
class _Sides:
    """What was true and what was answered, of the same rows."""

    truth: NDArray[np.object_]
    answer: NDArray[np.object_]
    truth_figure: Figures
    answer_figure: Figures
    truth_named: NDArray[np.bool_]
    answer_named: NDArray[np.bool_]

    @classmethod
    def of(cls, pairs: "pa.StructArray") -> "_Sides":
        texts = [np.array(pairs.field(name).to_pylist(), dtype=object) for name in _SIDES]
        figures = [pairs.field(f"{name}_figure").to_numpy() for name in _SIDES]
        named = [pairs.field(f"{name}_named").to_numpy(zero_copy_only=False) for name in _SIDES]
        return cls(*texts, *figures, *named)

    def task(self) -> Task:
        """Return whether they are classes: texts, yes and no, or few whole numbers.

        The answers decide, for the model is one: a text or two among labels of figures are
        mistakes.
        """
        if self.answer_named.any():
            return "classification"
        if not _are_whole(self.answer_figure):
            return "regression"
        if 2 * int(self.truth_named.sum()) > len(self.truth):  # numbers of classes, which are named
            return "classification"
        figures = self.truth_figure[~self.truth_named]
        few = len(np.unique([*self.answer_figure, *figures])) <= _CLASSES
        return "classification" if few and _are_whole(figures) else "regression"

    def fits(self, task: Task) -> NDArray[np.bool_]:
        """Return which labels can be held against answers: of figures those that are figures."""
        if task == "classification":
            return np.ones(len(self.truth), dtype=bool)
        return np.isfinite(self.truth_figure)

    def made(self, task: Task, chosen: NDArray[np.bool_]) -> Labelled:
        """Return the rows that are chosen."""
        count = int(chosen.sum())
        none, each = np.full(count, np.nan), np.arange(count)
        if task == "regression":
            truths, answers = (
                tuple(np.clip(one[chosen], -_LARGEST, _LARGEST).tolist())
                for one in (self.truth_figure, self.answer_figure)
            )
            return Labelled(task, truths, answers, none, none, count, 0, 0, each)
        target, prediction = (tuple(one[chosen].tolist()) for one in (self.truth, self.answer))
        known = set(prediction)
        strange = sum(one not in known for one in target)
        return Labelled(task, target, prediction, none, none, count, 0, strange, each)


_SIDES = ("truth", "answer")


def _are_whole(values: Figures) -> bool:
    return bool((np.isfinite(values) & (values == np.floor(values))).all())


def _us(table: "pa.Table", name: str) -> NDArray[np.int64]:
    """Return moments in µs since 1970."""
    import pyarrow as pa

    moments: NDArray[np.int64] = table[name].cast(pa.int64()).to_numpy()
    return moments


def _whole(column: "pa.ChunkedArray") -> "pa.ListArray":
    """Return a column in one piece."""
    import pyarrow as pa

    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
