"""Questions to the prediction log: Parquet and what is in segments yet, so that nothing is late.

Every function may raise ``PlatformError``: the files cannot be read.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from services.home import Home
from services.predictions import columns, querying
from services.predictions.answers import Bucket, Seen, VersionUse
from services.predictions.folder import Folder, day_of_id, near
from services.predictions.tails import Look

_ASKED = """
WHERE ($project IS NULL OR project = $project) AND ($model IS NULL OR model = $model)
  AND ($version IS NULL OR version = $version)
  AND ($since IS NULL OR answered_at >= $since)
  AND ($until IS NULL OR answered_at < $until)
"""
_ANSWERED = f"{_ASKED} AND shadow = $shadow "
_QUANTILES = """
quantile_cont(latency_ms, [0.5, 0.95, 0.99]) FILTER (status < 500)
"""

_COUNT = f"""
SELECT coalesce(sum(number), 0)
FROM (SELECT count(DISTINCT id) AS number FROM seen {_ANSWERED} GROUP BY project, model)
"""  # noqa: S608  our own words
_SERIES = f"""
SELECT CAST(floor((epoch_us(answered_at) - $begin_us) / $step_us) AS BIGINT) AS bucket,
       count(*), sum(rows), count(*) FILTER (status >= 500), {_QUANTILES}
FROM seen {_ANSWERED} GROUP BY bucket ORDER BY bucket
"""  # noqa: S608
_VERSIONS = f"""
SELECT version, count(*), sum(rows), count(*) FILTER (status >= 500), {_QUANTILES},
       quantile_cont(model_ms, 0.5), quantile_cont(queue_ms, 0.5), sum(energy_j),
       sum(rows) FILTER (energy_j IS NOT NULL), epoch_us(min(answered_at)),
       epoch_us(max(answered_at)), list_sort(list(DISTINCT backend) FILTER (backend <> ''))
FROM seen {_ANSWERED} GROUP BY version ORDER BY version
"""  # noqa: S608
_SELECTED = f"""
{_ASKED} AND ($shadow IS NULL OR shadow = $shadow)
  AND ($errors IS NULL OR (status >= 500) = $errors)
