"""What a window of predictions is compared with.

The evaluation data of the version's run, as training logged it (``reference/reference.json`` among
the run's artifacts; it belongs to the version and its data revision); or a stretch of the
prediction log that somebody chose; or the version's first predictions; or the same hours of the
weeks before.
"""

import os
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import orjson

from services.errors import EngineError, EngineProtocolError, PlatformError
from services.home import Home
from services.monitoring import folder, importance, series, vectors
from services.monitoring.models import Baseline as Baseline
from services.predictions import monitoring as log
from services.predictions.typed import Builder

if TYPE_CHECKING:
    import pyarrow as pa

    from services.engines.mlflow.adapter import MLflow

ARTIFACT = "reference/reference.json"
LABEL, ANSWER = "label", "answer"
ROWS = 10_000
"""Of a reference, at most: a sample of more."""
FIRST = 2000
"""Predictions of a version that become its baseline where there is no evaluation data."""
_DAY_S = 86_400.0
_OWN = 200
"""Rows that a version answered, from which on they alone are a baseline of all versions' rows."""
_SAID = b"mlops.said"


@dataclass(frozen=True, slots=True)
class Reference:
    """Rows, and what they are in words."""

    table: "pa.Table"
    said: str
    """As "the evaluation data of version 3 (data revision 1a2b3c4)"."""
    importance: Mapping[str, float] = field(default_factory=dict)
    until: float | None = None
    """Of a stretch of the log: what came before that belongs to it, not to a window."""
    ignored: frozenset[str] = frozenset()
    """Columns that training said are no data, as ``input.seed``: they are not compared."""

    def leaving_out(self, no_data: frozenset[str]) -> "Reference":
        """Return it with more columns that are no data."""
        if no_data <= self.ignored:
            return self
        return made(self.table, self.said, self.until, self.ignored | no_data)


def made(
    table: "pa.Table", said: str, until: float | None = None, ignored: Iterable[str] = ()
) -> Reference:
    """Return rows as a reference, with how much each input that is data matters in them."""
    no_data = frozenset(ignored)
    return Reference(table, said, importance.of(left_out(table, no_data)), until, no_data)


def left_out(table: "pa.Table", no_data: Collection[str]) -> "pa.Table":
    """Return a table without the columns that are no data."""
    return table.select([name for name in table.column_names if not series.is_of(name, no_data)])


def evaluation(
    home: Home, mlflow: "MLflow | None", project: str, model: str, version: int
) -> Reference | None:
    """Return the evaluation data of a version's run; None when its training logged none.

    It never changes, so it is fetched once and kept.

    Raises:
        EngineError: MLflow did not answer, or what was logged cannot be read.
        PlatformError: It cannot be kept.
    """
    path = folder.reference(home, project, model, f"version-{version}")
    kept = _kept(path)
    if mlflow is None or (kept is not None and not vectors.lacks(kept.table)):
        return kept
    try:
        return _fetched(path, mlflow, project, model, version) or kept
    except (EngineError, PlatformError):
        if kept is None:
            raise
        return kept  # of a release that kept no vectors: what it has does meanwhile


def _fetched(
    path: Path, mlflow: "MLflow", project: str, model: str, version: int
) -> Reference | None:
    run_id = mlflow.version_of(project, model, version).run_id
    if run_id is None:
        return None
    logged = mlflow.artifacts(project, run_id, str(PurePosixPath(ARTIFACT).parent))
    if all(one.path != ARTIFACT for one in logged):
        return None
    content = mlflow.artifact(project, run_id, ARTIFACT)
    table, revision = parse(content)
    said = f"the evaluation data of version {version}"
    said += f" (data revision {revision[:8]})" if revision else ""
    no_data = ignored(content)
    _keep(path, table, said, ignored=no_data)
    return made(table, said, ignored=no_data)


