"""Whether the columns of a window are what they were: there, filled, of their type, not frozen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.monitoring import comparing, significance, wording
from services.monitoring.comparing import CONSTANT, Difference
from services.monitoring.models import ColumnVerdict, State
from services.monitoring.pairs import Pair

_ONLY_IF_SURE = ("missing", "empty", "new", "failed")


@dataclass(frozen=True, slots=True)
class _Held:
    """What a column is held to."""

    level: float
    each: float
    """The level of a column alone, at worst."""
    threshold: float


def plain(pair: Pair, importance: float | None) -> ColumnVerdict:
    """Return what can be said of a column without comparing its values."""
    then, now = pair.reference, pair.looks[0] if pair.looks else None
    state: State = "steady"
    if pair.fault:
        state = "failed"
    elif then is None:
        state = "new" if now is not None and len(now.values) else "empty"
    elif pair.missing:
        state = "missing"
    elif now is None or not len(now.values):
        state = "empty"
    kind = (then or now).kind if then is not None or now is not None else "numeric"  # type: ignore[union-attr]
    return ColumnVerdict(
        pair.name, pair.role, kind, state, None, None, "", None,
        0 if then is None else len(then.values), 0 if now is None else len(now.values),
        importance, None, None, "",
    )  # fmt: skip


def columns(
    pairs: Sequence[Pair], importance: Mapping[str, float], level: float, threshold: float
) -> list[ColumnVerdict]:
    """Return the verdicts on every column's state.

    Args:
        pairs: All columns.
        importance: Of inputs, by name.
        level: Of significance, of all together.
        threshold: Difference in the share of empty values from which on it counts.
    """
    known = [pair for pair in pairs if pair.reference is not None or pair.looks]
    differences = [_difference(pair, threshold) for pair in known]
    corrected = significance.holm([None if one is None else one.p_value for one in differences])
    held = _Held(level, level / max(1, sum(one is not None for one in differences)), threshold)
    return [
        _column(pair, difference, p_value, importance.get(pair.name), held)
        for pair, difference, p_value in zip(known, differences, corrected, strict=True)
    ]


def _difference(pair: Pair, threshold: float) -> Difference | None:
    if pair.reference is not None and pair.texts is not None:
        return comparing.texts_of(pair.reference, pair.texts)
    then = pair.reference or pair.nothing
    if then is None or not pair.looks:
        return None
    now = pair.looks[0]
    found = [comparing.emptiness(then, now)]
    frozen = comparing.constancy(then, now)
    found += [] if frozen is None else [frozen]
    best = min(found, key=lambda one: (one.effect < threshold, one.p_value))
    return replace(best, p_value=min(1.0, best.p_value * len(found)))


def _column(
    pair: Pair,
    difference: Difference | None,
    p_value: float | None,
    importance: float | None,
    held: "_Held",
) -> ColumnVerdict:
    made = plain(pair, importance)
    if difference is None:
        return replace(made, said=wording.column(made, pair))
    made = replace(
        made, effect=difference.effect, threshold=held.threshold, measure=difference.measure,
        p_value=p_value,
    )  # fmt: skip
    is_large = difference.effect >= held.threshold
    if p_value is not None and p_value <= held.level and is_large:
        if made.state == "steady":
            state: State = "constant" if difference.measure == CONSTANT else "drifted"
            made = replace(made, state=state)
    elif made.state in _ONLY_IF_SURE or significance.is_blind(held.each, difference.size):
        made = replace(made, state="too few")
    return replace(made, said=wording.column(made, pair, difference.direction))
