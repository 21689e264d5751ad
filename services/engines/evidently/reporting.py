"""Evidently's own side: only imported in its process."""

import logging
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import evidently  # noqa: TID253 - this process is for it
from evidently import DataDefinition, Dataset  # noqa: TID253
from evidently import Report as Document  # noqa: TID253
from evidently.metrics import ValueDrift  # noqa: TID253
from evidently.presets import DataSummaryPreset  # noqa: TID253

from services.engines.evidently import keeping, labelled, page, tables
from services.engines.evidently.models import Kind, Question
from services.engines.evidently.wire import ReportWire, ScoreWire

if TYPE_CHECKING:
    import pandas as pd
    from evidently.core.report import Snapshot

T = TypeVar("T")
logger = logging.getLogger(__name__)

_METHODS: Mapping[Kind, str] = {"numeric": "wasserstein", "category": "jensenshannon"}


def write(asked: Question) -> ReportWire:
    """Write the report; columns that Evidently fails on are left out of it and say so."""
    reference, current = tables.read(asked.reference), tables.read(asked.current)
    names = {tables.harmless(name): name for name in asked.columns}
    columns = {name: asked.columns[own] for name, own in names.items() if name in reference.columns}
    failed: dict[str, str] = {}
    try:
        made = _drawn(asked, reference, current, columns)
    except Exception:  # its metrics raise what numpy, pandas and scipy raise: no base in common
        logger.exception("the report of all columns failed; each is tried alone")
        failed = {
            name: why
            for name in columns
            if (why := _alone(asked, reference, current, columns, name))
        }
        columns = {name: kind for name, kind in columns.items() if name not in failed}
        made = _drawn(asked, reference, current, columns)
    asked.json.write_text(made.json(), encoding="utf-8")
    scores = [*_scores(made), *(ScoreWire(name=n, failed=why) for n, why in failed.items())]
    answer = ReportWire(version=evidently.__version__, scores=scores)
    for score in answer.scores:
        score.name = names.get(score.name, score.name)
    beside = _with_trouble(answer, labelled.TITLE, lambda: _labels(asked, answer))
    notes = [f"{one.name}: {one.failed}" for one in answer.scores if one.failed]
    notes += [*asked.notes, *answer.trouble]
    asked.html.write_text(page.html(made, beside, notes), encoding="utf-8")
    kept = [one for one in (made, beside) if one is not None]
    _with_trouble(answer, "The workspace for `evidently ui`", lambda: keeping.keep(asked, kept))
    return answer


def _with_trouble(answer: ReportWire, what: str, do: Callable[[], T]) -> T | None:
    try:
        return do()
    except Exception as error:
        logger.exception("%s", what)
        answer.trouble.append(f"{what} could not be written: {_why(error)}."[:300])
        return None


def _alone(
    asked: Question,
    reference: "pd.DataFrame",
    current: "pd.DataFrame",
    columns: Mapping[str, Kind],
    name: str,
) -> str:
    """Return why Evidently fails on a column, empty when it does not."""
    one = {name: columns[name]}
    try:
        pair = _data(current[[name]], one), _data(reference[[name]], one)
        Document(_metrics(one, asked.threshold)).run(*pair)
    except Exception as error:  # noqa: BLE001 - whatever it is, the sentence is for a person
        return f"Evidently failed on it: {_why(error)}."[:300]
    return ""


def _why(error: Exception) -> str:
    return str(error).rstrip(".")


def _drawn(
    asked: Question,
    reference: "pd.DataFrame",
    current: "pd.DataFrame",
    columns: Mapping[str, Kind],
) -> "Snapshot":
    names = list(columns)
    at = None if asked.at is None else datetime.fromtimestamp(asked.at, UTC)
    return Document(_metrics(columns, asked.threshold)).run(
        _data(current[names], columns), _data(reference[names], columns), timestamp=at
    )


def _metrics(columns: Mapping[str, Kind], threshold: float) -> list[Any]:
    drift = [
        ValueDrift(column=name, method=_METHODS[kind], threshold=threshold)
        for name, kind in columns.items()
    ]
    return [*drift, DataSummaryPreset()]


def _data(table: "pd.DataFrame", columns: Mapping[str, Kind]) -> Dataset:
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
        is_known = isinstance(value, int | float) and math.isfinite(value)
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


def _labels(asked: Question, answer: ReportWire) -> "Snapshot | None":
    """Return the report on predictions beside labels, and keep its figures and its JSON."""
    found = labelled.drawn(asked)
    if found is None:
        return None
    if found.note:
        answer.trouble.append(found.note)
    answer.quality.update(found.quality)
    asked.json.with_suffix(".labels.json").write_text(found.made.json(), encoding="utf-8")
    return found.made
