"""What Evidently found, in ``mlops drift show``: its figures beside those of the verdict."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from services.commands.output import moment, number, print_table, say
from services.errors import NotFoundError, PlatformError
from services.home import Home
from services.monitoring import courses, evidently_figures
from services.monitoring.evidently_figures import Column, Found
from services.monitoring.models import ColumnVerdict

if TYPE_CHECKING:
    from services.commands.drift_reading import Deployment
    from services.monitoring.store import Summary

_HEADS = (
    "column", "method", "score", "from", "evidently", "verdict", "effect", "n", "n before", "said",
)  # fmt: skip
_BEFORE = "Its report was written before its figures were kept beside it."


@dataclass(frozen=True, slots=True)
class Reported:
    """The newest report that is kept of a version."""

    of: "Summary"
    found: Found | None
    """None: ``fault`` says why."""
    ours: Mapping[str, ColumnVerdict]
    """What the verdict of that check says, by its names of columns."""
    fault: str = ""


def read(one: "Deployment") -> tuple[Reported, ...]:
    """Return what Evidently found of each version that answers and has a report.

    Raises:
        PlatformError: The index of verdicts cannot be read.
    """
    every = (courses.reported(one.store, one.project, one.model, each) for each in one.versions)
    return tuple(_reported(one, of) for of in every if of is not None)


def _reported(one: "Deployment", of: "Summary") -> Reported:
    try:
        ours = evidently_figures.ours(one.store.check(of.id))
        found = evidently_figures.read(Home.locate(), of.id, of.report or "")
    except (NotFoundError, PlatformError) as error:  # hides no verdict
        return Reported(of, None, {}, str(error))
    return Reported(of, found, ours, "" if found else _BEFORE)


def shape(one: Reported) -> dict[str, Any]:
    """Return it in the documented JSON shape."""
    found = one.found
    return {
        "version": one.of.version,
        "verdict": one.of.id,
        "report": one.of.report,
        "computed_at": _moment(one.of.computed_at),
        "evidently": None if found is None else found.engine,
        "drifted": None if found is None else found.drifted,
        "columns": [] if found is None else [_column(one, each) for each in found.columns],
        "quality": {} if found is None else found.quality,
        "said": [one.fault] if found is None else found.said,
    }


def tell(name: str, reports: tuple[Reported, ...]) -> None:
    """Print what Evidently found, and where there is nothing how it comes."""
    say("")
    if not reports:
        say(f"evidently: no report is kept; `mlops drift check {name} --report` has one written.")
    for one in reports:
        at = moment(_moment(one.of.computed_at))
        say(f"evidently, version {one.of.version}, {at}: {_said(one)}")
        say(f"Full report: monitoring/{one.of.report}")
        if one.found is None:
            say(f"`mlops drift check {name} --report` has a new one written.")
            continue
        print_table(_HEADS, [_row(one, each) for each in one.found.columns], "")
        for sentence in (evidently_figures.quality(one.found), *one.found.said):
            if sentence:
                say(sentence)


def _said(one: Reported) -> str:
    return one.fault if one.found is None else evidently_figures.summary(one.found)


def _column(one: Reported, column: Column) -> dict[str, Any]:
    ours = one.ours.get(column.own)
    return {
        **asdict(column),
        "state": None if ours is None else ours.state,
        "effect": None if ours is None else ours.effect,
    }


def _row(one: Reported, column: Column) -> list[str]:
    ours = one.ours.get(column.own)
    word = "failed" if column.drifted is None else "drifted" if column.drifted else "not drifted"
    return [
        column.name, column.method or "–", number(column.value), number(column.threshold), word,
        "–" if ours is None else ours.state, number(None if ours is None else ours.effect),
        f"{column.n_current:,}", f"{column.n_reference:,}", column.failed,
    ]  # fmt: skip


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
