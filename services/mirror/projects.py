"""Projects at a glance: counts, champion, best result, and techniques against each other."""

import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, select

from services.mirror import schema
from services.mirror.columns import Columns, Numbers
from services.mirror.models import Best, ModelVersion, ProjectSummary, TechniqueRow
from services.mirror.registry import registered_models
from services.mirror.text import Floats, Mask, Text

Goal = Literal["max", "min"]
CHAMPION = "champion"
_TREND = 20
_LOWER_IS_BETTER = (
    "loss", "error", "latency", "bytes", "perplexity", "mse", "mae", "frechet", "fid", "_ms",
    "seconds", "duration", "parameters", "energy", "distance", "rank",
    "cpu_s", "gpu_s", "power",
)  # fmt: skip


def goal_of(metric: str) -> Goal:
    """Return which way a metric without a declared goal is usually better."""
    return "min" if any(word in metric.lower() for word in _LOWER_IS_BETTER) else "max"


def summaries(
    connection: Connection, columns: Columns, wanted: tuple[str, ...] | None
) -> Iterable[ProjectSummary]:
    """Yield the projects by folder order: registered or found ones, and workspaces with runs."""
    found = {row.id: row for row in connection.execute(select(schema.projects))}
    ids = [*found, *(p for p in columns.texts["project"].words if p not in found)]
    if wanted is not None:
        ids = [project for project in ids if project in wanted]
    champions = _champions(connection, ids)
    for project in sorted(ids, key=lambda p: path_key(found.get(p), p)):
        yield _summary(connection, columns, project, found.get(project), champions)


def path_key(row: Row | None, project: str) -> str:  # type: ignore[type-arg]  # of the projects table
    """Return what projects are ordered by: their folder's name, those without a folder last."""
    path = json.loads(row.document).get("path", "") if row else ""
    return path.rstrip("/").rpartition("/")[2] or f"~{project}"


def goal_and_metric(row: Row | None) -> tuple[str | None, Goal]:  # type: ignore[type-arg]  # of the projects table
    """Return a project's primary metric, if it declares one, and which way it is better."""
    document = json.loads(row.document) if row else {}
    metric: str | None = document.get("primary_metric")
    goal: Goal = document.get("goal") or (goal_of(metric) if metric else "max")
    return metric, goal


def _champions(
    connection: Connection, projects: list[str]
) -> dict[str, tuple[int, int, ModelVersion | None]]:
    found: dict[str, tuple[int, int, ModelVersion | None]] = {}
    for model in registered_models(connection, tuple(projects), None):
        models, versions, champion = found.get(model.project, (0, 0, None))
        own = model.with_alias(CHAMPION)
        if own is not None and (champion is None or own.created_at > champion.created_at):
            champion = own
        found[model.project] = (models + 1, versions + len(model.versions), champion)
    return found


def _summary(
    connection: Connection,
    columns: Columns,
    project: str,
    row: Row | None,  # type: ignore[type-arg]  # of the projects table
    champions: dict[str, tuple[int, int, ModelVersion | None]],
) -> ProjectSummary:
    document = json.loads(row.document) if row else {}
    size = columns.size
    mine = columns.texts["project"].equal(project)[:size] & ~columns.archived[:size]
    status = columns.texts["status"]
    counts = {
        word: int((status.equal(word)[:size] & mine).sum())
        for word in ("running", "failed", "lost")
    }
    started = columns.started_ms[:size][mine]
    started = started[~np.isnan(started)]
    metric, goal = goal_and_metric(row)
    best, trend = _best(connection, columns, mine, metric, goal)
    models, versions, champion = champions.get(project, (0, 0, None))
    return ProjectSummary(
        id=project,
        title=document.get("title") or project,
        kind=document.get("kind", ""),
        priority=document.get("priority", 5),
        path=document.get("path", ""),
        state=row.state if row else "missing",
        reasons=tuple(document.get("reasons", ())) if row else ("No folder is registered for it.",),
        conformance=document.get("conformance"),
        checks=tuple((c[0], bool(c[1]), c[2]) for c in document.get("checks", ())),
        primary_metric=metric,
        goal=goal,
        gates=document.get("gates", {}),
        runs=int(mine.sum()),
        running=counts["running"],
        failed=counts["failed"],
        lost=counts["lost"],
        models=models,
        versions=versions,
        champion=champion,
        last_run_at=datetime.fromtimestamp(started.max() / 1000, UTC) if len(started) else None,
        best=best,
        trend=trend,
    )


