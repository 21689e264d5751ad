"""All deployments beside each other: a row a version that takes requests, a cell a question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from dashboard.deployments.looks import Look
from dashboard.monitoring import looks
from dashboard.monitoring.promise import AT_RISK, MISSED, Promise, promise
from dashboard.numbers import UNKNOWN, age, number, percent
from dashboard.watched import Board
from services.alerting.asking import Count
from services.alerting.models import rank
from services.monitoring.courses import DEGREES, FAMILIES, Degree, degree
from services.monitoring.models import Family
from services.monitoring.store import Summary
from services.objectives.levels import Level
from services.retraining.models import State as Retraining
from services.serving.looking import Deployment, VersionLook
from services.serving.models import Phase

LATE_S = 3 * 3600.0
"""Without a check for so long of what is asked, something keeps the hourly ones from happening."""
ERRORS = 0.01
"""Share of failed requests from which on a deployment needs somebody: the budget of alerts."""
ORDERS = ("Need", "Name", "Last check")
_ENDING: tuple[Phase, ...] = ("draining", "stopped", "rolling-back", "rolled-back", "failed")


@dataclass(frozen=True, slots=True)
class Cell:
    """What one verdict came to, and how it was before."""

    look: Look
    degree: Degree | None
    """None: it was never checked, or nothing can be known now."""
    said: str
    strip: tuple[Degree | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """How it answers now, as the gateway counts it."""

    look: Look
    figure: str
    said: str
    bad: bool

    @property
    def failing(self) -> bool:
        """Return whether requests of the last minute failed."""
        return self.look.colour in ("red", "orange")


@dataclass(frozen=True, slots=True)
class Row:
    """One version of a deployment."""

    name: str
    project: str
    model: str
    version: int
    role: str
    """live, canary, shadow and the like."""
    cells: Mapping[Family, Cell]
    service: Service
    checked_at: float | None
    predicted_at: float | None
    """Of the newest prediction that is known of; None: none is."""
    labelled_at: float | None
    late: bool
    """Whether it is asked, and was not checked for ``LATE_S``."""
    asked: bool
    """Whether somebody asked it in the last minute."""
    promise: Promise | None = None
    """What the deployment promises, in the first of its rows; None: not known."""
    alerts: Count | None = None
    """In the same row: those of it that have not ended; None: there is none."""
    retraining: Retraining | None = None
    """In the same row: where the one stands that waits or is under way; None: there is none."""

    @property
    def states(self) -> tuple[str, ...]:
        """Return the words that filters know it by: what misses its objective is not steady."""
        word = None if self.promise is None else self.promise.word
        if word is None:
            return (self.state,)
        return (word,) if self.state == STEADY else (self.state, word)

    @property
    def state(self) -> str:
        """Return what its checks come to, in a word."""
        found = [cell.degree for cell in self.cells.values() if cell.degree is not None]
        if not found:
            return looks.NEVER.word if self.checked_at is None else looks.AWAY.word
        worst = looks.worst(found)
        return "drifted" if worst in ("low", "medium", "high") else looks.overall(worst).word


STEADY = "steady"
STATES = (
    "drifted", MISSED, AT_RISK, STEADY, "not enough data", "unknown", looks.NEVER.word,
    looks.AWAY.word,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Beside:
    """What is known of deployments beside their checks, each by (project, model)."""

    levels: Mapping[tuple[str, str], Level] = field(default_factory=dict)
    alerts: Mapping[tuple[str, str], Count] = field(default_factory=dict)
    """By (project, ``PROJECT.MODEL``)."""
    retrainings: Mapping[tuple[str, str], Retraining] = field(default_factory=dict)


NOTHING = Beside()


def rows(
    deployments: Sequence[Deployment],
    board: Board | None,
    labels: Mapping[tuple[str, str], float],
    now: float,
    beside: Beside = NOTHING,
) -> tuple[Row, ...]:
    """Return a row a version that takes requests or is to take them.

    Args:
        deployments: Those the person sees.
        board: What checks came to; None: that cannot be read.
        labels: When the last label of (project, model) came, seconds since 1970.
        now: Seconds since 1970.
        beside: What is known of them beside.
    """
    made: list[Row] = []
    for one in deployments:
        mine = [
            _row(one, version, role, seen, board, labels, now)
            for version, role, seen in _versions(one)
        ]
        made += [_with(mine[0], beside, alone=len(mine) == 1), *mine[1:]] if mine else []
    return tuple(made)


def _with(row: Row, beside: Beside, *, alone: bool) -> Row:
    """Return a row with what is known of its deployment, whichever of its versions answered."""
    of = row.project, row.model
    level = beside.levels.get(of)
    predicted = row.predicted_at
    if alone and level is not None and level.asked_at is not None:
        predicted = max(level.asked_at, predicted or 0.0)
    return replace(
        row, predicted_at=predicted, promise=None if level is None else promise(level),
        alerts=beside.alerts.get((row.project, row.name)), retraining=beside.retrainings.get(of),
    )  # fmt: skip


def ordered(found: Sequence[Row], order: str) -> tuple[Row, ...]:
    """Return rows in an order of ``ORDERS``."""
    if order == "Name":
        return tuple(sorted(found, key=lambda one: (one.name, one.version)))
    if order == "Last check":
        return tuple(sorted(found, key=lambda one: (-(one.checked_at or 0.0), one.name)))
    return tuple(sorted(found, key=lambda one: (*_need(one), one.name, one.version)))


def matching(found: Sequence[Row], words: str, states: Sequence[str]) -> tuple[Row, ...]:
    """Return the rows that fit the filters."""
    folded = words.casefold().strip()
    return tuple(
        one for one in found
        if folded in one.name.casefold() and (not states or not set(states).isdisjoint(one.states))
    )  # fmt: skip


def _need(row: Row) -> tuple[int, ...]:
    """Return what comes first: what is worst, of checks and objectives, then how much is bad.

    Then errors of now, the alert that is worst, and what nobody can tell. An objective that is
    missed weighs as much as high drift: both are what somebody was promised.
    """
    degrees = [cell.degree for cell in row.cells.values() if cell.degree is not None]
    bad = [DEGREES.index(one) for one in degrees if one in ("low", "medium", "high")]
    if row.promise is not None and row.promise.word is not None:
        bad.append(DEGREES.index("high" if row.promise.state == "missed" else "medium"))
    alert = None if row.alerts is None else row.alerts.severity
    blind = not degrees or all(one in ("unknown", "too few") for one in degrees)
    return (
        -max(bad, default=0), -len(bad), -int(row.service.bad),
        0 if alert is None else -1 - rank(alert), -int(row.late), -int(blind),
    )  # fmt: skip


def _versions(one: Deployment) -> list[tuple[int, str, VersionLook | None]]:
    """Return what is live, and what is tried beside it."""
    found: list[tuple[int, str, VersionLook | None]] = [
        (seen.version, "live" if seen.live else seen.phase, seen)
        for seen in sorted(one.versions, key=lambda seen: -seen.traffic)
        if seen.phase not in _ENDING and not _is_kept(one, seen)
    ]
    if not found and one.version is not None:
        found = [(one.version, one.state, None)]
    return found


def _is_kept(one: Deployment, seen: VersionLook) -> bool:
    """Return whether a version only stays loaded to be gone back to."""
    if one.rollout is not None and one.rollout.running and one.rollout.version == seen.version:
        return False
    return not seen.traffic and any(other.traffic for other in one.versions)


def _row(
    of: Deployment,
    version: int,
    role: str,
    seen: VersionLook | None,
    board: Board | None,
    labels: Mapping[tuple[str, str], float],
    now: float,
) -> Row:
    known: dict[Family, Summary] = {}
    cells: dict[Family, Cell] = {}
    for kind in FAMILIES:
        key = of.project, of.model, version, kind
        summary = None if board is None else board.newest.get(key)
        strip = () if board is None else board.strips.get(key, ())
        cells[kind] = cell(summary, kind, strip, away=board is None)
        if summary is not None:
            known[kind] = summary
    checked = max((one.computed_at for one in known.values()), default=None)
    asked = seen is not None and not of.figures_stale and seen.figures.requests > 0
    return Row(
        of.name, of.project, of.model, version, role, cells, service(of, seen), checked,
        None if seen is None else seen.figures.last_at,
        labels.get((of.project, of.model)),
        late=asked and checked is not None and now - checked > LATE_S, asked=asked,
    )  # fmt: skip


def cell(
    summary: Summary | None, kind: Family, strip: Sequence[Degree | None], *, away: bool = False
) -> Cell:
    """Return a verdict as a cell; None: there is none."""
    if summary is None:
        why = "Its verdicts cannot be read now." if away else "No check of this version was kept."
        return Cell(looks.AWAY if away else looks.NEVER, None, why)
    found = degree(summary.state, summary.severity)
    return Cell(looks.look(found, kind), found, summary.said, tuple(strip))


_QUIET = Look("bedtime", "☾", "gray", "not asked")
_WELL = Look("check_circle", "✓", "green", "answers")
_SOME = Look("warning", "▲", "orange", "some errors")
_FAILS = Look("error", "✕", "red", "errors")


def service(of: Deployment, seen: VersionLook | None) -> Service:
    """Return how a version answers, by what the gateway counted in the last minute."""
    if of.figures_stale:
        return Service(looks.AWAY, UNKNOWN, of.figures_stale, bad=False)
    if seen is None or not seen.figures.requests:
        return Service(_QUIET, "", "Nobody asked it in the last minute.", bad=False)
    figures = seen.figures
    share = figures.errors / figures.requests
    latency = "" if figures.p95_ms is None else f"p95 {number(figures.p95_ms, 3)} ms"
    told = f"{figures.errors:,} of {figures.requests:,} requests of the last minute failed."
    if not figures.errors:
        return Service(_WELL, latency, f"{told} {latency}".strip(), bad=False)
    shown = _FAILS if share >= ERRORS else _SOME
    shown = Look(shown.icon, shown.sign, shown.colour, f"{percent(share, 1)} errors")
    return Service(shown, latency, f"{told} {latency}".strip(), bad=share >= ERRORS)


def moment(at: float | None) -> datetime | None:
    """Return seconds since 1970 as a moment."""
    return None if at is None else datetime.fromtimestamp(at, UTC)


def freshness(row: Row, now: datetime) -> tuple[tuple[str, str, float | None], ...]:
    """Return what is how old: (word, age, moment) each."""
    asked = "now" if row.asked else age(moment(row.predicted_at), now)
    return (
        ("check", age(moment(row.checked_at), now), row.checked_at),
        ("prediction", asked, row.predicted_at),
        ("label", age(moment(row.labelled_at), now), row.labelled_at),
    )