def skipped(
    home: Home, mlflow: "MLflow | None", project: str, model: str, version: int
) -> frozenset[str]:
    """Return the columns that a version's training said are no data, as ``input.seed``.

    They are said with the evaluation data, and hold whatever the version is compared with.

    Args:
        home: Where it is kept once it was fetched.
        mlflow: Is asked where nothing is kept; None: nobody is.
        project: Of the model.
        model: Its name.
        version: Of it.

    Raises:
        EngineError: MLflow did not answer, or what was logged cannot be read.
        PlatformError: It cannot be kept.
    """
    told = _told(folder.reference(home, project, model, f"version-{version}"))
    if told is not None:
        return frozenset(told.get("ignored", ()))
    found = evaluation(home, mlflow, project, model, version) if mlflow is not None else None
    return frozenset() if found is None else found.ignored


def ignored(content: bytes) -> tuple[str, ...]:
    """Return the input columns that training said are no data, as columns of the log."""
    said = orjson.loads(content).get("ignored") or ()
    return tuple(f"input.{name}" for name in said if isinstance(name, str))


def parse(content: bytes) -> "tuple[pa.Table, str]":
    """Return what training logged as columns of the prediction log, and its data revision.

    ``{"v": 1, "rows": n, "inputs": {name: [a value a row]}, "outputs": {…}, "labels": [a value a
    row] or null, "data_revision": text or null, "ignored": [names]}``. Labels are of the first
    output; both are kept as the columns ``LABEL`` and ``ANSWER``.

    Raises:
        EngineProtocolError: It is something else.
    """
    try:
        said = orjson.loads(content)
        rows = int(said["rows"])
        inputs, outputs = (orjson.dumps(said[side]).decode() for side in ("inputs", "outputs"))
        revision = str(said.get("data_revision") or "")
        values = {"input": said["inputs"], "output": said["outputs"]}
        beside = _beside(said, rows)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable() from error
    builder = Builder()
    builder.add("reference", 0, 0, False, rows, inputs, outputs)  # noqa: FBT003  NEEDED, in order
    table = builder.table()
    if table is None:
        raise _unreadable()
    table = table.select(list(series.names(table)))
    for name, column in {**beside, **vectors.of_values(values, table.column_names, rows)}.items():
        table = table.append_column(name, [column])
    return table, revision


def _beside(said: Mapping[str, Any], rows: int) -> "Mapping[str, pa.Array]":
    """Return labels and the answers they are of, nothing where there are none.

    Raises:
        ValueError: They are not a value a row.
    """
    import pyarrow as pa

    labels = said.get("labels")
    if labels is None or not said["outputs"]:
        return {}
    answers = next(iter(said["outputs"].values()))
    if len(labels) != rows or len(answers) != rows:
        raise ValueError("labels and answers are not a value a row")
    return {name: pa.array(values) for name, values in ((LABEL, labels), (ANSWER, answers))}


def _unreadable() -> EngineProtocolError:
    return EngineProtocolError(
        f"The evaluation data that training logged ({ARTIFACT}) cannot be read.",
        "Log it with mlops_client.reference.log_reference, or choose a window of predictions as "
        "baseline.",
    )


def of_window(
    home: Home, project: str, model: str, since: float, until: float, version: int
) -> Reference | None:
    """Return a stretch of the prediction log; None when it has no rows.

    Raises:
        PlatformError: The log cannot be read.
    """
    table = log.features(home, project, model, None, since, until, sample=ROWS)
    said = f"the predictions from {_moment(since)} to {_moment(until)} UTC"
    return _of_all(table, said, version, until)