def _best(
    connection: Connection, columns: Columns, mine: Mask, metric: str | None, goal: Goal
) -> tuple[Best | None, tuple[float, ...]]:
    column = columns.values(connection, "metrics", metric) if metric else None
    if metric is None or not isinstance(column, Numbers):
        return None, ()
    size = columns.size
    values = column.values(size)
    finished = results(connection, columns)
    usable = np.flatnonzero(mine & finished & np.isfinite(values))
    if not len(usable):
        return None, ()
    usable = usable[np.argsort(columns.started_ms[usable], kind="stable")]
    at = int(_top(values[usable], goal))
    place = usable[at]
    earlier = values[usable[:at]]
    baseline = values[usable[columns.baseline[usable]]]
    run_id, technique = columns.texts["run_id"], columns.texts["technique"]
    code = technique.codes[place]
    best = Best(
        metric=metric,
        goal=goal,
        value=float(values[place]),
        run_id=run_id.words[run_id.codes[place]],
        technique=technique.words[code] if code >= 0 else None,
        previous=float(earlier[_top(earlier, goal)]) if len(earlier) else None,
        baseline=float(baseline[_top(baseline, goal)]) if len(baseline) else None,
    )
    return best, tuple(values[usable[-_TREND:]].tolist())


def results(connection: Connection, columns: Columns) -> Mask:
    """Return the finished runs that trained something: an evaluation repeats another's result."""
    found: Mask = columns.texts["status"].equal("finished")[: columns.size]
    roles = columns.values(connection, "tags", "mlops.role")
    return found & ~roles.equal("evaluation")[: columns.size] if isinstance(roles, Text) else found


def _top(values: Floats, goal: Goal) -> np.intp:
    return np.argmax(values) if goal == "max" else np.argmin(values)


def technique_rows(
    connection: Connection,
    columns: Columns,
    positions: NDArray[np.int64],
    project: str,
    metric: str,
    goal: Goal,
) -> tuple[TechniqueRow, ...]:
    """Return one row a technique among the runs at ``positions``, best mean first.

    NaN and infinities are in no mean: they are counted, and who has nothing else stands last.
    """
    column = columns.values(connection, "metrics", metric)
    if not isinstance(column, Numbers):
        return ()
    numbers = column.values(columns.size)
    finished = results(connection, columns)
    logged = positions[finished[positions] & column.present(columns.size)[positions]]
    techniques = columns.texts["technique"]
    run_ids = columns.texts["run_id"]
    rows = []
    for code in np.unique(techniques.codes[logged]):
        if code < 0:
            continue
        repeats = logged[techniques.codes[logged] == code]
        own = repeats[np.isfinite(numbers[repeats])]
        values = numbers[own]
        mean, low, high = mean_interval(values) if len(own) else (math.nan, None, None)
        top = own[_top(values, goal)] if len(own) else repeats[0]
        rows.append(
            TechniqueRow(
                project=project,
                technique=techniques.words[code],
                baseline=bool(columns.baseline[repeats].any()),
                metric=metric,
                runs=len(own),
                unfinite=len(repeats) - len(own),
                mean=mean,
                low=low,
                high=high,
                best=float(numbers[top]) if len(own) else math.nan,
                best_run_id=run_ids.words[run_ids.codes[top]],
            )
        )
    sign = -1 if goal == "max" else 1
    return tuple(sorted(rows, key=lambda row: (math.isnan(row.mean), sign * row.mean)))


def mean_interval(values: Floats) -> tuple[float, float | None, float | None]:
    """Return the mean and its 95 % interval by Student's t; no interval with one value.

    mean ± t(0.975, n−1) · s / √n (Student, "The probable error of a mean", 1908).
    """
    # Squares of huge or tiny values are no numbers: in a unit of their size, a power of two so that
    # nothing is rounded, they are.
    unit = math.ldexp(1.0, math.frexp(float(np.abs(values).max()))[1] - 1)
    scaled = values / unit
    mean = float(scaled.mean())
    if len(values) < 2:
        return mean * unit, None, None
    from scipy.special import stdtrit

    half = float(stdtrit(len(values) - 1, 0.975)) * float(scaled.std(ddof=1))
    half /= math.sqrt(len(values))
    return mean * unit, (mean - half) * unit, (mean + half) * unit
