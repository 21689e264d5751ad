"""False alarms: days of hourly checks of data that does not drift.

A day with an alarm in any of its checks counts once, however many checks say it. A kind of data
with more such days than the bound allows is looked at again, with four times as many fresh days,
and then decided by all of its days.
"""

import time
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pyarrow as pa

from benchmarks import drift_checks, drift_vectors
from benchmarks.drift_checks import HOURS, Checks, Day
from benchmarks.drift_data import Draw, alone, batches, halves, real, resampled, synthetic, texts
from benchmarks.shares import Share
from services.monitoring import reference
from services.monitoring.reference import Baseline, Reference
from services.monitoring.verdict import judge

MOST = 0.01
"""The bound: of a deployment's days, so large a share has a false alarm at most."""
AGAIN = 4
"""Times as many days, where the first ones had too many alarms."""
_AT_ONCE = 10
"""Days between two looks at the clock."""
_HALVED = ("breast cancer", "diabetes", "digits (mean, deviation)")
"""Data sets whose halves are large enough to be compared: from 200 rows on."""


LOG = "Monitor.check"
"""Lines that are named so go through it, on a written log."""


@dataclass(frozen=True, slots=True)
class Line:
    """A kind of data and of checks."""

    title: str
    day: Day
    part: float = 1.0
    """Of the days that are asked for; less where a day takes long."""
    bound: bool = True


@cache
def lines() -> tuple[Line, ...]:
    """Return all kinds: tables, data sets, texts, vectors, pictures, and written logs."""
    sets = real()
    cancer, topics, digits = sets["breast cancer"], drift_vectors.topics(), drift_vectors.digits()
    season, first = Baseline("season"), Baseline("first")
    return (
        Line("200 rows a check, beside 360", _apart(synthetic, synthetic, 200, 360)),
        Line("2,000 rows a check, beside 2,000", _apart(synthetic, synthetic, 2000, 2000)),
        Line("requests of 50 alike rows, 2,000 a check", _apart(batches, alone, 2000, 2000)),
        *(
            Line(f"{name}, 500 rows a check", _apart(resampled(one), resampled(one), 500, 1000))
            for name, one in sets.items()
        ),
        Line("halves of breast cancer, diabetes, digits", _parted()),
        Line("texts, 250 a check", _apart(texts("wine"), texts("wine"), 250, 500)),
        Line("vectors of 48, 250 a check", _wide(topics)),
        Line("pictures of digits, 250 a check", _wide(digits), part=0.5),
        Line(f"{LOG}, 300 rows an hour", drift_checks.evenly("auto"), part=0.5),
        Line(f"{LOG}, breast cancer", drift_checks.evenly("auto", resampled(cancer)), part=0.2),
        Line(f"{LOG}, texts", drift_checks.evenly("auto", texts("wine")), part=0.05),
        Line(f"{LOG}, vectors of 48", drift_checks.vectors(topics), part=0.1),
        Line(f"{LOG}, pictures of digits", drift_checks.vectors(digits), part=0.05),
        Line(f"{LOG}, first rows", drift_checks.evenly("first"), part=0.05),
        Line(f"{LOG}, by day and night", drift_checks.by_day_and_night(season), part=0.1),
        Line(
            f"{LOG}, by day and night, first rows",
            drift_checks.by_day_and_night(first), part=0.03, bound=False,
        ),
    )  # fmt: skip


def _apart(draw: Draw, before: Draw, rows: int, size: int) -> Day:
    """Each check has rows of its own, as where many are asked."""

    def day(rng: np.random.Generator) -> Checks:
        base = reference.made(before(rng, size), "the evaluation data")
        return _together([_look(base, draw(rng, rows)) for _ in range(HOURS)])

    return day


def _wide(draw: drift_vectors.Draw) -> Day:
    def some(rng: np.random.Generator, rows: int) -> pa.Table:
        return drift_vectors.table(draw(rng, rows))

    return _apart(some, some, 250, 500)


