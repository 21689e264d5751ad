"""What the repeats of two techniques allow to say, and what they do not."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dashboard.numbers import number
from services.mirror.models import TechniqueRow
from services.mirror.projects import Goal

_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean of one technique minus another, with Welch's interval."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Return whether the interval leaves no difference out."""
        return self.low > 0 or self.high < 0


def standard_error(row: TechniqueRow) -> float | None:
    """Return s / √n, recovered from the 95 % interval of the mean; None with one repeat."""
    from scipy.special import stdtrit

    if row.low is None or row.high is None or row.runs < 2:
        return None
    return (row.high - row.low) / 2 / float(stdtrit(row.runs - 1, (1 + _CONFIDENCE) / 2))


def difference(a: TechniqueRow, b: TechniqueRow, comparisons: int = 1) -> Difference | None:
    """Return mean(a) − mean(b) with an interval that holds for all ``comparisons`` at once.

    Welch's t interval (1947), unequal variances, widened after Bonferroni. None when either was
    run once, or both never varied: then there is nothing to estimate the spread from.
    """
    from scipy.special import stdtrit

    spread_a, spread_b = standard_error(a), standard_error(b)
    if spread_a is None or spread_b is None or spread_a + spread_b == 0:
        return None
    # Shares of the larger one: the fourth power of a huge or tiny spread is no number.
    scale = max(spread_a, spread_b)
    share_a, share_b = spread_a / scale, spread_b / scale
    total = share_a**2 + share_b**2
    freedom = total**2 / (share_a**4 / (a.runs - 1) + share_b**4 / (b.runs - 1))
    tail = 1 - (1 - _CONFIDENCE) / 2 / comparisons
    half = float(stdtrit(freedom, tail)) * math.sqrt(total) * scale
    value = a.mean - b.mean
    return Difference(value, value - half, value + half)


def verdicts(rows: Sequence[TechniqueRow], goal: Goal) -> tuple[str, ...]:
    """Return what can be said of the leader: against each baseline and the runner-up."""
    return (*_compared([row for row in rows if row.runs], goal), *map(_left_out, _odd(rows)))


def _compared(rows: Sequence[TechniqueRow], goal: Goal) -> tuple[str, ...]:
    if not rows:
        return ()
    if len(rows) == 1:
        alone = f"{_named(rows[0])} is the only technique with finished runs of a finite value"
        return (f"{alone}: nothing to compare.",)
    leader = rows[0]
    rivals = _rivals(rows)
    sentences = [_sentence(leader, rival, goal, len(rivals)) for rival in rivals]
    return (*sentences, *_caution(rows))


def _odd(rows: Sequence[TechniqueRow]) -> list[TechniqueRow]:
    return [row for row in rows if row.unfinite]


def _left_out(row: TechniqueRow) -> str:
    every = row.runs + row.unfinite
    if not row.runs:
        ended = "its one run" if every == 1 else f"all {every} runs"
        return (
            f"{_named(row)} has no finite {row.metric}: {ended} ended NaN or infinite, so it has "
            "no mean and stands last."
        )
    return (
        f"{row.unfinite} of {every} runs of {_named(row)} ended with {row.metric} NaN or infinite: "
        "they are in no mean and no interval, which may flatter it."
    )


def _rivals(rows: Sequence[TechniqueRow]) -> list[TechniqueRow]:
    baselines = [row for row in rows[1:] if row.baseline]
    return list(dict.fromkeys((rows[1], *baselines)))


def _sentence(leader: TechniqueRow, rival: TechniqueRow, goal: Goal, comparisons: int) -> str:
    role = "the baseline " if rival.baseline else ""
    pair = f"{_named(leader)} and {role}{_named(rival)}"
    found = difference(leader, rival, comparisons)
    if found is None:
        return _unknown(leader, rival, pair)
    interval = f"95 % interval {number(found.low, 3)} to {number(found.high, 3)}"
    counts = f"n = {leader.runs} and {rival.runs}"
    if not found.excludes_zero:
        return (
            f"{pair} are not shown to differ: the difference of the means is "
            f"{number(found.value, 3)}, {interval} includes zero ({counts})."
        )
    better = "higher" if goal == "max" else "lower"
    return (
        f"{_named(leader)} is better than {role}{_named(rival)}: its mean {leader.metric} is "
        f"{number(abs(found.value), 3)} {better} ({interval} excludes zero, {counts})."
    )


def _unknown(leader: TechniqueRow, rival: TechniqueRow, pair: str) -> str:
    gap = number(leader.mean - rival.mean, 3)
    once = [row for row in (leader, rival) if row.runs < 2]
    if not once:
        return (
            f"{pair} differ by {gap}, but their repeats gave the very same values: check that the "
            "seeds differ before calling this a result."
        )
    names = " and ".join(map(_named, once))
    times = "was run once" if len(once) == 1 else "were run once each"
    return (
        f"{pair} differ by {gap}, but {names} {times}: no interval can be given. Repeat with other "
        "seeds to know whether it is chance."
    )


def _caution(rows: Sequence[TechniqueRow]) -> Iterable[str]:
    thin = [row for row in rows if 1 < row.runs < 5]
    if thin:
        yield (
            f"{len(thin)} of {len(rows)} techniques have fewer than five repeats: their intervals "
            "are wide, and lean on the values being roughly normal."
        )


def _named(row: TechniqueRow) -> str:
    return f"“{row.technique}”"
