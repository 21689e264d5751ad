"""The prediction log as monitoring reads it: typed columns for drift, labels for accuracy.

Every function may raise ``PlatformError``: the files cannot be read.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from services.home import Home
from services.predictions import columns, labels, querying, reading
from services.predictions.answers import Unknown
from services.predictions.folder import Folder, day_of_id, near
from services.predictions.labels import LOOKED_FOR_S, MATCHED_TYPES
from services.predictions.privacy import Masking
from services.predictions.reading import moment
from services.predictions.segments import Row
from services.predictions.tails import Look
from services.predictions.typed import FIXED, fitted, unified

if TYPE_CHECKING:
    import pyarrow as pa

_TYPED = """
WHERE shadow = $shadow AND ($since IS NULL OR answered_at >= $since)
  AND ($until IS NULL OR answered_at < $until)
"""
_FIRST = " AND row = 0"
_HASHED = """
SELECT epoch_us(max(answered_at)) FROM seen
WHERE project = $project AND model = $model AND kept = 'hashed'
  AND answered_at >= $since AND answered_at < $until
"""
_LABELS = """
SELECT {names} FROM seen
WHERE ($version IS NULL OR version = $version)
  AND ($since IS NULL OR predicted_at >= $since) AND ($until IS NULL OR predicted_at < $until)
  AND ($said IS NULL OR said_at >= $said)
