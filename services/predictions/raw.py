"""What was asked and answered word for word, of some rows: vectors are no typed columns."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from services.home import Home
from services.predictions import querying
from services.predictions.folder import Folder
from services.predictions.reading import moment
from services.predictions.tails import Look

if TYPE_CHECKING:
    import pyarrow as pa

MOST_BYTES = 64 << 20
"""Of JSON that is read: of 2,000 requests 32 KB each."""

_OF = """
FROM seen SEMI JOIN wanted USING (id)
WHERE project = $project AND model = $model AND shadow = $shadow AND kept = 'full'
  AND answered_at >= $since AND answered_at < $until
"""
_SIZES = f"SELECT id, max(strlen(inputs) + strlen(outputs)) {_OF} GROUP BY id ORDER BY id"
_TEXTS = f"SELECT id, version, inputs, outputs {_OF}"

Texts = Mapping[tuple[str, int], tuple[str, str]]
"""By id and version: inputs and outputs as JSON."""


def read(
    home: Home,
    project: str,
    model: str,
    ids: "pa.ChunkedArray",
    stretch: tuple[float, float],
    *,
    shadow: bool = False,
) -> Texts:
    """Return inputs and outputs of requests; of more than ``MOST_BYTES`` a part, evenly.

    Args:
        home: Where everything is.
        project: Of the model.
        model: Its name.
        ids: Of the requests.
        stretch: From when to when they were answered, seconds since 1970; the end is not in it.
        shadow: Whether it was asked beside the live version.

    Raises:
        PlatformError: The files cannot be read.
    """
    import pyarrow as pa

    since, until = map(moment, stretch)
    asked = {
        "project": project, "model": model, "shadow": shadow, "since": since, "until": until,
    }  # fmt: skip

    def ask(folder: Folder, look: Look) -> Texts:
        paths, tail = querying.files(folder.rows(project, model), look, *stretch), look.table()
        wanted = pa.table({"id": ids.unique()})
        sizes = querying.query(_SIZES, paths, tail, asked, beside={"wanted": wanted}).fetchall()
        whole = sum(size or 0 for _, size in sizes)
        if whole > MOST_BYTES:
            step = -(-whole // MOST_BYTES)
            wanted = pa.table({"id": [one for one, _ in sizes[::step]]})
        found = querying.query(_TEXTS, paths, tail, asked, beside={"wanted": wanted}).fetchall()
        return {(one, version): (inputs, outputs) for one, version, inputs, outputs in found}

    return querying.consistently(home, ask)
