"""Many checks at once: what they came to in a stretch of time, and which of them tell a story.

A deployment is checked each hour, so a month has thousands of verdicts: SQLite counts them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Integer, case, cast, func, select

from services.home import Home
from services.monitoring import folder
from services.monitoring.models import Family, Severity, VerdictState
from services.monitoring.store import Summary, VerdictStore
from services.monitoring.tables import columns as _columns
from services.monitoring.tables import verdicts as _verdicts

_SEVERITIES: tuple[Severity, ...] = ("none", "low", "medium", "high")
_TELLING = ("steady", "drifted")
"""States that are evidence: “too few” and “unknown” between two of them change nothing."""
_UNMOVED = ("steady", "too few")


@dataclass(frozen=True, slots=True)
class Checks:
    """What the checks of one kind on one deployment came to."""

    project: str
    model: str
    kind: Family
    checks: int
    drifted: int
    untold: int
    """Checks that could not tell: too few rows, or unknown."""
    worst: Severity
    most: float | None
    """The largest share of columns that drifted at one check: 0 to 1."""
    last_state: VerdictState
    last_at: float
    last_said: str
    last_id: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A column that was not as it was."""

    project: str
    model: str
    kind: Family
    name: str
    checks: int
    """At how many checks."""
    most: float | None
    """How far at most, in the unit of its measure; None where no distance is known."""


def is_there(home: Home) -> bool:
    """Return whether anything was ever checked: who only reads makes no store."""
    return folder.base(home).is_dir()


def opened(home: Home) -> VerdictStore | None:
    """Return the store of an installation, None where nothing was ever checked.

    Raises:
        PlatformError: It cannot be opened.
    """
    return VerdictStore(home) if is_there(home) else None


def checks(
    store: VerdictStore, since: float, until: float, projects: Sequence[str]
) -> tuple[Checks, ...]:
    """Return what the checks of ``[since, until)`` came to, by deployment and kind.

    Raises:
        PlatformError: The index cannot be read.
    """
    mine = _in(since, until, projects)
    place = (_verdicts.c.project, _verdicts.c.model, _verdicts.c.kind)
    rank = case({name: n for n, name in enumerate(_SEVERITIES)}, value=_verdicts.c.severity)
    counted = (
        select(
            *place,
            func.count().label("checks"),
            func.sum(case((_verdicts.c.state == "drifted", 1), else_=0)).label("drifted"),
            func.sum(case((_verdicts.c.state.in_(_TELLING), 0), else_=1)).label("untold"),
            func.max(rank).label("worst"),
            func.max(_verdicts.c.share).label("most"),
            func.max(_verdicts.c.number).label("last"),
        )
        .where(*mine)
        .group_by(*place)
        .subquery()
    )
    last = (
        _verdicts.c.state.label("last_state"), _verdicts.c.computed_at.label("last_at"),
        _verdicts.c.said.label("last_said"), _verdicts.c.id.label("last_id"),
    )  # fmt: skip
    query = select(counted, *last).join(_verdicts, _verdicts.c.number == counted.c.last)
    return tuple(
        Checks(
            row.project, row.model, row.kind, row.checks, row.drifted, row.untold,
            _SEVERITIES[row.worst], row.most, row.last_state, row.last_at, row.last_said,
            row.last_id,
        )
        for row in store.ask(query.order_by(counted.c.project, counted.c.model, counted.c.kind))
    )  # fmt: skip


def daily(
    store: VerdictStore, since: float, until: float, projects: Sequence[str]
) -> dict[int, tuple[int, int]]:
    """Return by UTC day since 1970 how many checks of ``[since, until)`` could tell, and drifted.

    Raises:
        PlatformError: The index cannot be read.
    """
    day = cast(_verdicts.c.computed_at / 86_400.0, Integer).label("day")
    drifted = func.sum(case((_verdicts.c.state == "drifted", 1), else_=0)).label("drifted")
    query = (
        select(day, func.count().label("told"), drifted)
        .where(*_in(since, until, projects), _verdicts.c.state.in_(_TELLING))
        .group_by(day)
    )
    return {row.day: (row.told, row.drifted) for row in store.ask(query)}


def moved(
    store: VerdictStore, since: float, until: float, projects: Sequence[str], most: int = 200
) -> tuple[Moved, ...]:
    """Return the columns that moved at checks of ``[since, until)`` that drifted, most often first.

    Raises:
        PlatformError: The index cannot be read.
    """
    times = func.count().label("times")
    place = (_verdicts.c.project, _verdicts.c.model, _verdicts.c.kind, _columns.c.name)
    query = (
        select(*place, times, func.max(_columns.c.effect).label("most"))
        .join(_columns, _columns.c.verdict == _verdicts.c.number)
        .where(*_in(since, until, projects), _verdicts.c.state == "drifted")
        .where(_columns.c.state.not_in(_UNMOVED))
        .group_by(*place)
        .order_by(times.desc(), func.max(_columns.c.effect).desc(), *place)
        .limit(most)
    )
    return tuple(
        Moved(row.project, row.model, row.kind, row.name, row.times, row.most)
        for row in store.ask(query)
    )


def _in(since: float, until: float, projects: Sequence[str]) -> tuple[Any, ...]:
    at = _verdicts.c.computed_at
    return at >= since, at < until, _verdicts.c.project.in_(projects)


def turns(
    store: VerdictStore, project: str, model: str, version: int, most: int
) -> tuple[tuple[Summary, ...], int]:
    """Return the verdicts that tell a version's story, newest first, and how many there are in all.

    They are those with which a kind began to drift, or to be steady again, and the last of each
    kind.

    Raises:
        PlatformError: The index cannot be read.
    """
    mine = (
        _verdicts.c.project == project, _verdicts.c.model == model,
        _verdicts.c.version == version,
    )  # fmt: skip
    total = store.ask(select(func.count()).select_from(_verdicts).where(*mine))[0][0]
    told = (
        select(
            _verdicts.c.number,
            _verdicts.c.state,
            func.lag(_verdicts.c.state)
            .over(partition_by=_verdicts.c.kind, order_by=_verdicts.c.number)
            .label("before"),
        )
        .where(*mine, _verdicts.c.state.in_(_TELLING))
        .subquery()
    )
    turned = select(told.c.number).where(told.c.before.is_(None) | (told.c.before != told.c.state))
    newest = select(func.max(_verdicts.c.number)).where(*mine).group_by(_verdicts.c.kind)
    query = select(_verdicts).where(_verdicts.c.number.in_(turned) | _verdicts.c.number.in_(newest))
    found = store.summaries(query.order_by(_verdicts.c.number.desc()).limit(most))
    return found, int(total)


def summary(store: VerdictStore, verdict_id: str) -> Summary | None:
    """Return a verdict without its columns, None when it is not kept.

    Raises:
        PlatformError: The index cannot be read.
    """
    found = store.summaries(select(_verdicts).where(_verdicts.c.id == verdict_id))
    return found[0] if found else None


def drifted_first(
    store: VerdictStore, project: str, model: str, kind: str, since: float, until: float | None
) -> Summary | None:
    """Return the first verdict of a stretch of time that says drifted; both ends count.

    Raises:
        PlatformError: The index cannot be read.
    """
    query = select(_verdicts).where(
        _verdicts.c.project == project, _verdicts.c.model == model, _verdicts.c.kind == kind,
        _verdicts.c.state == "drifted", _verdicts.c.computed_at >= since,
    )  # fmt: skip
    if until is not None:
        query = query.where(_verdicts.c.computed_at <= until)
    found = store.summaries(query.order_by(_verdicts.c.number).limit(1))
    return found[0] if found else None
