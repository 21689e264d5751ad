"""The prediction log as monitoring reads it: typed columns for drift, labels for accuracy.

Every function may raise ``PlatformError``: the files cannot be read.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.home import Home
from services.predictions import columns, fresh, parquet, querying, reading
from services.predictions import paired as pairing
from services.predictions.answers import Unknown
from services.predictions.folder import Folder, Partition
from services.predictions.labels import MATCHED_TYPES
from services.predictions.reading import moment
from services.predictions.tails import Look
from services.predictions.typed import FIXED, fitted, unified

if TYPE_CHECKING:
    import pyarrow as pa

_TYPED = """
WHERE shadow = $shadow AND ($since IS NULL OR answered_at >= $since)
  AND ($until IS NULL OR answered_at < $until)
"""
_FIRST = " AND row = 0"
_ONLY = " AND id IN (SELECT id FROM wanted)"
_HASHED = """
SELECT epoch_us(max(answered_at)) FROM seen
WHERE project = $project AND model = $model AND kept = 'hashed'
  AND answered_at >= $since AND answered_at < $until
"""
_LABELS = """
SELECT {names} FROM seen
WHERE ($version IS NULL OR version = $version)
  AND ($since IS NULL OR predicted_at >= $since) AND ($until IS NULL OR predicted_at < $until)
QUALIFY row_number() OVER (PARTITION BY id ORDER BY said_at DESC) = 1 ORDER BY predicted_at
"""
_NEWEST = """
SELECT * FROM ({labels} DESC LIMIT $newest) ORDER BY predicted_at
"""
_EACH_HOUR = """
SELECT * FROM ({labels})
QUALIFY row_number() OVER (
  PARTITION BY floor(epoch(predicted_at) / 3600) ORDER BY reverse(id)
) <= $each_hour ORDER BY predicted_at
"""
_ARRIVED = """
SELECT {names} FROM seen WHERE said_at >= $since AND said_at < $until
QUALIFY row_number() OVER (PARTITION BY id ORDER BY said_at DESC) = 1 ORDER BY predicted_at
"""
_CAME = """
SELECT count(*) FROM seen WHERE version = $version AND said_at >= $since
"""
_MOMENTS = ("said_at", "predicted_at")
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
    ids: Collection[str] | None = None,
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
        ids: The rows of these requests alone; None: of all.
        shadow: Those asked beside the live version, instead.
    """
    beside = None if ids is None else querying.wanted(ids)
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
        if beside is not None:
            sql += _ONLY
        if newest is not None:
            sql += f" ORDER BY answered_at DESC LIMIT {int(newest)}"
        if sample is not None:  # of what is asked for: a sample goes before the WHERE beside it
            sql = f"SELECT * FROM ({sql}) USING SAMPLE reservoir({int(sample)} ROWS) REPEATABLE (1)"  # noqa: S608
        found = querying.query(sql, paths, tail, asked, union=True, beside=beside)
        return found.to_arrow_table()

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
    *,
    names: Sequence[str] = tuple(MATCHED_TYPES),
) -> "pa.Table":
    """Return the labels of predictions of a stretch of time, the last of each, by prediction.

    Its columns are ``names`` of ``labels.MATCHED_TYPES``; ``label`` and ``outputs`` are JSON.
    """
    asked = {"version": version, "since": moment(since), "until": moment(until)}

    def ask(folder: Folder, look: Look) -> "pa.Table":
        tail = fresh.matched(home, folder, look, project, model, since, until)
        paths = querying.files(folder.feedback(project, model), look, since, until)
        sql = _LABELS.format(names=", ".join(names))
        return querying.query(sql, paths, tail, asked).to_arrow_table()

    return querying.consistently(home, ask)


def paired(
    home: Home,
    project: str,
    model: str,
    since: float | None = None,
    until: float | None = None,
    version: int | None = None,
    *,
    newest: int | None = None,
    each_hour: int | None = None,
) -> "pa.Table":
    """Return what ``labelled`` does, its labels and answers row by row; see ``pairing.of``.

    With ``newest`` at most so many, with ``each_hour`` at most so many of each hour of predictions,
    the same each time. A file is read the first time alone, so what it costs follows the labels
    that came.
    """
    asked: dict[str, Any] = {
        "version": version, "since": moment(since), "until": moment(until),
        **({} if newest is None else {"newest": newest}),
        **({} if each_hour is None else {"each_hour": each_hour}),
    }  # fmt: skip
    sql = _LABELS
    if newest is not None:
        sql = _NEWEST.format(labels=sql)
    if each_hour is not None:
        sql = _EACH_HOUR.format(labels=sql)

    def ask(folder: Folder, look: Look) -> "pa.Table":
        tail = pairing.of(fresh.matched(home, folder, look, project, model, since, until))
        days = querying.days(folder.feedback(project, model), since, until)
        read = [table for one in days for table in pairing.read(folder, one, look.names)]
        return _last([tail, *read], sql, asked)

    return querying.consistently(home, ask)