QUALIFY row_number() OVER (PARTITION BY id ORDER BY said_at DESC) = 1 ORDER BY predicted_at
"""
_DELAYS = """
SELECT epoch_us(said_at) - epoch_us(predicted_at) FROM seen WHERE said_at < $until
ORDER BY said_at DESC LIMIT $newest
"""
_ARRIVED = """
SELECT {names} FROM seen WHERE said_at >= $since AND said_at < $until
QUALIFY row_number() OVER (PARTITION BY id ORDER BY said_at DESC) = 1 ORDER BY predicted_at
"""
_UNKNOWN = "SELECT count(DISTINCT id), epoch_us(min(said_at)) FROM seen"


def features(
    home: Home,
    project: str,
    model: str,
    version: int | None = None,
    since: float | None = None,
    until: float | None = None,
    *,
    names: Sequence[str] | None = None,
    sample: int | None = None,
    newest: int | None = None,
    first: bool = False,
    shadow: bool = False,
) -> "pa.Table":
    """Return a row a row that was asked: ``typed.FIXED``, then ``input.…`` and ``output.…``.

    Args:
        home: Where everything is.
        project: Of the model.
        model: Its name.
        version: One version, or all.
        since: Seconds since 1970, as ``until``, which is not in it.
        until: As ``since``.
        names: The columns wanted; all when left out. One that nobody wrote is left out.
        sample: At most so many rows, by chance, the same each time.
        newest: At most so many rows, the newest first; without ``sample``.
        first: The first row of each request alone: those of one request may depend on each other.
        shadow: Those asked beside the live version, instead.
    """
    asked = {"shadow": shadow, "since": moment(since), "until": moment(until)}

    def ask(folder: Folder, look: Look) -> "pa.Table":
        paths = querying.files(folder.features(project, model, version), look, since, until)
        tail = _joined(look.typed(project, model, version))
        if not paths and not len(tail):
            return tail
        wanted = _chosen(paths, tail, names)
        sql = f"SELECT {wanted} FROM seen {_TYPED}"  # noqa: S608  quoted above
        if first:
            sql += _FIRST
        if newest is not None:
            sql += f" ORDER BY answered_at DESC LIMIT {int(newest)}"
        if sample is not None:  # of what is asked for: a sample goes before the WHERE beside it
            sql = f"SELECT * FROM ({sql}) USING SAMPLE reservoir({int(sample)} ROWS) REPEATABLE (1)"  # noqa: S608
        return querying.query(sql, paths, tail, asked, union=True).to_arrow_table()

    return querying.consistently(home, ask)


def hashed_until(home: Home, project: str, model: str, since: float, until: float) -> float | None:
    """Return when the last prediction was kept as hashes, in seconds; None: none in the stretch.

    What was answered before it may be figures or hashes of them; the privacy was changed since.
    """
    asked = {"project": project, "model": model, "since": moment(since), "until": moment(until)}

    def ask(folder: Folder, look: Look) -> float | None:
        paths = querying.files(folder.rows(project, model), look, since, until)
        ((at_us,),) = querying.query(_HASHED, paths, look.table(), asked).fetchall()
        return None if at_us is None else at_us / 1e6

    return querying.consistently(home, ask)


def days(home: Home, project: str, model: str, version: int | None = None) -> tuple[float, ...]:
    """Return the begin of each day of which there are rows in files, oldest first."""

    def ask(folder: Folder, _look: Look) -> tuple[float, ...]:
        found = {one.day for one in folder.features(project, model, version)}
        return tuple(
            datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
            for day in sorted(found)
        )

    return querying.consistently(home, ask)


def labelled(
    home: Home,
    project: str,
    model: str,
    since: float | None = None,
    until: float | None = None,
    version: int | None = None,
    said_since: float | None = None,
    *,
    names: Sequence[str] = tuple(MATCHED_TYPES),
) -> "pa.Table":
    """Return the labels of predictions of a stretch of time, the last of each, by prediction.

    Its columns are ``names`` of ``labels.MATCHED_TYPES``; ``label`` and ``outputs`` are JSON. With
    ``said_since`` only those that came from then on.
    """
    asked = {
        "version": version, "since": moment(since), "until": moment(until),
        "said": moment(said_since),
    }  # fmt: skip

    def ask(folder: Folder, look: Look) -> "pa.Table":
        tail = _matched(home, folder, look, project, model, since, until)
        paths = querying.files(folder.feedback(project, model), look, since, until)
        sql = _LABELS.format(names=", ".join(names))
        return querying.query(sql, paths, tail, asked).to_arrow_table()

    return querying.consistently(home, ask)


def delays(
    home: Home, project: str, model: str, until: float, newest: int = 1000
) -> tuple[float, ...]:
    """Return how many seconds after their predictions labels came, the newest first.

    Of all predictions that are kept and all versions: how late labels are lies with who labels.
    Less than 0 when clocks differ.
    """
    asked = {"until": moment(until), "newest": newest}

    def ask(folder: Folder, look: Look) -> tuple[float, ...]:
        tail = _matched(home, folder, look, project, model, None, None)
        paths = querying.files(folder.feedback(project, model), look, None, None)
        found = querying.query(_DELAYS, paths, tail, asked).fetchall()
        return tuple(delay_us / 1e6 for (delay_us,) in found)

    return querying.consistently(home, ask)


def came(home: Home, project: str, model: str, version: int, since: float) -> bool:
    """Return whether a version was asked, or got a label, since a moment.

    A label counts whenever its prediction was made. Labels are read only where a file of them
    changed since: what nobody asks costs a look at some folders.
    """
    if reading.count(home, project, model, since, None, version):
        return True

    def changed(folder: Folder, look: Look) -> bool:
        matched = [path for one in folder.feedback(project, model) for path in one.files()]
        files = (*folder.unknown_files(), *matched)
        return bool(look.labels) or any(path.stat().st_mtime >= since for path in files)

    if not querying.consistently(home, changed):
        return False
    return len(labelled(home, project, model, None, None, version, since, names=["id"])) > 0


def labelled_models(home: Home, since: float) -> tuple[tuple[str, str], ...]:
    """Return (project, model) of which files of labels changed since a moment, by name."""

    def ask(folder: Folder, look: Look) -> tuple[tuple[str, str], ...]:
        found = {
            (one.keys["project"], one.keys["model"])
            for one in folder.feedback()
            if _changed(one.files(look.names), since)
        }
        return tuple(sorted(found))

    return querying.consistently(home, ask)


def arrived(home: Home, project: str, model: str, since: float, until: float) -> "pa.Table":
    """Return the labels that were said in a stretch of time and are in files, as ``labelled`` does.

    A file that did not change since then has none of them, so the cost follows what came.
    """
    asked = {"since": moment(since), "until": moment(until)}

    def ask(folder: Folder, look: Look) -> "pa.Table":
        paths = [
            str(path)
            for one in folder.feedback(project, model)
            for path in _changed(one.files(look.names), since)
        ]
        sql = _ARRIVED.format(names=", ".join(MATCHED_TYPES))
        tail = columns.table([], MATCHED_TYPES)
        return querying.query(sql, paths, tail, asked).to_arrow_table()

    return querying.consistently(home, ask)


def _changed(paths: Sequence[Path], since: float) -> list[Path]:
    return [path for path in paths if path.stat().st_mtime >= since]


def unknown(home: Home) -> Unknown:
    """Return how many labels found no prediction of theirs."""

    def ask(folder: Folder, look: Look) -> Unknown:
        paths = [str(path) for path in folder.unknown_files() if path.stem not in look.names]
        tail = columns.table([], columns.LABEL_TYPES)
        ((number, oldest_us),) = querying.query(_UNKNOWN, paths, tail, {}).fetchall()
        return Unknown(number, None if oldest_us is None else oldest_us / 1e6)

    return querying.consistently(home, ask)


def _joined(tables: "Sequence[pa.Table]") -> "pa.Table":
    import pyarrow as pa

    schema = unified([columns.schema(FIXED), *(table.schema for table in tables)])
    return pa.concat_tables([schema.empty_table(), *(fitted(one, schema) for one in tables)])


def _chosen(paths: Sequence[str], tail: "pa.Table", names: Sequence[str] | None) -> str:
    if names is None:
        return "*"
    import pyarrow.parquet as pq

    known = {name for path in paths for name in pq.read_schema(path).names}
    known |= set(tail.column_names)
    chosen = [name for name in dict.fromkeys((*FIXED, *names)) if name in known]
    return ", ".join('"' + name.replace('"', '""') + '"' for name in chosen)


def _fresh(folder: Folder, look: Look) -> list[Row]:
    """Return the labels that the compactor did not match yet."""
    oldest = time.time() - LOOKED_FOR_S
    paths = [path for path in folder.unknown_files() if path.stem not in look.names]
    read = [labels.read(path) for path in paths if path.stat().st_mtime >= oldest]
    return [*look.labels, *(row for some in read for row in some)]


def _matched(
    home: Home,
    folder: Folder,
    look: Look,
    project: str,
    model: str,
    since: float | None,
    until: float | None,
) -> "pa.Table":
    """Return the labels that the compactor did not match yet, beside their predictions."""
    fresh = _fresh(folder, look)
    rows = _known(folder, look, project, model, fresh, since, until) if fresh else {}
    masking = Masking(home)
    matched = [
        labels.beside(masking, row, rows[row[0]])
        for row in fresh
        if row[0] in rows and row[3] in ("", project)
    ]
    return columns.table(matched, MATCHED_TYPES)


def _known(
    folder: Folder,
    look: Look,
    project: str,
    model: str,
    fresh: Sequence[Row],
    since: float | None,
    until: float | None,
) -> dict[str, Row]:
    import pyarrow as pa
    import pyarrow.compute as pc

    # An id tells its day, so that late labels cost the days that they are of.
    days = {day_of_id(row[0]) for row in fresh}
    of_them = [
        one
        for one in folder.rows(project, model)
        if any(day is None or near(one.day, day) for day in days)
    ]
    paths = querying.files(of_them, look, since, until)
    wanted = pa.table({"id": sorted({row[0] for row in fresh})})
    tail = look.table()
    tail = tail.filter((pc.field("project") == project) & (pc.field("model") == model))
    found = querying.query(labels.KNOWN, paths, tail, {}, beside={"wanted": wanted}).fetchall()
    return {row[0]: row for row in found}