"""
_FIELDS = ", ".join(columns.TYPES).replace("answered_at", "epoch_us(answered_at)")
_NEWEST = f"""
SELECT epoch_us(answered_at) FROM seen {_SELECTED} ORDER BY answered_at DESC LIMIT $limit
"""  # noqa: S608
_WHOLE = f"""
SELECT {_FIELDS} FROM seen {_SELECTED}
QUALIFY row_number() OVER (
  PARTITION BY id, project, model, version, shadow ORDER BY answered_at
) = 1
ORDER BY answered_at DESC LIMIT $limit
"""  # noqa: S608
_ONE = f"""
SELECT {_FIELDS} FROM seen WHERE id = $id AND ($project IS NULL OR project = $project)
ORDER BY shadow LIMIT 1
"""  # noqa: S608


def series(
    home: Home,
    project: str | None,
    model: str | None,
    since: float,
    until: float,
    step_s: float,
    version: int | None = None,
    *,
    shadow: bool = False,
) -> tuple[Bucket, ...]:
    """Return requests, errors and latency by stretches of ``step_s`` from ``since`` on."""
    asked = _asked(project, model, since, until, version, shadow=shadow)
    step = {"begin_us": round(since * 1e6), "step_us": step_s * 1e6}

    def ask(folder: Folder, look: Look) -> tuple[Bucket, ...]:
        paths = querying.files(folder.rows(project, model), look, since, until)
        found = querying.query(_SERIES, paths, look.table(), asked | step).fetchall()
        return tuple(
            Bucket(since + number * step_s, requests, rows, errors, *(quantiles or (None,) * 3))
            for number, requests, rows, errors, quantiles in found
        )

    return querying.consistently(home, ask)


def by_version(
    home: Home,
    project: str,
    model: str,
    since: float | None = None,
    until: float | None = None,
    *,
    shadow: bool = False,
) -> tuple[VersionUse, ...]:
    """Return what each version answered."""
    asked = _asked(project, model, since, until, None, shadow=shadow)

    def ask(folder: Folder, look: Look) -> tuple[VersionUse, ...]:
        paths = querying.files(folder.rows(project, model), look, since, until)
        return tuple(
            _version(row)
            for row in querying.query(_VERSIONS, paths, look.table(), asked).fetchall()
        )

    return querying.consistently(home, ask)


def count(
    home: Home,
    project: str | None = None,
    model: str | None = None,
    since: float | None = None,
    until: float | None = None,
    version: int | None = None,
    *,
    shadow: bool = False,
) -> int:
    """Return how many predictions there are, each id of a model once."""
    asked = _asked(project, model, since, until, version, shadow=shadow)

    def ask(folder: Folder, look: Look) -> int:
        paths = querying.files(folder.rows(project, model), look, since, until)
        return int(querying.query(_COUNT, paths, look.table(), asked).fetchall()[0][0])

    return querying.consistently(home, ask)


def recent(
    home: Home,
    project: str | None = None,
    model: str | None = None,
    *,
    limit: int = 50,
    since: float | None = None,
    until: float | None = None,
    version: int | None = None,
    errors: bool | None = None,
    shadow: bool | None = False,
) -> tuple[Seen, ...]:
    """Return the newest predictions, newest first; ``until`` leads to the page before."""
    asked = _asked(project, model, since, until, version, shadow=shadow)
    asked |= {"limit": limit, "errors": errors}

    def ask(folder: Folder, look: Look) -> tuple[Seen, ...]:
        partitions, tail = folder.rows(project, model), look.table()
        days = sorted({one.day for one in partitions}, reverse=True)
        # Twice the days as long as there are too few: most often the newest one is enough.
        number = 1
        while True:
            some = [one for one in partitions if one.day in days[:number]]
            paths = querying.files(some, look, since, until)
            newest = querying.query(_NEWEST, paths, tail, asked).fetchall()
            if len(newest) >= limit or number >= len(days):
                break
            number *= 2
        if not newest:
            return ()
        # Inputs and outputs are most of the file: they are read of the stretch that is shown alone.
        stretch = {"since": moment(newest[-1][0] / 1e6)}
        rows = querying.query(_WHOLE, paths, tail, asked | stretch).fetchall()
        return tuple(map(_seen, rows))

    return querying.consistently(home, ask)


def one(home: Home, request_id: str, project: str | None = None) -> Seen | None:
    """Return a prediction by its id, None when there is none."""
    asked = {"id": request_id, "project": project}
    began = day_of_id(request_id)

    def ask(folder: Folder, look: Look) -> Seen | None:
        partitions = [p for p in folder.rows(project) if began is None or near(p.day, began)]
        paths = querying.files(partitions, look, None, None)
        rows = querying.query(_ONE, paths, look.table(), asked).fetchall()
        return _seen(rows[0]) if rows else None

    return querying.consistently(home, ask)


def _asked(
    project: str | None,
    model: str | None,
    since: float | None,
    until: float | None,
    version: int | None,
    *,
    shadow: bool | None,
) -> dict[str, Any]:
    return {
        "project": project,
        "model": model,
        "version": version,
        "since": moment(since),
        "until": moment(until),
        "shadow": shadow,
    }


def moment(at: float | None) -> datetime | None:
    """Return seconds as DuckDB takes a time."""
    return None if at is None else datetime.fromtimestamp(at, UTC)


def _version(row: Sequence[Any]) -> VersionUse:
    version, requests, rows, errors, quantiles, model, queue, energy, energy_rows, *rest = row
    p50, p95, p99 = quantiles or (None, None, None)
    first, last, backends = rest
    return VersionUse(
        version, requests, rows, errors, p50, p95, p99, model, queue, energy, energy_rows or 0,
        first / 1e6, last / 1e6, tuple(backends or ()),
    )  # fmt: skip


def _seen(row: tuple[Any, ...]) -> Seen:
    said = dict(zip(columns.TYPES, row, strict=True))
    said["at"] = said.pop("answered_at") / 1e6
    for name in ("host_state", "inputs", "outputs"):
        said[name] = _loaded(said[name])
    return Seen(**said)


def _loaded(text: str | None) -> Any:  # noqa: ANN401
    try:
        return None if text is None else orjson.loads(text)
    except ValueError:  # given as JSON by somebody, and none
        return None
