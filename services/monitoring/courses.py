"""Checks over time, as lists and strips show them: the index answers, no file is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import Integer, case, cast, func, select

from services.monitoring.models import Family, Severity, VerdictState
from services.monitoring.store import Summary, VerdictStore
from services.monitoring.tables import verdicts as _verdicts

Degree = Literal["unknown", "too few", "steady", "low", "medium", "high"]
"""What a verdict came to, in one word: of what drifted its severity."""
DEGREES: tuple[Degree, ...] = get_args(Degree)
"""From what says least to what is worst."""
FAMILIES: tuple[Family, ...] = get_args(Family)
Key = tuple[str, str, int, Family]
"""Project, model, version, kind."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a version: its verdicts in a word each."""

    id: str
    """Of one of its verdicts; ``VerdictStore.check`` returns them all."""
    at: float
    rows: int
    degrees: Mapping[Family, Degree]

    @property
    def worst(self) -> Degree:
        """Return the worst of them."""
        return max(self.degrees.values(), key=DEGREES.index, default="unknown")


def degree(state: VerdictState, severity: Severity) -> Degree:
    """Return a verdict in one word; one that drifted without a severity is low."""
    if state != "drifted":
        return state
    return "low" if severity == "none" else severity


def number(store: VerdictStore) -> int:
    """Return the number of the newest verdict: what is read stays true until it moves.

    Raises:
        PlatformError: The index cannot be read.
    """
    return int(store.ask(select(func.max(_verdicts.c.number)))[0][0] or 0)


def newest(store: VerdictStore) -> Mapping[Key, Summary]:
    """Return the last verdict of each kind and version.

    Raises:
        PlatformError: The index cannot be read.
    """
    of = _verdicts.c.project, _verdicts.c.model, _verdicts.c.version, _verdicts.c.kind
    last = select(func.max(_verdicts.c.number)).group_by(*of)
    found = store.summaries(select(_verdicts).where(_verdicts.c.number.in_(last)))
    return {(one.project, one.model, one.version, one.kind): one for one in found}


def strips(
    store: VerdictStore, since: float, step_s: float, count: int
) -> Mapping[Key, tuple[Degree | None, ...]]:
    """Return the worst that each kind and version came to in each stretch of time.

    Args:
        store: Where verdicts are.
        since: Begin of the first stretch, seconds since 1970.
        step_s: Length of each.
        count: How many there are.

    Returns:
        ``count`` words each, oldest first; None: nothing was checked in that stretch.

    Raises:
        PlatformError: The index cannot be read.
    """
    place = cast((_verdicts.c.computed_at - since) / step_s, Integer)
    of = _verdicts.c.project, _verdicts.c.model, _verdicts.c.version, _verdicts.c.kind
    asked = (
        select(*of, place.label("place"), func.max(_rank()).label("rank"))
        .where(_verdicts.c.computed_at >= since, _verdicts.c.computed_at < since + count * step_s)
        .group_by(*of, place)
    )
    made: dict[Key, list[Degree | None]] = {}
    for row in store.ask(asked):
        strip = made.setdefault((row.project, row.model, row.version, row.kind), [None] * count)
        strip[min(row.place, count - 1)] = DEGREES[row.rank]
    return {key: tuple(strip) for key, strip in made.items()}


def checks(
    store: VerdictStore,
    project: str,
    model: str,
    version: int,
    *,
    since: float | None = None,
    limit: int = 1000,
) -> tuple[Check, ...]:
    """Return a version's checks in the order they came, the newest ``limit``.

    Raises:
        PlatformError: The index cannot be read.
    """
    rank = _rank()
    asked = select(
        func.max(_verdicts.c.id), func.max(_verdicts.c.computed_at), func.max(_verdicts.c.rows),
        *(func.max(case((_verdicts.c.kind == kind, rank))) for kind in FAMILIES),
    ).where(
        _verdicts.c.project == project, _verdicts.c.model == model, _verdicts.c.version == version
    )  # fmt: skip
    if since is not None:
        asked = asked.where(_verdicts.c.computed_at >= since)
    asked = asked.group_by(_verdicts.c.file).order_by(func.max(_verdicts.c.number).desc())
    rows = store.ask(asked.limit(limit))
    return tuple(
        Check(
            row[0], row[1], row[2],
            {kind: DEGREES[rank] for kind, rank in zip(FAMILIES, row[3:], strict=True)
             if rank is not None},
        )
        for row in reversed(rows)
    )  # fmt: skip


def versions(store: VerdictStore, project: str, model: str) -> tuple[int, ...]:
    """Return the versions of a model that were checked, the one checked last first.

    Raises:
        PlatformError: The index cannot be read.
    """
    asked = (
        select(_verdicts.c.version)
        .where(_verdicts.c.project == project, _verdicts.c.model == model)
        .group_by(_verdicts.c.version)
        .order_by(func.max(_verdicts.c.number).desc())
    )
    return tuple(row[0] for row in store.ask(asked))


def reported(store: VerdictStore, project: str, model: str, version: int) -> Summary | None:
    """Return a verdict of a version's newest check whose full report is kept; None: there is none.

    Raises:
        PlatformError: The index cannot be read.
    """
    asked = select(_verdicts).where(
        _verdicts.c.project == project, _verdicts.c.model == model,
        _verdicts.c.version == version, _verdicts.c.report.is_not(None),
    )  # fmt: skip
    found = store.summaries(asked.order_by(_verdicts.c.number.desc()).limit(1))
    return found[0] if found else None


def _rank() -> Any:  # noqa: ANN401
    """Return the place of a verdict's degree, as SQL."""
    state, severity = _verdicts.c.state, _verdicts.c.severity
    drifted: Sequence[Degree] = ("medium", "high")
    return case(
        *((state == one, DEGREES.index(one)) for one in ("unknown", "too few", "steady")),
        *((severity == one, DEGREES.index(one)) for one in drifted),
        else_=DEGREES.index("low"),
    )
