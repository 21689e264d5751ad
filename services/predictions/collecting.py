"""Rows that a model was asked, with what was right, out of the prediction log: to train with.

Asked for are the answered requests of a stretch of time, each once, without a shadow's copies. Of
them those are had whose columns are kept as they came; at most the newest ``MOST_ROWS`` rows. They
are read piece by piece, so that memory does not grow with their number.

Every function may raise ``PlatformError``: the files cannot be read.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from services.home import Home
from services.predictions import monitoring, querying
from services.predictions.folder import Folder
from services.predictions.reading import moment
from services.predictions.tails import Look
from services.predictions.typed import columns_of

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS = 200_000
MOST_BYTES = 2 << 30
"""Of inputs and outputs as JSON."""
_PIECE_BYTES = 16 << 20

# The texts are many times the rest: what goes through the window is their size, but for the rows.
_SIZE = "coalesce(strlen(inputs), 0) + coalesce(strlen(outputs), 0) AS size"
_MINE = """
FROM (
  SELECT id, version, answered_at, rows, kept, {texts} FROM seen {labelled}
  WHERE project = $project AND model = $model AND NOT shadow AND status < 400
    AND answered_at >= $since AND answered_at < $until
)
QUALIFY row_number() OVER (PARTITION BY id, version ORDER BY answered_at) = 1
"""
_COUNTS = "SELECT kept, count(*), sum(rows) FROM ({mine}) GROUP BY kept"
_NEWEST = """
SELECT epoch_us(answered_at), rows, size
FROM ({mine}) WHERE kept = 'full' ORDER BY answered_at DESC LIMIT $most
"""
_ROWS = """
SELECT id, version, epoch_us(answered_at), rows, inputs, outputs, epoch_us(said_at), label
FROM ({mine}) LEFT JOIN told USING (id) WHERE kept = 'full' ORDER BY answered_at
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which requests."""

    project: str
    model: str
    since: float
    """Seconds since 1970, as ``until``, which is not in it: when they were answered."""
    until: float
    labelled: bool = False
    """Only rows of which somebody told what was right."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the log has of them."""

    requests: Mapping[str, int]
    """By what is kept of them: ``models.Kept``."""
    rows: int
    """Of those that are kept in full."""
    labels: int
    """Requests with a label that is kept as it came."""

    @property
    def full(self) -> int:
        """Return how many requests can be had."""
        return self.requests.get("full", 0)

    @property
    def left_out(self) -> Mapping[str, int]:
        """Return how many cannot, by what is kept of them."""
        return {kept: count for kept, count in self.requests.items() if kept != "full"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    id: str
    at_us: int
    version: int
    rows: int
    inputs: Mapping[str, list[Any]]
    """A value a row, by the column's name."""
    outputs: Mapping[str, list[Any]]
    labels: list[Any] | None
    """What was right, a value a row; None: nobody said, or it does not fit."""
    said_at_us: int | None
    """When that was told."""

    @property
    def fits(self) -> bool:
        """Return whether there is no label, or one that is of its rows."""
        return self.labels is not None or self.said_at_us is None


class Collecting:
    """What is wanted, and the labels of it, as they were when this was made."""

    def __init__(self, home: Home, wanted: Wanted, but: Collection[str] = ()) -> None:
        """Look for labels; ``but``: requests whose labels are left out."""
        self._home = home
        self._wanted = wanted
        self._told = _told(home, wanted, but)

    def found(self) -> Found:
        """Return what there is of it."""
        rows = self._ask(_COUNTS, self._wanted.since, self._wanted.until)
        counts = {kept: count for kept, count, _ in rows}
        full = sum(int(many) for kept, _, many in rows if kept == "full")
        return Found(counts, full, len(self._told))

    def pieces(self) -> list[tuple[float, float]]:
        """Return the stretches of time to read one by one, oldest first, in seconds since 1970.

        Together they hold at most ``MOST_ROWS`` rows, or a request more: the newest ones.
        """
        newest = self._ask(_NEWEST, self._wanted.since, self._wanted.until, most=MOST_ROWS)
        pieces: list[tuple[float, float]] = []
        end, begin = self._wanted.until, None
        rows = size = piece = 0
        for at_us, count, length in newest:
            if rows >= MOST_ROWS or size >= MOST_BYTES:
                break
            if begin is not None and piece >= _PIECE_BYTES and at_us / 1e6 < begin:
                pieces.append((begin, end))
                end, piece = begin, 0
            begin = at_us / 1e6
            rows, size, piece = rows + count, size + length, piece + length
        if begin is not None:
            pieces.append((begin, end))
        return pieces[::-1]

    def read(self, since: float, until: float) -> Iterator[Asked]:
        """Yield the requests of one piece, oldest first."""
        found = self._ask(_ROWS, since, until, texts="inputs, outputs")
        for request_id, version, at_us, count, inputs, outputs, said_at_us, said in found:
            if not isinstance(count, int) or count < 1:
                continue
            answered = dict(columns_of(outputs, count))
            yield Asked(
                request_id, at_us, version, count, dict(columns_of(inputs, count)), answered,
                None if said is None else _truths(said, answered, count), said_at_us,
            )  # fmt: skip

    def _ask(
        self,
        sql: str,
        since: float,
        until: float,
        *,
        texts: str = _SIZE,
        **more: Any,  # noqa: ANN401
    ) -> list[tuple[Any, ...]]:
        one = self._wanted
        asked = {"project": one.project, "model": one.model, "since": moment(since),
                 "until": moment(until), **more}  # fmt: skip
        labelled = "SEMI JOIN told USING (id)" if one.labelled else ""
        whole = sql.format(mine=_MINE.format(texts=texts, labelled=labelled))

        def ask(folder: Folder, look: Look) -> list[tuple[Any, ...]]:
            paths = querying.files(folder.rows(one.project, one.model), look, since, until)
            beside = {"told": self._told}
            return querying.query(whole, paths, look.table(), asked, beside=beside).fetchall()

        return querying.consistently(self._home, ask)


def _told(home: Home, wanted: Wanted, but: Collection[str]) -> "pa.Table":
    """Return ``id``, ``said_at`` and ``label`` of the labels that are kept as they came."""
    import pyarrow as pa
    import pyarrow.compute as pc

    one = wanted
    names = ("id", "said_at", "kept", "label")
    table = monitoring.labelled(home, one.project, one.model, one.since, one.until, names=names)
    known = pa.array(list(but), pa.string())
    wanted_ones = (pc.field("kept") == "full") & (pc.field("label") != "null")
    kept = table.filter(wanted_ones & ~pc.field("id").isin(known))
    return kept.drop_columns(["kept"])


def _truths(label: str, outputs: Mapping[str, list[Any]], count: int) -> list[Any] | None:
    """Return what was right of each row; see ``services.monitoring.labels.paired``."""
    said = orjson.loads(label)
    if isinstance(said, Mapping):
        said = said.get(next((name for name in said if name in outputs), ""))
    truths = said if isinstance(said, list) else [said]
    return truths if said is not None and len(truths) == count else None
