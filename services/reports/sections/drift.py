"""Drift and actions: what checks of deployments found, which alerts fired, what was done then."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median

from services.alerting.models import rank
from services.alerting.periods import Lived, active
from services.alerting.telling import PLATFORM
from services.monitoring import periods
from services.monitoring.models import Family
from services.monitoring.periods import Checks, Moved
from services.reports.models import Asked, Chart, Figure, Section, Table, Window, at_of, first
from services.reports.sections import accuracy, answers, retrainings
from services.reports.units import told
from services.retraining.models import Proposal

CHECKS = "the verdicts of monitoring"
ALERTS = "the alerts in the journal"
JOURNAL = "alerts and actions in the journal"
_SHOWN = 4
_KINDS: dict[Family, str] = {
    "data": "inputs", "prediction": "predictions", "quality": "data quality",
    "accuracy": "accuracy",
}  # fmt: skip


def section(asked: Asked) -> Section:
    """Return the section."""
    read = _read(asked)
    fired, fired_before = _alerts(asked, asked.window), _alerts(asked, asked.window.before)
    begins = [asked.window.before.since.timestamp(), *(one.alert.since for one in fired)]
    trained = retrainings.read(asked, min(begins))
    return Section(
        "drift",
        "Drift and actions",
        (
            *_found(read.now, read.before),
            *_times(asked, fired, fired_before),
            *retrainings.figures(asked.window, trained),
        ),
        (*_drift_per_day(asked, read), _per_day(asked, fired)),
        (
            _deployments(read),
            _happened(asked, fired, trained),
            retrainings.retrainings(asked, trained),
            retrainings.budgets(asked, trained),
        ),
        (
            "A check compares what a deployment is asked and answers with what it was evaluated "
            "on. Of checks that could not tell (too few rows) nothing is counted as drift.",
            "An alert counts as fired in the period in which it began; those that lasted into it "
            "are listed, too.",
            *retrainings.notes(trained),
        ),
        small=accuracy.charts(asked),
    )


Seen = tuple[Checks, ...]
_Place = tuple[str, str, Family]


@dataclass(frozen=True, slots=True)
class _Read:
    """What the verdicts of both periods come to."""

    now: Seen = ()
    before: Seen = ()
    daily: Mapping[int, tuple[int, int]] | None = None
    """By day since 1970: checks that could tell, and those that drifted; None: nothing was ever
    checked."""
    moved: Mapping[_Place, Sequence[Moved]] = field(default_factory=dict)


def _read(asked: Asked) -> _Read:
    store = periods.opened(asked.home)
    if store is None:
        return _Read()
    mine, now = asked.projects, _seconds(asked.window)
    moved: dict[_Place, list[Moved]] = defaultdict(list)
    try:
        for one in periods.moved(store, *now, mine):
            moved[one.project, one.model, one.kind].append(one)
        return _Read(
            periods.checks(store, *now, mine),
            periods.checks(store, *_seconds(asked.window.before), mine),
            periods.daily(store, *now, mine),
            moved,
        )
    finally:
        store.close()


def _seconds(window: Window) -> tuple[float, float]:
    return window.since.timestamp(), window.until.timestamp()


def _alerts(asked: Asked, window: Window) -> tuple[Lived, ...]:
    return active(asked.journal, *_seconds(window), asked.projects, platform=asked.whole)


def _begun(lived: Sequence[Lived], window: Window) -> list[Lived]:
    since, until = _seconds(window)
    return [one for one in lived if since <= one.alert.since < until]


# Figures


def _found(now: Seen, before: Seen) -> tuple[Figure, ...]:
    why = "" if now else "Nothing was checked."
    return (
        Figure("Checks", _sum(now), _sum(before), CHECKS),
        Figure("Deployments that drifted", _drifted(now), _drifted(before), CHECKS, "", "less",
               why),
    )  # fmt: skip


def _sum(seen: Seen) -> int:
    return sum(one.checks for one in seen)


def _drifted(seen: Seen) -> int | None:
    """Return how many deployments had a verdict that says drifted; None where none was checked."""
    if not seen:
        return None
    return len({(one.project, one.model) for one in seen if one.drifted})


def _times(asked: Asked, now: Sequence[Lived], before: Sequence[Lived]) -> tuple[Figure, ...]:
    mine, then = _begun(now, asked.window), _begun(before, asked.window.before)
    looked, lasted = _looked(mine), _lasted(mine)
    none = "No alert fired." if not mine else ""
    return (
        Figure("Alerts fired", len(mine), len(then), ALERTS, "", "less"),
        Figure("Median until somebody looked", looked, _looked(then), ALERTS, "s", "less",
               "" if looked is not None else none or "Nobody acknowledged one."),
        Figure("Median that an alert lasted", lasted, _lasted(then), ALERTS, "s", "less",
               "" if lasted is not None else none or "None has ended."),
    )  # fmt: skip


def _looked(lived: Sequence[Lived]) -> float | None:
    took = [one.looked_at - one.alert.since for one in lived if one.looked_at is not None]
    return max(0.0, median(took)) if took else None


def _lasted(lived: Sequence[Lived]) -> float | None:
    ended = [one.lasted_s(one.alert.since) for one in lived if one.alert.resolved_at is not None]
    return median(ended) if ended else None


def _drift_per_day(asked: Asked, read: _Read) -> tuple[Chart, ...]:
    if read.daily is None:
        return ()
    days, begun = asked.window.days, datetime(1970, 1, 1, tzinfo=UTC).date()
    told_of = [read.daily.get((day - begun).days) for day in days]
    shares = tuple(None if one is None else one[1] / one[0] for one in told_of)
    return (Chart("Checks that drifted a day, of those that could tell", days, shares, CHECKS,
                  "ratio"),)  # fmt: skip


def _per_day(asked: Asked, lived: Sequence[Lived]) -> Chart:
    days = asked.window.days
    counts = dict.fromkeys(days, 0.0)
    for one in _begun(lived, asked.window):
        counts[datetime.fromtimestamp(one.alert.since, UTC).date()] += 1
    return Chart("Alerts a day", days, tuple(counts.values()), ALERTS)


# Tables


def _deployments(read: _Read) -> Table:
    columns = ("deployment", "what", "checks", "drifted", "before", "worst", "most of the columns",
               "what moved", "at the last check")  # fmt: skip
    then = {(one.project, one.model, one.kind): one for one in read.before}
    ordered = sorted(read.now, key=lambda one: (-one.drifted / one.checks, one.project, one.model))
    rows = []
    for one in ordered:
        place = (one.project, one.model, one.kind)
        was = then.get(place)
        rows.append((
            f"{one.project}.{one.model}", _KINDS.get(one.kind, one.kind), f"{one.checks:,}",
            _share(one.drifted, one.checks),
            "not checked" if was is None else _share(was.drifted, was.checks),
            one.worst if one.drifted else "–",
            "–" if one.most is None or not one.drifted else told(one.most, "ratio"),
            ", ".join(_named(each) for each in read.moved.get(place, ())[:_SHOWN]) or "–",
            f"{one.last_state}: {one.last_said}",
        ))  # fmt: skip
    shown, left = first(rows, 60)
    empty = "Nothing was checked: monitoring looks at what is deployed and asked."
    return Table("Deployments", columns, shown, CHECKS, empty, left)


def _named(one: Moved) -> str:
    by = "" if one.most is None else f" by {one.most:.2g}"
    return f"{one.name}{by} ({one.checks:,}×)"


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({told(part / whole, 'ratio')})" if part else "0"


def _happened(asked: Asked, lived: Sequence[Lived], trained: Sequence[Proposal]) -> Table:
    until = min(asked.window.until, datetime.now(UTC)).timestamp()
    answered = answers.read(asked, lived, trained, until)
    ordered = sorted(lived, key=lambda one: (-rank(one.alert.severity), -one.alert.since))
    rows = [
        (
            at_of(round(one.alert.since * 1000)), one.alert.project or PLATFORM, one.alert.severity,
            one.alert.title or one.alert.key, one.alert.cause or "–",
            _length(one, until), _who(one), answered.said(one.alert, until),
        )
        for one in ordered
    ]  # fmt: skip
    shown, left = first(rows, 40)
    columns = ("since (UTC)", "project", "severity", "alert", "likely cause", "lasted",
               "who looked after it", "what was done, how it ended")  # fmt: skip
    return Table("Alerts, and what was done", columns, shown, JOURNAL, "No alert was open.", left)


def _length(one: Lived, until: float) -> str:
    length = told(one.lasted_s(until), "s")
    return length if not one.alert.open else f"{length} so far"


def _who(one: Lived) -> str:
    if one.looked_at is None:
        return "nobody" if one.alert.silence is None else "silenced"
    return f"{one.looked_by}, after {told(max(0.0, one.looked_at - one.alert.since), 's')}"
