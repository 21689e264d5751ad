"""Requests as a search for causes reads them: how each was answered, and under what circumstances.

May raise ``PlatformError``: the files cannot be read.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from services.home import Home
from services.predictions import querying
from services.predictions.folder import Folder
from services.predictions.reading import moment
from services.predictions.tails import Look

if TYPE_CHECKING:
    import pyarrow as pa

_MINE = """
WHERE project = $project AND model = $model AND NOT shadow
  AND answered_at >= $since AND answered_at < $until {only}
"""
_ONLY = "AND id IN (SELECT id FROM wanted)"
_EDGE = """
SELECT epoch_us(min(answered_at)) FROM (
  SELECT answered_at FROM seen {mine} ORDER BY answered_at DESC LIMIT $most
)
"""
_ROWS = """
SELECT id, epoch_us(answered_at) / 1e6 AS answered_s, version, api, key_id, rows, status,
       latency_ms, queue_ms, backend, host, host_state, error,
       strlen(inputs) / greatest(rows, 1) AS row_bytes
FROM seen {mine}
QUALIFY row_number() OVER (PARTITION BY id, version ORDER BY answered_at) = 1 ORDER BY answered_s
"""


def read(
    home: Home,
    project: str,
    model: str,
    since: float,
    until: float,
    most: int,
    ids: Collection[str] | None = None,
) -> "pa.Table":
    """Return the newest requests of a stretch of time, all versions, oldest first.

    All of the time that they take: what comes a second can be counted. ``row_bytes`` is the length
    of the inputs as JSON, a row; empty where the log keeps none.

    Args:
        home: Where everything is.
        project: Of the model.
        model: Its name.
        since: Seconds since 1970, as ``until``, which is not in it.
        until: As ``since``.
        most: Of them at most.
        ids: Of these requests alone; None: of all.
    """
    asked: dict[str, Any] = {"project": project, "model": model, "until": moment(until)}
    mine = _MINE.format(only="" if ids is None else _ONLY)
    beside = None if ids is None else querying.wanted(ids)

    def ask(folder: Folder, look: Look) -> "pa.Table":
        begin = moment(since)
        paths = querying.files(folder.rows(project, model), look, since, until)
        tail = look.table()
        # Inputs are most of a file: their length is read of the newest ones alone.
        edge = querying.query(
            _EDGE.format(mine=mine), paths, tail, {**asked, "since": begin, "most": most},
            beside=beside,
        )  # fmt: skip
        ((first_us,),) = edge.fetchall()
        if first_us is not None:
            begin = moment(first_us / 1e6)
            paths = querying.files(folder.rows(project, model), look, first_us / 1e6, until)
        sql = _ROWS.format(mine=mine)
        found = querying.query(sql, paths, tail, {**asked, "since": begin}, beside=beside)
        return found.to_arrow_table()

    return querying.consistently(home, ask)
