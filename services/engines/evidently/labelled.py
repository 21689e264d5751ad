"""Predictions beside their labels, in Evidently's process."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from evidently import (  # noqa: TID253 - see reporting
    BinaryClassification,
    DataDefinition,
    Dataset,
    MulticlassClassification,
    Regression,
    Report,
)
from evidently.metrics import MAE, Accuracy, F1Score, MeanError  # noqa: TID253
from evidently.presets import (  # noqa: TID253
    ClassificationPreset,
    RegressionPreset,
    ValueStats,
)

from services.engines.evidently import tables
from services.engines.evidently.models import Question

if TYPE_CHECKING:
    import pandas as pd
    from evidently.core.report import Snapshot

TITLE = "Predictions beside labels"
_SIDES = ("target", "prediction")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Beside:
    """What came of it."""

    made: "Snapshot"
    quality: Mapping[str, float]
    """Its figures, by Evidently's names of them."""
    note: str = ""
    """Which part Evidently failed on, and why, as a sentence; empty: on none."""


def drawn(asked: Question) -> Beside | None:
    """Return the report on ``target`` and ``prediction``; None where there are no labels.

    Rows without a label are not in these tables: a label that never came is no mistake.

    Evidently draws the spread of errors, and each error in per cent of its label, whatever figure
    it is asked for. Where all errors are the same, or all labels 0, it fails on that; then labels
    and answers are drawn each for itself.
    """
    if asked.labels is None or asked.task is None:
        return None
    then = None if asked.labels[0] is None else tables.read(asked.labels[0])
    now = tables.read(asked.labels[1])
    defined, metrics = _classes(then, now) if asked.task == "classification" else _figures()
    try:
        made = _run(asked, metrics, defined, now, then)
        return Beside(made, _quality(made))
    except Exception as error:  # what numpy, pandas and scipy raise: no base in common
        logger.exception("labels beside answers failed; each is drawn for itself")
        made = _run(asked, [ValueStats(column=one) for one in _SIDES], _apart(asked), now, then)
        why = str(error).rstrip(".")
        apart = f"Evidently failed on labels beside answers ({why}): each is drawn for itself."
        quality, plain = _plainly(now) if asked.task == "regression" else ({}, "")
        return Beside(made, quality, f"{plain}{apart}"[:600])


def _run(
    asked: Question,
    metrics: Sequence[Any],
    defined: DataDefinition,
    now: "pd.DataFrame",
    then: "pd.DataFrame | None",
) -> "Snapshot":
    pair = [
        None if one is None else Dataset.from_pandas(one, data_definition=defined)
        for one in (now, then)
    ]
    at = None if asked.at is None else datetime.fromtimestamp(asked.at, UTC)
    return Report(list(metrics)).run(*pair, timestamp=at, name=TITLE)


def _apart(asked: Question) -> DataDefinition:
    sides = list(_SIDES)
    if asked.task == "classification":
        return DataDefinition(categorical_columns=sides)
    return DataDefinition(numerical_columns=sides)


def _plainly(now: "pd.DataFrame") -> tuple[Mapping[str, float], str]:
    """Return the figures that need no drawing, and why there is nothing to draw where we know."""
    target, prediction = (now[one].to_numpy(dtype=float) for one in _SIDES)
    errors = prediction - target
    found = {"MAE": float(np.abs(errors).mean()), "MeanError": float(errors.mean())}
    said = f"The mean absolute error is {found['MAE']:.4g} on {len(errors):,} rows. "
    if np.allclose(errors, errors[0], rtol=1e-9, atol=1e-12):
        return found, f"All errors are the same, so they have no spread to draw. {said}"
    if not target.any():
        return found, f"All labels are 0, so no error is a share of its label. {said}"
    return found, said


def _quality(made: "Snapshot") -> dict[str, float]:
    found = {}
    for metric in made.dict()["metrics"]:
        name, value = str(metric["metric_name"]).partition("(")[0], metric["value"]
        if isinstance(value, Mapping):
            value = value.get("mean")
        if isinstance(value, int | float) and math.isfinite(value):  # of one row some are NaN
            found[name] = float(value)
    return found


def _classes(then: "pd.DataFrame | None", now: "pd.DataFrame") -> tuple[Any, Sequence[Any]]:
    both = [now] if then is None else [then, now]
    names = sorted({value for one in both for side in one for value in one[side]})
    kind: BinaryClassification | MulticlassClassification
    if len(names) == 2:  # Evidently wants to know which of two is the one
        kind = BinaryClassification(
            target="target", prediction_labels="prediction", pos_label=names[1]
        )
    else:
        kind = MulticlassClassification(target="target", prediction_labels="prediction")
    defined = DataDefinition(classification=[kind], categorical_columns=["target", "prediction"])
    return defined, [ClassificationPreset(), Accuracy(), F1Score()]


def _figures() -> tuple[Any, Sequence[Any]]:
    defined = DataDefinition(
        regression=[Regression(target="target", prediction="prediction")],
        numerical_columns=["target", "prediction"],
    )
    return defined, [RegressionPreset(), MAE(), MeanError()]
