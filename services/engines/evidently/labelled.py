"""Predictions beside their labels, in Evidently's process."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from evidently import (  # noqa: TID253 - see reporting
    BinaryClassification,
    DataDefinition,
    Dataset,
    MulticlassClassification,
    Regression,
    Report,
)
from evidently.metrics import MAE, Accuracy, F1Score, MeanError  # noqa: TID253
from evidently.presets import ClassificationPreset, RegressionPreset  # noqa: TID253

from services.engines.evidently import tables
from services.engines.evidently.models import Question

if TYPE_CHECKING:
    import pandas as pd
    from evidently.core.report import Snapshot

TITLE = "Predictions beside labels"


def drawn(asked: Question) -> "Snapshot | None":
    """Return the report on ``target`` and ``prediction``; None where there are no labels.

    Rows without a label are not in these tables: a label that never came is no mistake.
    """
    if asked.labels is None or asked.task is None:
        return None
    then = None if asked.labels[0] is None else tables.read(asked.labels[0])
    now = tables.read(asked.labels[1])
    defined, metrics = _classes(then, now) if asked.task == "classification" else _figures()
    pair = [
        None if one is None else Dataset.from_pandas(one, data_definition=defined)
        for one in (now, then)
    ]
    at = None if asked.at is None else datetime.fromtimestamp(asked.at, UTC)
    return Report(list(metrics)).run(*pair, timestamp=at, name=TITLE)


def quality(made: "Snapshot") -> dict[str, float]:
    """Return the figures of a report, by Evidently's names of them."""
    found = {}
    for metric in made.dict()["metrics"]:
        name, value = str(metric["metric_name"]).partition("(")[0], metric["value"]
        if isinstance(value, Mapping):
            value = value.get("mean")
        if isinstance(value, int | float):
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
