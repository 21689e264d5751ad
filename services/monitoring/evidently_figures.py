"""What Evidently found at a check, column by column, kept beside its report and read from there.

Its own JSON has megabytes, lacks the columns that it failed on, and knows no names of verdicts. So
``ID.columns.json`` beside it has what a page and a person at a terminal want to know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import orjson

from services.engines.evidently.models import Question, Report
from services.errors import PlatformError
from services.home import Home
from services.monitoring import folder, full_report
from services.monitoring.models import ColumnVerdict, Verdict

if TYPE_CHECKING:
    import pyarrow as pa

    from services.monitoring.exporting import Tables

_SUFFIX = ".columns.json"


@dataclass(frozen=True, slots=True)
class Column:
    """One column as Evidently sees it."""

    name: str
    own: str
    """Its name in verdicts: of a text and of a vector there are several columns."""
    method: str
    """Evidently's word, as ``wasserstein``."""
    value: float | None
    """How far it moved, in the unit of the method; None: it has no value, ``failed`` says why."""
    threshold: float | None
    """From which value on Evidently calls it drifted."""
    drifted: bool | None
    n_reference: int
    n_current: int
    """Values it has, of the rows that Evidently read."""
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What Evidently found at one check of a version."""

    at: float
    """When the check was made, seconds since 1970."""
    engine: str
    """Evidently's own version."""
    columns: tuple[Column, ...]
    """Those it failed on first, then what moved, the farthest first."""
    quality: Mapping[str, float]
    """Of answers beside labels, as accuracy or MAE: Evidently's names."""
    said: tuple[str, ...]
    """What is left out, and what could not be done: a sentence each."""

    @property
    def drifted(self) -> int:
        """Return how many columns Evidently calls drifted."""
        return sum(one.drifted is True for one in self.columns)

    @property
    def failed(self) -> int:
        """Return how many columns it could not compare."""
        return sum(bool(one.failed) for one in self.columns)


def keep(asked: Question, made: "Tables", report: Report, at: float) -> None:
    """Keep what a report says, beside it.

    Args:
        asked: What Evidently was asked.
        made: What it read.
        report: What it answered.
        at: When the check was made, seconds since 1970.

    Raises:
        PlatformError: There is no room.
    """
    columns = [
        Column(
            one.name, made.own.get(one.name, one.name), one.method, one.value, one.threshold,
            one.drifted, _values(made.reference, one.name), _values(made.current, one.name),
            one.failed,
        )
        for one in report.scores
    ]  # fmt: skip
    found = Found(
        at, report.version, tuple(sorted(columns, key=_order)), report.quality,
        (*asked.notes, *report.trouble),
    )  # fmt: skip
    folder.write(asked.html.with_suffix(_SUFFIX), orjson.dumps({"v": 1, **asdict(found)}))


def read(home: Home, verdict_id: str, report: str) -> Found | None:
    """Return what Evidently found; None: the report was written before this was kept.

    Args:
        home: Where everything is.
        verdict_id: Of a verdict of the check.
        report: Where its report is, as the verdict names it.

    Raises:
        PlatformError: What is kept cannot be read.
    """
    path = full_report.inside(home, verdict_id, report).with_suffix(_SUFFIX)
    try:
        return _found(orjson.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PlatformError(
            f"What Evidently found, {path}, cannot be read: {error}.",
            "The file is damaged or not ours to read. The full report beside it may be whole; the "
            "next check with a report writes both anew.",
        ) from error


def ours(verdicts: Sequence[Verdict]) -> Mapping[str, ColumnVerdict]:
    """Return the columns of a check's verdicts on inputs and outputs by their names."""
    kinds = ("data", "prediction")
    return {one.name: one for said in verdicts if said.kind in kinds for one in said.columns}


def summary(found: Found) -> str:
    """Return what was found as a sentence."""
    total, compared = len(found.columns), len(found.columns) - found.failed
    told = f"Evidently calls {found.drifted:,} of {compared:,} columns drifted"
    if found.failed:
        told += f", and could not compare {found.failed:,} of {total:,}"
    return f"{told}."


def quality(found: Found) -> str:
    """Return how right answers were in Evidently's words; empty where no labels came."""
    if not found.quality:
        return ""
    told = ", ".join(f"{name} {value:.4g}" for name, value in found.quality.items())
    return f"Answers beside labels: {told}."


def _order(one: Column) -> tuple[bool, float, str]:
    far = (one.value or 0.0) / one.threshold if one.threshold else 0.0
    return not one.failed, -far, one.name


def _values(side: "pa.Table", name: str) -> int:
    """Return how many values a column has."""
    return len(side) - side[name].null_count if name in side.column_names else 0


def _found(said: Mapping[str, Any]) -> Found:
    known = Column.__dataclass_fields__
    columns = tuple(
        Column(**{name: one[name] for name in known if name in one}) for one in said["columns"]
    )
    return Found(
        float(said["at"]), str(said["engine"]), columns, dict(said["quality"]), tuple(said["said"])
    )
