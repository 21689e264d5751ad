"""A window of predictions beside its reference, judged: pure, the same rows give the same verdict.

A column drifted when its difference is both significant and large. Significant: p, corrected by
Holm for the columns and by Bonferroni for the looks, is at most ``Rules.level``; that holds the
false alarms of a day, by the union bound, below ``Rules.alarms_a_day`` whatever the checks have in
common. Large: the effect is at least ``limits.THRESHOLD``, which many rows do not change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from services.monitoring import comparing, quality, significance, weights, wholes, wording
from services.monitoring.comparing import Difference
from services.monitoring.limits import THRESHOLD
from services.monitoring.models import (
    ColumnVerdict,
    Family,
    Figure,
    Role,
    Severity,
    VerdictState,
    is_moved,
)
from services.monitoring.pairs import Pair, paired
from services.monitoring.reference import Reference

if TYPE_CHECKING:
    import pyarrow as pa

_STRONG = 5.0
"""Times the threshold: half a standard deviation."""
_MUCH, _SOME, _LITTLE = 0.5, 0.25, 0.2
"""Shares of the columns' weight."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a verdict is held to."""

    alarms_a_day: float = 0.01
    """False alarms of a deployment in a day, at most, of undrifted data."""
    checks_a_day: float = 24.0
    versions: int = 1
    """Of the deployment that answer and are checked: beside a canary two share its alarms."""
    threshold: float = THRESHOLD
    newest: int = 2000
    """Rows of the second look: a shift that is younger than the window shows in the newest."""

    @property
    def level(self) -> float:
        """Return the significance level of one verdict: all of a deployment's share a day's."""
        return self.alarms_a_day / self.checks_a_day / self.versions / 4


@dataclass(frozen=True, slots=True)
class Judged:
    """What one family of columns came to."""

    kind: Family
    columns: tuple[ColumnVerdict, ...]
    share: float | None
    severity: Severity
    state: VerdictState
    said: str
    figure: Figure | None = None
    """Of how right answers were."""


def judge(
    reference: Reference, window: "pa.Table", rules: Rules | None = None, truth: Pair | None = None
) -> list[Judged]:
    """Return the verdicts on inputs, outputs and quality.

    Args:
        reference: What the columns are to be like.
        window: The predictions looked at, oldest first: ``predictions.monitoring.features``.
        rules: The default ones when left out.
        truth: What ought to have been answered, where labels came: one more output.
    """
    held = rules or Rules()
    pairs = paired(reference.table, window, held.newest, reference.ignored)
    vectors = wholes.paired(reference.table, window, reference.ignored)
    unseen = wholes.unseen(reference.table, window, reference.ignored)
    known = {**reference.importance, **wholes.importances(vectors, reference.importance)}
    compared = [*pairs, *vectors]
    filled = [*pairs, *(one for one in vectors if one.fault)]
    answers = [*compared, truth] if truth is not None else compared
    found = [
        _family("data", _columns(compared, "input", known, held), held),
        _family("prediction", _columns(answers, "output", known, held), held),
        _family("quality", quality.columns(filled, known, held.level, held.threshold), held),
    ]
    return [replace(one, said=wording.verdict(one, reference.said, unseen)) for one in found]


def _columns(
    pairs: Sequence[Pair], role: Role, importance: Mapping[str, float], rules: Rules
) -> list[ColumnVerdict]:
    """Return the verdicts on the columns of a role that the reference has."""
    known = [pair for pair in pairs if pair.role == role and pair.reference is not None]
    differences = [_clearest(pair, rules.threshold) for pair in known]
    corrected = significance.holm([None if one is None else one.p_value for one in differences])
    each = rules.level / max(1, sum(one is not None for one in differences))
    return [
        _column(pair, difference, p_value, importance.get(pair.name), each, rules)
        for pair, difference, p_value in zip(known, differences, corrected, strict=True)
    ]


def _column(
    pair: Pair,
    difference: Difference | None,
    p_value: float | None,
    importance: float | None,
    each: float,
    rules: Rules,
) -> ColumnVerdict:
    made = quality.plain(pair, importance)
    if difference is None or p_value is None or pair.reference is None:
        return replace(made, said=wording.column(made, pair))
    kept = difference.shown or (None, None)
    if pair.reference.kind not in ("vector", "picture"):
        kept = comparing.histograms(pair.reference, pair.looks[0])
    made = replace(
        made, effect=difference.effect, threshold=rules.threshold, measure=difference.measure,
        p_value=p_value, reference=kept[0], current=kept[1],
    )  # fmt: skip
    if p_value <= rules.level and difference.effect >= rules.threshold:
        made = replace(made, state="drifted")
    elif significance.is_blind(each / len(pair.looks), difference.size):
        made = replace(made, state="too few")
    return replace(made, said=wording.column(made, pair, difference.direction))


def _clearest(pair: Pair, threshold: float) -> Difference | None:
    """Return the look that says most, its p-value corrected for their number."""
    if pair.reference is None or not len(pair.reference.values):
        return None
    looks = [look for look in pair.looks if len(look.values)]
    found = [comparing.compare(pair.reference, look, threshold) for look in looks]
    if not found:
        return None
    best = min(found, key=lambda one: (one.effect < threshold, one.p_value))
    return replace(best, p_value=min(1.0, best.p_value * len(found)))


def _family(kind: Family, columns: Sequence[ColumnVerdict], rules: Rules) -> Judged:
    moved = [one for one in columns if is_moved(one.state)]
    if kind != "quality":  # which tells of the others
        moved = [one for one in moved if one.state == "drifted"]
    compared = [*moved, *(one for one in columns if one.state == "steady")]
    few = sum(one.state == "too few" for one in columns)
    state: VerdictState = "steady"
    if moved:
        state = "drifted"
    elif not compared and not few:
        state = "unknown"
    elif few > len(compared):
        state = "too few"
    share = len(moved) / len(compared) if compared else None
    severity = _severity(kind, moved, compared, rules.threshold)
    return Judged(kind, tuple(columns), share, severity, state, "")


def _severity(
    kind: Family,
    moved: Sequence[ColumnVerdict],
    compared: Sequence[ColumnVerdict],
    threshold: float,
) -> Severity:
    """Return how bad it is: by the moved columns' share of the weight, and how far they moved.

    A column weighs its importance, or as much as the others on average where none is known. Each
    output matters to whoever asks: one that moved is at least medium.
    """
    if not moved:
        return "none"
    strong = any(one.effect is not None and one.effect >= _STRONG * threshold for one in moved)
    if kind == "prediction":
        return "high" if strong else "medium"
    mean = weights.usual(compared)
    weight = _weight(moved, mean) / (_weight(compared, mean) or 1.0)
    lost = any(one.state in ("missing", "empty", "constant", "failed") for one in moved)
    if weight >= _MUCH or (weight >= _SOME and (strong or lost)):
        return "high"
    if weight >= _LITTLE or strong or lost:
        return "medium"
    return "low"


def _weight(columns: Sequence[ColumnVerdict], mean: float) -> float:
    return sum(mean if one.importance is None else one.importance for one in columns)
