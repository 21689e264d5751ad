"""Evidently's own side: only imported in its process."""

import contextlib
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import evidently  # noqa: TID253 - this process is for it
import pandas as pd
from evidently import (  # noqa: TID253
    BinaryClassification,
    DataDefinition,
    Dataset,
    MulticlassClassification,
    Regression,
)
from evidently import Report as Document  # noqa: TID253
from evidently.metrics import MAE, Accuracy, F1Score, MeanError, ValueDrift  # noqa: TID253
from evidently.presets import (  # noqa: TID253
    ClassificationPreset,
    DataSummaryPreset,
    RegressionPreset,
)

from services.engines.evidently.models import Kind, Question
from services.engines.evidently.wire import ReportWire, ScoreWire

if TYPE_CHECKING:
    from evidently.core.report import Snapshot
    from evidently.ui.workspace import Workspace

logger = logging.getLogger(__name__)

_METHODS: Mapping[Kind, str] = {"numeric": "wasserstein", "category": "jensenshannon"}
_THRESHOLD = 0.1
_KEPT = 14
"""Reports of a project in the workspace: each takes 3 MB, and the page reads them all."""


def write(asked: Question) -> ReportWire:
    """Write the report; columns that Evidently fails on are left out of it and say so."""
    reference, current = pd.read_parquet(asked.reference), pd.read_parquet(asked.current)
    columns = {name: kind for name, kind in asked.columns.items() if name in reference}
    failed: dict[str, str] = {}
    try:
        made = _drawn(asked, reference, current, columns)
    except Exception:  # its metrics raise what numpy, pandas and scipy raise: no base in common
        logger.exception("the report of all columns failed; each is tried alone")
        failed = {
            name: why for name in columns if (why := _alone(reference, current, columns, name))
        }
        columns = {name: kind for name, kind in columns.items() if name not in failed}
        made = _drawn(asked, reference, current, columns)
    made.save_html(str(asked.html))
    asked.json.write_text(made.json(), encoding="utf-8")
    scores = [*_scores(made), *(ScoreWire(name=n, failed=why) for n, why in failed.items())]
    answer = ReportWire(version=evidently.__version__, scores=scores)
    _with_trouble(answer, "The quality beside labels", lambda: _labels(asked, answer))
    _with_trouble(answer, "The workspace for `evidently ui`", lambda: _keep(asked, made))
    return answer


def _with_trouble(answer: ReportWire, what: str, do: Any) -> None:  # noqa: ANN401
    try:
        do()
    except Exception as error:
        logger.exception("%s", what)
        answer.trouble.append(f"{what} could not be written: {error}."[:300])


def _alone(
    reference: pd.DataFrame, current: pd.DataFrame, columns: Mapping[str, Kind], name: str
) -> str:
    """Return why Evidently fails on a column, empty when it does not."""
    one = {name: columns[name]}
    try:
        pair = _data(current[[name]], one), _data(reference[[name]], one)
        Document(_metrics(one)).run(*pair)
    except Exception as error:  # noqa: BLE001 - whatever it is, the sentence is for a person
        return f"Evidently failed on it: {error}."[:300]
    return ""


def _drawn(
    asked: Question,
    reference: pd.DataFrame,
    current: pd.DataFrame,
    columns: Mapping[str, Kind],
) -> "Snapshot":
    names = list(columns)
    at = None if asked.at is None else datetime.fromtimestamp(asked.at, UTC)
    return Document(_metrics(columns)).run(
        _data(current[names], columns), _data(reference[names], columns), timestamp=at
    )


def _metrics(columns: Mapping[str, Kind]) -> list[Any]:
    drift = [
        ValueDrift(column=name, method=_METHODS[kind], threshold=_THRESHOLD)
        for name, kind in columns.items()
    ]
    return [*drift, DataSummaryPreset()]


def _data(table: pd.DataFrame, columns: Mapping[str, Kind]) -> Dataset:
    said = {kind: [name for name, one in columns.items() if one == kind] for kind in _METHODS}
    defined = DataDefinition(
        numerical_columns=said["numeric"], categorical_columns=said["category"]
    )
    return Dataset.from_pandas(table, data_definition=defined)


def _scores(made: "Snapshot") -> list[ScoreWire]:
    found = []
    for metric in made.dict()["metrics"]:
        told = metric.get("config", {})
        if not str(told.get("type", "")).endswith("ValueDrift"):
            continue
        value = metric.get("value")
        is_known = isinstance(value, int | float) and value == value
        found.append(
            ScoreWire(
                name=told["column"],
                method=str(told.get("method")),
                value=float(value) if is_known else None,
                threshold=told.get("threshold"),
                failed="" if is_known else "Evidently found no value for it.",
            )
        )
    return found


def _labels(asked: Question, answer: ReportWire) -> None:
    """Write the report on predictions beside labels next to the other one."""
    if asked.labels is None or asked.task is None:
        return
    then, now = (pd.read_parquet(path) for path in asked.labels)
    metrics: Sequence[Any]
    if asked.task == "classification":
        labels = sorted({*then["target"], *now["target"], *now["prediction"]})
        defined = DataDefinition(
            classification=[_classes(labels)], categorical_columns=["target", "prediction"]
        )
        metrics = [ClassificationPreset(), Accuracy(), F1Score()]
    else:
        defined = DataDefinition(
            regression=[Regression(target="target", prediction="prediction")],
            numerical_columns=["target", "prediction"],
        )
        metrics = [RegressionPreset(), MAE(), MeanError()]
    pair = [Dataset.from_pandas(one, data_definition=defined) for one in (now, then)]
    made = Document(list(metrics)).run(*pair)
    made.save_html(str(asked.html.with_suffix(".labels.html")))
    for metric in made.dict()["metrics"]:
        name, value = str(metric["metric_name"]).partition("(")[0], metric["value"]
        if isinstance(value, Mapping):
            value = value.get("mean")
        if isinstance(value, int | float):
            answer.quality[name] = float(value)


def _classes(labels: Sequence[Any]) -> BinaryClassification | MulticlassClassification:
    """Return what two columns of classes are; Evidently wants to know which of two is the one."""
    if len(labels) == 2:
        return BinaryClassification(
            target="target", prediction_labels="prediction", pos_label=labels[1]
        )
    return MulticlassClassification(target="target", prediction_labels="prediction")


def _keep(asked: Question, made: "Snapshot") -> None:
    if asked.workspace is None:
        return
    from evidently.ui.workspace import Workspace

    asked.workspace.mkdir(parents=True, exist_ok=True)
    space = Workspace.create(str(asked.workspace))
    found = [one for one in space.search_project(asked.project) if one.name == asked.project]
    project = found[0] if found else space.create_project(asked.project)
    space.add_run(project.id, made)
    _forget(space, project.id)


def _forget(space: "Workspace", project: Any) -> None:  # noqa: ANN401
    runs = list(space.list_runs(project))
    for one in runs[: max(0, len(runs) - _KEPT)]:
        with contextlib.suppress(FileNotFoundError):
            space.delete_run(project, one)