def first(home: Home, project: str, model: str, version: int) -> Reference | None:
    """Return a version's first predictions; None until there are ``FIRST``. They are kept.

    Raises:
        PlatformError: The log cannot be read, or they cannot be kept.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    path = folder.reference(home, project, model, f"first-{version}")
    kept = _kept(path)
    if kept is not None:
        return kept
    table = _oldest(home, project, model, version)
    if table is None:
        return None
    table = vectors.beside(home, project, model, table.sort_by("answered_at").slice(0, FIRST))
    newest: Any = pc.max(table["answered_at"])
    until = (newest.cast(pa.int64()).as_py() + 1) / 1e6
    said = f"the first {FIRST:,} rows that version {version} was asked (until {_moment(until)} UTC)"
    _keep(path, table, said, until)
    return made(table, said, until)


def _oldest(home: Home, project: str, model: str, version: int) -> "pa.Table | None":
    """Return at least ``FIRST`` of the oldest rows, read day by day; None when there are fewer."""
    until: float | None = None
    days = log.days(home, project, model, version)
    for day in days:
        until = day + _DAY_S
        table = log.features(home, project, model, version, None, until)
        if len(table) >= FIRST:
            return table
    table = log.features(home, project, model, version)
    return table if len(table) >= FIRST else None


def season(
    home: Home, project: str, model: str, version: int, since: float, until: float, wanted: Baseline
) -> Reference | None:
    """Return the same hours of the weeks before; None when there are no rows.

    The hours are those of the wall clock in the baseline's zone: they stay the same when summer
    time begins or ends in between.

    Raises:
        PlatformError: The log cannot be read.
    """
    import pyarrow as pa

    parts = []
    for week in range(1, wanted.weeks + 1):
        hours = (_weeks_before(at, week, wanted.zone) for at in (since, until))
        parts.append(log.features(home, project, model, None, *hours, sample=ROWS // wanted.weeks))
    parts = [part for part in parts if len(part)]
    if not parts:
        return None
    table = pa.concat_tables(parts, promote_options="permissive")
    zone = "" if wanted.zone == "UTC" else f", by the clock of {wanted.zone}"
    return _of_all(table, f"the same hours of the {len(parts)} weeks before{zone}", version)


def _weeks_before(at: float, weeks: int, zone: str) -> float:
    """Return the same moment of the wall clock, so many weeks before."""
    there = datetime.fromtimestamp(at, ZoneInfo(zone))
    return (there - timedelta(weeks=weeks)).timestamp()


def _of_all(
    table: "pa.Table", said: str, version: int, until: float | None = None
) -> Reference | None:
    """Return rows of all versions: what was asked of each, and what this one answered.

    Another version answers otherwise, which is no drift. Where this one answered too few of them
    its answers are not compared.
    """
    import pyarrow.compute as pc

    if not len(table):
        return None
    own = table.filter(pc.equal(table["version"], version))
    if len(own) >= min(_OWN, len(table)):
        return made(own, said, until)
    answers = [name for name in series.names(table) if name.startswith("output.")]
    said = f"{said} (version {version} answered too few of them)"
    return Reference(table, said, importance.of(table), until, frozenset(answers))


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def _kept(path: Path) -> Reference | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
        told = orjson.loads(table.schema.metadata[_SAID])
        no_data = told.get("ignored", ())
        return made(table.replace_schema_metadata(), str(told["said"]), told["until"], no_data)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return None  # none yet, or damaged: it is made again from where it came


def _told(path: Path) -> Mapping[str, Any] | None:
    """Return what is said beside a kept reference, without its rows; None where none is kept."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        told: Mapping[str, Any] = orjson.loads(pq.read_schema(path).metadata[_SAID])
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return None
    return told


def _keep(
    path: Path,
    table: "pa.Table",
    said: str,
    until: float | None = None,
    ignored: Sequence[str] = (),
) -> None:
    import pyarrow.parquet as pq

    told = orjson.dumps({"said": said, "until": until, "ignored": ignored})
    part = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=".", dir=path.parent)
        os.close(handle)
        pq.write_table(table.replace_schema_metadata({_SAID: told}), part)
        Path(part).replace(path)
    except OSError as error:
        if part:
            Path(part).unlink(missing_ok=True)
        raise folder.not_written(path, error) from error