def _parted() -> Day:
    """Each check has the halves of a data set, drawn anew: nothing is drawn twice."""

    def day(rng: np.random.Generator) -> Checks:
        data = real()[str(rng.choice(_HALVED))]
        looks = []
        for _ in range(HOURS):
            then, now = halves(rng, data)
            looks.append(_look(reference.made(then, "the evaluation data"), now))
        return _together(looks)

    return day


def _look(base: Reference, window: pa.Table) -> Checks:
    judged = judge(base, window)
    return Checks(any(one.state == "drifted" for one in judged), judged[0].state != "too few")


def _together(looks: list[Checks]) -> Checks:
    return Checks(sum(one.alarms for one in looks), sum(one.judged for one in looks))


def one(line: int, day: int) -> Checks:
    """Return what the checks of a day of a line said; days are drawn by their number."""
    return lines()[line].day(np.random.default_rng([line, day]))


@dataclass(frozen=True, slots=True)
class Days:
    """What days of a line came to."""

    alarms: Share
    """Days with an alarm, of those looked at."""
    checks: Checks

    def __add__(self, other: "Days") -> "Days":
        """Return both taken together."""
        return Days(self.alarms + other.alarms, _together([self.checks, other.checks]))


NONE = Days(Share(0, 0), Checks(0, 0))


def run(days: int, pool: Executor, minutes: float) -> bool:
    """Print how many days have a false alarm; return whether the bound is held by all lines.

    Args:
        days: Of each line.
        pool: Does the days.
        minutes: After so many no more days are begun; what was not looked at is not held.
    """
    print(
        f"false alarms on undrifted data, default settings: days of {HOURS} hourly checks with an "
        f"alarm\n  (exact limits of 95 %; held: at most {MOST:.0%}; {days} days a line, fewer "
        f"where they take long; {AGAIN} times as many more where it is above)"
    )
    began = time.monotonic()
    end, held = began + 60 * minutes, True
    totals = {"all through " + LOG: NONE, "all of them": NONE}
    for place, line in enumerate(lines()):
        since, count = time.monotonic(), max(1, round(days * line.part))
        found, wanted, again = _days(place, range(count), pool, end), count, ""
        if line.bound and found.alarms.value > MOST:
            again = f"; looked at again after {found.alarms.found} of {found.alarms.of}"
            wanted += max(AGAIN * count, days)  # one alarm of so few days would decide it else
            found += _days(place, range(count, wanted), pool, end)
        why = _why_not(found, wanted)
        if line.bound:
            held &= not why
            for name in totals:
                totals[name] += found if LOG not in name or LOG in line.title else NONE
        told = (why or "held") if line.bound else "no bound, season is for these"
        checks = found.checks
        print(
            f"  {line.title:50} {found.alarms!s:33} {told}; {checks.alarms:,} of "
            f"{found.alarms.of * HOURS:,} checks, {checks.judged:,} had rows enough; "
            f"{time.monotonic() - since:.0f} s{again}",
            flush=True,
        )
    for name, total in totals.items():
        sure = " surely" if total.alarms.most <= MOST else ""
        told = f"within {MOST:.0%}{sure}" if total.alarms.value <= MOST else f"ABOVE {MOST:.0%}"
        print(f"  {name:50} {total.alarms!s:33} {told}")
    print(f"  {(time.monotonic() - began) / 60:.1f} min (none is begun after {minutes:g})")
    return held and totals["all of them"].alarms.value <= MOST


def _days(line: int, days: range, pool: Executor, end: float) -> Days:
    """Look at days until the time is over."""
    found = NONE
    for begin in range(0, len(days), _AT_ONCE):
        if time.monotonic() >= end:
            break
        looks = list(pool.map(partial(one, line), days[begin : begin + _AT_ONCE]))
        share = Share(sum(look.alarms > 0 for look in looks), len(looks))
        found += Days(share, _together(looks))
    return found


def _why_not(found: Days, wanted: int) -> str:
    """Return why a line does not hold the bound; empty: it does."""
    days, checks = found.alarms, found.checks
    if days.of < wanted:
        return f"NOT LOOKED AT WHOLE, {days.of} of {wanted} days"
    if checks.judged * 2 < days.of * HOURS:
        return "SAYS NOTHING, most checks have too few rows"
    return f"ABOVE {MOST:.0%}" if days.value > MOST else ""
