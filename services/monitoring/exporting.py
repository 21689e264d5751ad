"""A reference and a window as the two tables that Evidently compares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from services.engines.evidently.models import Kind, Question
from services.home import Home
from services.monitoring import (
    comparing,
    exporting_labels,
    exporting_wholes,
    folder,
    texts,
    wholes,
    wording,
)
from services.monitoring.exporting_labels import Beside
from services.monitoring.models import Settings, Verdict
from services.monitoring.pairs import Pair, paired
from services.monitoring.reference import Reference
from services.monitoring.series import Series
from services.monitoring.spreads import Categories

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 10_000
"""Of each table, at most: the newest."""
MOST = 60
"""Columns of a report, those first that matter most: one takes 100 KB and 0.1 s."""
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Tables:
    """What Evidently reads."""

    reference: "pa.Table"
    current: "pa.Table"
    columns: Mapping[str, Kind]
    notes: tuple[str, ...] = ()
    """What is left out."""
    own: Mapping[str, str] = field(default_factory=dict)
    """Each column's name in verdicts: of a text and of a vector there are several columns."""


def tables(reference: Reference, window: "pa.Table") -> Tables:
    """Return the columns that both have; texts, vectors, pictures as what is measured of them."""
    newest = window.slice(max(0, len(window) - ROWS))
    vectors = wholes.paired(reference.table, newest, reference.ignored)
    both = [*paired(reference.table, newest, ROWS, reference.ignored), *vectors]
    known = [pair for pair in both if pair.reference is not None and pair.looks]
    known = [pair for pair in known if len(pair.looks[0].values)]
    weights = {**reference.importance, **wholes.importances(vectors, reference.importance)}
    known.sort(key=lambda pair: -weights.get(pair.name, 1.0 * (pair.role == "output")))
    then: dict[str, pa.Array] = {}
    now: dict[str, pa.Array] = {}
    kinds: dict[str, Kind] = {}
    names: dict[str, str] = {}
    for pair in known[:MOST]:
        for name, kind, left, right in _columns(pair):
            # An input may be called as an output is, with all of its name.
            own = f"input.{name}" if name in kinds else name
            then[own], now[own], kinds[own], names[own] = left, right, kind, pair.name
    left = len(known) - MOST
    notes = [f"{left:,} more columns are not drawn: these matter most."] if left > 0 else []
    rare = [wording.title(pair.name) for pair in known[:MOST] if _is_mostly_rare(pair)]
    if rare:
        told = ", ".join(rare[:_NAMED]) + (f" and {len(rare) - _NAMED} more" * (len(rare) > _NAMED))
        notes.append(
            f"{told}: most values are rare. Evidently compares each by itself, so its distance is "
            "large by chance; the verdict takes rare values together and does not go by it."
        )
    if {one.name for one in vectors} & {*names.values()}:
        notes.append(exporting_wholes.NOTE)
    return Tables(_even(then), _even(now), kinds, tuple(notes), names)


def _is_mostly_rare(pair: Pair) -> bool:
    then, now = pair.reference, pair.looks[0]
    if then is None or then.kind != "category":
        return False
    return Categories.of(then.values, now.values).rare >= comparing.MANY_RARE


def _columns(pair: Pair) -> "Sequence[tuple[str, Kind, pa.Array, pa.Array]]":
    import pyarrow as pa

    then, now = pair.reference, pair.looks[0]
    assert then is not None  # noqa: S101  filtered by the caller
    name = wording.title(pair.name) if pair.role == "input" else pair.name
    if then.kind == "text":
        measured = texts.described(list(then.values), list(now.values))
        return [
            (f"{name}: {what}", "numeric", pa.array(left), pa.array(right))
            for what, (left, right, _) in measured.items()
        ]
    if then.kind in ("vector", "picture"):
        return [
            (f"{name}: {what}", "numeric", pa.array(left), pa.array(right))
            for what, left, right in exporting_wholes.columns(pair)
        ]
    kind: Kind = "category" if then.kind == "category" else "numeric"
    return [(name, kind, _array(then), _array(now))]


def _array(one: Series) -> "pa.Array":
    """Return a column with its gaps in their places."""
    import numpy as np
    import pyarrow as pa

    whole = np.full(one.rows, None, dtype=object)
    whole[one.present] = one.values
    return pa.array(whole, pa.string() if one.kind == "category" else pa.float64())


def _even(columns: "Mapping[str, pa.Array]") -> "pa.Table":
    """Return columns as a table: shorter ones have gaps at their end."""
    import pyarrow as pa

    longest = max((len(column) for column in columns.values()), default=0)
    return pa.table(
        {
            name: pa.concat_arrays([column, pa.nulls(longest - len(column), column.type)])
            for name, column in columns.items()
        }
    )


def question(
    home: Home,
    made: Tables,
    verdict: Verdict,
    place: Path,
    beside: Beside | None = None,
    notes: Sequence[str] = (),
) -> Question:
    """Write the tables into a folder, and return what Evidently is asked.

    Args:
        home: Where everything is.
        made: Of ``tables``.
        verdict: The check it is of.
        place: A folder that may be removed when the answer is there.
        beside: Answers beside their labels, where there are some.
        notes: What is to be said of them, a sentence each.

    Raises:
        OSError: There is no room.
    """
    import pyarrow.parquet as pq

    paths = place / "reference.parquet", place / "current.parquet"
    for path, table in zip(paths, (made.reference, made.current), strict=True):
        pq.write_table(table, path)
    reports = folder.reports(home, verdict.project, verdict.model, verdict.computed_at)
    reports.mkdir(parents=True, exist_ok=True)
    return Question(
        *paths, made.columns, reports / f"{verdict.id}.html", reports / f"{verdict.id}.json",
        folder.workspace(home), f"{verdict.project} / {verdict.model}",
        None if beside is None else beside.task,
        None if beside is None else exporting_labels.written(beside, place),
        verdict.computed_at, (*made.notes, *notes),
        Settings.from_json(verdict.held_to).threshold,
    )  # fmt: skip