def delays(
    home: Home, project: str, model: str, until: float, newest: int = 1000
) -> tuple[float, ...]:
    """Return how many seconds after their predictions labels came, the newest first.

    Of all predictions that are kept and all versions: how late labels are lies with who labels.
    Less than 0 when clocks differ. Older files than those that have the newest are not read.
    """

    def ask(folder: Folder, look: Look) -> tuple[float, ...]:
        tail = fresh.matched(home, folder, look, project, model, None, None)
        found = _newest([], tail, until, newest)
        paths = _changed(folder.feedback(project, model), look)
        for changed, path in sorted(((p.stat().st_mtime, p) for p in paths), reverse=True):
            if len(found) == newest and found[-1][0] >= changed * 1e6:
                break  # no label of a file is younger than the file
            found = _newest(found, parquet.read(path, _MOMENTS), until, newest)
        return tuple((said_us - predicted_us) / 1e6 for said_us, predicted_us in found)

    return querying.consistently(home, ask)


def came(home: Home, project: str, model: str, version: int, since: float) -> bool:
    """Return whether a version was asked, or got a label, since a moment.

    A label counts whenever its prediction was made. Files of labels are read that changed since:
    what nobody asks costs a look at some folders.
    """
    if reading.count(home, project, model, since, None, version):
        return True
    asked = {"version": version, "since": moment(since)}

    def ask(folder: Folder, look: Look) -> bool:
        tail = fresh.matched(home, folder, look, project, model, None, None)
        changed = _changed(folder.feedback(project, model), look, since)
        ((found,),) = querying.query(_CAME, [str(p) for p in changed], tail, asked).fetchall()
        return bool(found)

    return querying.consistently(home, ask)


def labelled_models(home: Home, since: float) -> tuple[tuple[str, str], ...]:
    """Return (project, model) of which files of labels changed since a moment, by name."""

    def ask(folder: Folder, look: Look) -> tuple[tuple[str, str], ...]:
        found = {
            (one.keys["project"], one.keys["model"])
            for one in folder.feedback()
            if _changed([one], look, since)
        }
        return tuple(sorted(found))

    return querying.consistently(home, ask)


def arrived(home: Home, project: str, model: str, since: float, until: float) -> "pa.Table":
    """Return the labels that were said in a stretch of time and are in files, as ``paired`` does.

    A file that did not change since then has none of them, so the cost follows what came.
    """
    asked = {"since": moment(since), "until": moment(until)}

    def ask(folder: Folder, look: Look) -> "pa.Table":
        days = folder.feedback(project, model)
        read = [table for one in days for table in pairing.read(folder, one, look.names, since)]
        return _last(read, _ARRIVED, asked)

    return querying.consistently(home, ask)


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


def _last(tables: "Sequence[pa.Table]", sql: str, asked: Mapping[str, Any]) -> "pa.Table":
    """Return what a question says of labels with their pairs."""
    import pyarrow as pa

    seen = pa.concat_tables([pairing.schema().empty_table(), *tables])
    names = ", ".join(seen.column_names)
    return querying.query(sql.format(names=names), [], seen, asked).to_arrow_table()


def _changed(partitions: Sequence[Partition], look: Look, since: float = 0.0) -> list[Path]:
    """Return the files that changed since a moment: the others have no label of since then."""
    paths = [path for one in partitions for path in one.files(look.names)]
    return [path for path in paths if path.stat().st_mtime >= since]


def _newest(
    known: Sequence[tuple[int, int]], table: "pa.Table", until: float, count: int
) -> list[tuple[int, int]]:
    """Return when the newest labels were said, newest first, and their predictions, in µs."""
    import pyarrow as pa
    import pyarrow.compute as pc

    there = table.select(_MOMENTS).filter(pc.field("said_at") < moment(until))
    newest = there.sort_by([("said_at", "descending")]).slice(0, count)
    found = [newest[name].cast(pa.int64()).to_pylist() for name in _MOMENTS]
    merged = sorted([*known, *zip(*found, strict=True)], key=lambda one: one[0], reverse=True)
    return merged[:count]
