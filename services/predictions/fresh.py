"""Labels that the compactor did not bring to their predictions yet."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from services.home import Home
from services.predictions import columns, labels, querying
from services.predictions.folder import Folder, day_of_id, near
from services.predictions.labels import MATCHED_TYPES
from services.predictions.privacy import Masking
from services.predictions.segments import Row
from services.predictions.tails import Look

if TYPE_CHECKING:
    import pyarrow as pa

LOOKED_FOR_S = 3600.0
"""The compactor looks for the predictions of all of a day, each ten minutes: what is older than
this and has none will hardly have one now."""


def _fresh(folder: Folder, look: Look) -> list[Row]:
    """Return the labels that the compactor did not match yet."""
    oldest = time.time() - LOOKED_FOR_S
    paths = [path for path in folder.unknown_files() if path.stem not in look.names]
    read = [labels.read(path) for path in paths if path.stat().st_mtime >= oldest]
    return [*look.labels, *(row for some in read for row in some)]


def matched(
    home: Home,
    folder: Folder,
    look: Look,
    project: str,
    model: str,
    since: float | None,
    until: float | None,
) -> "pa.Table":
    """Return the labels that the compactor did not match yet, beside their predictions.

    Their columns are those of ``labels.MATCHED_TYPES``.
    """
    fresh = _fresh(folder, look)
    rows = _known(folder, look, project, model, fresh, since, until) if fresh else {}
    masking = Masking(home)
    found = [
        labels.beside(masking, row, rows[row[0]])
        for row in fresh
        if row[0] in rows and row[3] in ("", project)
    ]
    return columns.table(found, MATCHED_TYPES)


def _known(
    folder: Folder,
    look: Look,
    project: str,
    model: str,
    fresh: Sequence[Row],
    since: float | None,
    until: float | None,
) -> dict[str, Row]:
    import pyarrow.compute as pc

    # An id tells its day, so that late labels cost the days that they are of.
    days = {day_of_id(row[0]) for row in fresh}
    of_them = [
        one
        for one in folder.rows(project, model)
        if any(day is None or near(one.day, day) for day in days)
    ]
    paths = querying.files(of_them, look, since, until)
    wanted = querying.wanted({row[0] for row in fresh})
    tail = look.table()
    tail = tail.filter((pc.field("project") == project) & (pc.field("model") == model))
    found = querying.query(labels.KNOWN, paths, tail, {}, beside=wanted).fetchall()
    return {row[0]: row for row in found}
