"""Labels that come later find their predictions; those that find none are kept apart.

A label goes to ``feedback/unknown`` first, then to the folder of its prediction, with what the
model had answered. What finds none is looked up again for a day. The last label of a request
counts, so that one which is in two files after a kill is one.
"""

import logging
from collections import defaultdict
from pathlib import Path

import orjson

from services.home import Home
from services.predictions import columns, parquet, querying
from services.predictions.folder import PARQUET, Folder, day, day_of_id, near
from services.predictions.privacy import Masking
from services.predictions.segments import Row

logger = logging.getLogger(__name__)

LOOKED_FOR_S = 86_400.0

MATCHED_TYPES = {
    "id": "string", "said_at": "time", "predicted_at": "time", "version": "int64",
    "key_id": "string", "kept": "string", "label": "string", "outputs": "string",
}  # fmt: skip
"""A label beside what the model answered; both JSON."""

KNOWN = """
SELECT p.id, p.project, p.model, p.version, p.kept, p.outputs, epoch_us(p.answered_at)
FROM seen p SEMI JOIN wanted USING (id) WHERE NOT p.shadow ORDER BY p.answered_at
"""
"""What must be known of predictions, of the ids in ``wanted``; the last of a model counts."""


class Labels:
    """Brings labels to their predictions. Used by the compactor alone."""

    def __init__(self, home: Home, folder: Folder) -> None:
        self._folder = folder
        self._masking = Masking(home)
        self._new: set[str] = set()

    def arrived(self, name: str, labels: list[Row]) -> None:
        """Keep the labels of a segment.

        Raises:
            OSError: No room.
        """
        parquet.write(self._folder.unknown, name, columns.table(labels, columns.LABEL_TYPES))
        self._new.add(f"{name}{PARQUET}")

    def match(self, now_s: float, *, again: bool) -> None:
        """Look for the predictions of what came, and again of what is not matched since a day.

        Raises:
            OSError: No room; they are looked for again.
        """
        unfinished = {path.stem for path in self._folder.segments()}
        for path in self._folder.unknown_files():
            late = path.stat().st_mtime < now_s - LOOKED_FOR_S
            if path.stem not in unfinished and (path.name in self._new or (again and not late)):
                self._match(path)
        self._new.clear()

    def _match(self, path: Path) -> None:
        rows = read(path)
        known = self._known(sorted({row[0] for row in rows}))
        parts: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
        rest: list[Row] = []
        for row in rows:
            its = [one for one in known.get(row[0], ()) if row[3] in ("", one[1])]
            if not its:
                rest.append(row)
            for said in its:
                parts[said[1], said[2], day(said[6] / 1e6)].append(beside(self._masking, row, said))
        if not parts:
            return
        stem, _, number = path.stem.partition("~")
        again = f"{stem}~{int(number or 0) + 1}"
        for key, some in parts.items():
            parquet.write(self._folder.of_feedback(*key), again, columns.table(some, MATCHED_TYPES))
        if rest:
            parquet.write(self._folder.unknown, again, columns.table(rest, columns.LABEL_TYPES))
        path.unlink()

    def _known(self, ids: list[str]) -> dict[str, list[Row]]:
        """Return id, project, model, version, what is kept, outputs and time of predictions.

        By id: who asks several models the same may give it to all of them, also of other projects.
        """
        import pyarrow as pa

        wanted = pa.table({"id": ids})
        found = querying.query(
            KNOWN, self._files(ids), columns.table([]), {}, beside={"wanted": wanted}
        )
        last = {row[:3]: row for row in found.fetchall()}
        by_id: dict[str, list[Row]] = defaultdict(list)
        for row in last.values():
            by_id[row[0]].append(row)
        return by_id

    def _files(self, ids: list[str]) -> list[str]:
        days = {day_of_id(one) for one in ids}
        return [
            str(path)
            for partition in self._folder.rows()
            if any(one is None or near(partition.day, one) for one in days)
            for path in partition.files()
        ]


def read(path: Path) -> list[Row]:
    """Return the labels of a file of unmatched ones, as they came in a segment.

    Raises:
        OSError: It is gone.
    """
    import pyarrow.parquet as pq

    return list(columns.rows(pq.ParquetFile(path).read(), list(columns.LABEL_TYPES)))


def beside(masking: Masking, label: Row, known: Row) -> Row:
    """Return a label with its prediction, no more of it than is kept of that.

    Args:
        masking: Makes hashes.
        label: Of ``columns.LABEL_TYPES``.
        known: Of ``KNOWN``.
    """
    request_id, at, key_id, _, kept, said = label
    _, project, _, version, prediction_kept, outputs, predicted_at = known
    if prediction_kept == "dropped":
        kept, said = "dropped", "null"
    elif prediction_kept == "hashed" and kept == "full":
        kept, said = "hashed", orjson.dumps(masking.label(project, orjson.loads(said))).decode()
    return request_id, at, predicted_at, version, key_id, kept, said, outputs
