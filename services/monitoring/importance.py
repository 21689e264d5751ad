"""How much of a model's answers goes with each input: the correlation ratio η².

For each input alone, the share of the answer's variance between its categories or tenths
(Pearson 1905), less what chance gives; categories of an answer are columns of zeros and ones. It
sees no interplay of inputs and tells nothing of causes: it orders columns, no more.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from services.monitoring import series
from services.monitoring.series import Codes, Figures, Series

if TYPE_CHECKING:
    import pyarrow as pa

_LEAST = 100
_PARTS = 10
_CLASSES = 50


def of(table: "pa.Table") -> Mapping[str, float]:
    """Return the inputs' shares, which sum to 1; nothing where it cannot be told.

    Args:
        table: With ``input.…`` and ``output.…`` columns of the same rows.
    """
    read = {name: one for name in series.names(table) if (one := _read(table, name)) is not None}
    answer = _answer([one for one in read.values() if one.role == "output"])
    if answer is None:
        return {}
    columns = _columns(answer)
    found = {
        name: ratio
        for name, one in read.items()
        if one.role == "input" and (ratio := _ratio(one, columns[one.present])) is not None
    }
    whole = sum(found.values())
    return {name: ratio / whole for name, ratio in found.items()} if whole > 0 else {}


def _read(table: "pa.Table", name: str) -> Series | None:
    kind = series.kind_of(table, name)
    if kind is None or kind == "text":
        return None
    return series.read(table, name, kind, None)


def _answer(outputs: list[Series]) -> Series | None:
    """Return the output that says most: the first category, else the first figure."""
    whole = [one for one in outputs if one.present.all() and one.rows >= _LEAST]
    classes = [one for one in whole if one.kind == "category" and _different(one) <= _CLASSES]
    figures = [one for one in whole if one.kind in ("numeric", "embedding")]
    return next(iter(classes + figures), None)


def _different(one: Series) -> int:
    return len(np.unique(one.values.astype(str)))


def _ratio(one: Series, columns: Figures) -> float | None:
    groups = _groups(one)
    count, parts = len(groups), len(np.unique(groups))
    if count < _LEAST or parts >= count:
        return None
    whole = float(((columns - columns.mean(axis=0)) ** 2).sum())
    if parts < 2 or whole <= 0:
        return 0.0
    sizes = np.bincount(groups)
    sums = np.stack([np.bincount(groups, column) for column in columns.T], axis=1)
    used = sizes > 0
    middle = sums[used] / sizes[used, None]
    between = float((sizes[used, None] * (middle - columns.mean(axis=0)) ** 2).sum())
    by_chance = (parts - 1) / (count - 1)
    return max(0.0, (between / whole - by_chance) / (1 - by_chance))


def _groups(one: Series) -> Codes:
    if one.kind == "category":
        return np.unique(one.values.astype(str), return_inverse=True)[1].astype(np.int64)
    cuts = np.unique(np.quantile(one.values.astype(float), np.linspace(0, 1, _PARTS + 1)[1:-1]))
    return np.searchsorted(cuts, one.values.astype(float), side="right").astype(np.int64)


def _columns(answer: Series) -> Figures:
    if answer.kind != "category":
        return answer.values.astype(float)[:, None]
    labels, codes = np.unique(answer.values.astype(str), return_inverse=True)
    return np.eye(len(labels))[codes]
