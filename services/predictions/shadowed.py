"""Labels beside the answers of a shadow: those that came to the requests it had a copy of.

A label is said to the request, and kept with the answer that went out. A shadow's answer has the id
of that request, so what is known of one is known of both.
"""

from typing import TYPE_CHECKING

from services.home import Home
from services.predictions import columns, monitoring, querying
from services.predictions.folder import Folder
from services.predictions.labels import MATCHED_TYPES
from services.predictions.reading import moment
from services.predictions.tails import Look

if TYPE_CHECKING:
    import pyarrow as pa

    from services.predictions.segments import Row

_ANSWERS = """
SELECT id, kept, outputs FROM seen SEMI JOIN wanted USING (id)
WHERE project = $project AND model = $model AND version = $version AND shadow
  AND ($since IS NULL OR answered_at >= $since)
QUALIFY row_number() OVER (PARTITION BY id ORDER BY answered_at DESC) = 1
"""
_LATER_S = 3600.0
"""Longer than any request may take."""


def labelled(
    home: Home,
    project: str,
    model: str,
    version: int,
    since: float | None = None,
    until: float | None = None,
) -> "tuple[pa.Table, pa.Table]":
    """Return the labels of requests that a shadow had a copy of, beside both answers.

    Args:
        home: Where everything is.
        project: Of the model.
        model: Its name.
        version: The shadow's.
        since: Seconds since 1970, as ``until``, which is not in it: when the request was answered.
        until: As ``since``.

    Returns:
        Two tables as ``monitoring.labelled`` gives one, beside what went out and beside what the
        shadow answered: the same place in both is the same request.

    Raises:
        PlatformError: The log cannot be read.
    """
    said = monitoring.labelled(home, project, model, since, until)
    theirs = {row[0]: row for row in columns.rows(said, tuple(MATCHED_TYPES))}
    mine = _answers(home, project, model, version, since, until, said)
    # One kept otherwise than the other cannot be held against the label that both have.
    both = [name for name, row in theirs.items() if name in mine and row[5] == mine[name][1]]
    return (
        columns.table([theirs[name] for name in both], MATCHED_TYPES),
        columns.table([_beside(theirs[name], version, mine[name]) for name in both], MATCHED_TYPES),
    )


def _answers(
    home: Home,
    project: str,
    model: str,
    version: int,
    since: float | None,
    until: float | None,
    said: "pa.Table",
) -> "dict[str, Row]":
    asked = {"project": project, "model": model, "version": version, "since": moment(since)}
    wanted = said.select(["id"])

    def ask(folder: Folder, look: Look) -> "dict[str, Row]":
        # A copy is answered after its request: at the end of a day that is the next one.
        later = None if until is None else until + _LATER_S
        paths = querying.files(folder.rows(project, model), look, since, later)
        found = querying.query(_ANSWERS, paths, look.table(), asked, beside={"wanted": wanted})
        return {row[0]: row for row in found.fetchall()}

    return querying.consistently(home, ask)


def _beside(label: "Row", version: int, answer: "Row") -> "Row":
    """Return a label with another answer; its columns are those of ``MATCHED_TYPES``."""
    request_id, said_at, predicted_at, _, key_id, kept, said, _ = label
    return request_id, said_at, predicted_at, version, key_id, kept, said, answer[2]
