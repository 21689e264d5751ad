"""The table at the end of a comparison: what was trained, how good it got, and what it took."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.errors import EngineRefusedError
from services.home import Home

if TYPE_CHECKING:
    from services.engines.mlflow.adapter import MLflow

Row = dict[str, Any]
_OWN = "as declared"
_COLUMNS = ("project", "technique", "state", "runs", "metric", "best", "seconds", "peak_gb")


def table(
    mlflow: "MLflow",
    home: Home,
    planned: Sequence[Mapping[str, Any]],
    trainings: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the rows, best first within a project, and the table as text.

    Args:
        mlflow: Where the runs are.
        home: Where the spec files are: they name each project's metric and its goal.
        planned: What was to be trained, as the task ``plan`` answered.
        trainings: What the trainings that ended well answered.

    Raises:
        EngineError: MLflow did not answer.
    """
    left = list(trainings)
    rows = []
    for wanted in planned:
        project = Path(wanted["spec"]).stem
        overrides = wanted.get("overrides") or {}
        done = next((one for one in left if _is(one, project, overrides)), None)
        if done is not None:
            left.remove(done)
        rows.append(_row(mlflow, _spec(home, project), project, overrides, done))
    rows.sort(key=_order)
    text = "\n".join(_text(rows))
    failed = sum(row["state"] == "failed" for row in rows)
    said = f"{len(rows)} trainings, {failed} of them failed.\n{text}"
    return {"rows": rows, "said": said}


def _is(done: Mapping[str, Any], project: str, overrides: Mapping[str, Any]) -> bool:
    return done.get("project") == project and (done.get("overrides") or {}) == overrides


def _spec(home: Home, project: str) -> Mapping[str, Any]:
    path = home.root / "airflow" / "specs" / f"{project}.json"
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _row(
    mlflow: "MLflow",
    spec: Mapping[str, Any],
    project: str,
    overrides: Mapping[str, Any],
    done: Mapping[str, Any] | None,
) -> Row:
    metric, goal = spec.get("primary_metric"), spec.get("goal") or "max"
    run_ids = list((done or {}).get("run_ids") or ())
    values = list(_values(mlflow, project, run_ids, metric)) if metric else []
    best = (max if goal == "max" else min)(values, default=None)
    peak = (done or {}).get("peak_bytes")
    return {
        "project": project,
        "technique": str(overrides.get("technique") or _OWN),
        "state": "failed" if done is None else "succeeded",
        "runs": len(run_ids),
        "run_ids": run_ids,
        "metric": metric,
        "goal": goal,
        "best": best,
        "seconds": (done or {}).get("seconds"),
        "peak_gb": None if peak is None else round(peak / 1e9, 3),
    }


def _values(mlflow: "MLflow", project: str, run_ids: Iterable[str], metric: str) -> Iterable[float]:
    for run_id in run_ids:
        try:
            found = mlflow.run(project, run_id).metrics.get(metric)
        except EngineRefusedError:  # deleted meanwhile
            continue
        if found is not None and math.isfinite(found.value):
            yield found.value


def _order(row: Row) -> tuple[str, bool, float]:
    best = row["best"]
    value = 0.0 if best is None else best if row["goal"] == "min" else -best
    return row["project"], best is None, value


def _text(rows: Sequence[Row]) -> Iterable[str]:
    cells = [list(_COLUMNS), *([_cell(row[name]) for name in _COLUMNS] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(_COLUMNS))]
    for line in cells:
        yield "  ".join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()


def _cell(value: object) -> str:
    if value is None:
        return "not measured"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
