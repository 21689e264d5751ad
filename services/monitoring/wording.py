"""Verdicts as sentences: what, how much, on how many rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from services.monitoring import comparing, distances, series, weights, wholes
from services.monitoring.models import ColumnVerdict, is_moved
from services.monitoring.pairs import Pair

if TYPE_CHECKING:
    from services.monitoring.verdict import Judged

_NAMED = 3
_STATES = {
    "drifted": "other share of empty values", "missing": "missing", "new": "new",
    "constant": "one value alone", "empty": "empty", "failed": "another type",
}  # fmt: skip
_ROLES = {"data": "input", "prediction": "output"}
_NOUNS = {"data": "inputs", "prediction": "outputs", "quality": "columns"}


def title(name: str) -> str:
    """Return a column's name without where it is of."""
    return name.partition(".")[2] or name


def column(said: ColumnVerdict, pair: Pair, direction: str = "") -> str:
    """Return the sentence of a column."""
    name, rows = title(said.name), f"{said.n_current:,} values beside {said.n_reference:,}"
    plain = {
        "failed": f"{name} cannot be compared: {pair.fault} expected. Whoever asks changed it.",
        "missing": f"{name} does not come any more.",
        "new": f"{name} is new: the baseline has no values of it.",
        "empty": f"{name} has no value in any row.",
        "constant": f"{name} has one value in all {said.n_current:,} rows, and had several.",
    }
    if said.state == "too few" and pair.fault:
        return f"{name}: {pair.fault} expected; too few rows to tell whether that is the rule now."
    if said.state in plain:
        return plain[said.state]
    if said.effect is None or said.p_value is None:
        return f"{name} was not compared."
    how = f"{_effect(said, direction)}, p {_p_value(said.p_value)} ({rows})"
    if said.state == "drifted":
        return f"{name} moved: {how}."
    if said.state == "too few":
        return f"{name}: too few values to tell ({rows}); only a large shift would show."
    return f"{name} is as it was: {how}."


def _effect(said: ColumnVerdict, direction: str) -> str:
    assert said.effect is not None  # noqa: S101
    if said.measure == comparing.EMPTY:
        return f"{said.effect:.0%} of the rows {'more' if direction == 'up' else 'fewer'} are empty"
    if said.measure.startswith(distances.NORMED_WASSERSTEIN):
        _, _, what = said.measure.partition(distances.NORMED_WASSERSTEIN)
        return f"{said.effect:.2f} standard deviations {direction}{what}"
    if said.measure.startswith(wholes.MEASURE):
        what = said.measure.removeprefix(wholes.MEASURE).replace(" in ", " by ")
        told = (
            f"a row of now is told from one of then{what} in {0.5 + said.effect / 2:.0%} of pairs"
        )
        return f"{told} ({direction})" if direction else told
    return f"{said.measure} {said.effect:.2f}"


def _p_value(p_value: float) -> str:
    return "< 0.0001" if p_value < 0.0001 else f"{p_value:.4f}"


def verdict(said: "Judged", baseline: str, unseen: Sequence[str] = ()) -> str:
    """Return the sentence of a verdict; ``unseen``: vectors of which one side has no values."""
    told = _verdict(said, baseline)
    own = [title(one) for one in unseen if series.role(one) == _ROLES.get(said.kind)]
    if own:
        told += (
            f" Of {', '.join(own[:_NAMED])} the baseline or the log has no values, so mean, "
            "deviation, least and greatest alone are compared."
        )
    return told


def _verdict(said: "Judged", baseline: str) -> str:
    what = _NOUNS[said.kind]
    if said.state == "unknown":
        return f"Nothing is known of the {what}: there is none to compare with {baseline}."
    if said.state == "drifted":
        return _moved(said, baseline)
    if said.state == "too few":
        few = [one for one in said.columns if one.state == "too few"]
        if few and all(one.n_reference < one.n_current for one in few):
            rows = max(one.n_reference for one in few)
            return (
                f"Too few rows to tell whether the {what} moved: there are only {rows:,} of "
                f"{baseline}."
            )
        return f"Too few predictions yet to tell whether the {what} moved from {baseline}."
    return f"The {what} are as in {baseline}."


def _moved(said: "Judged", baseline: str) -> str:
    moved = [one for one in weights.ordered(said.columns) if is_moved(one.state)]
    if said.kind != "quality":
        moved = [one for one in moved if one.state == "drifted"]
    told = [title(one.name) for one in moved[:_NAMED]]
    verb = "moved from"
    if said.kind == "quality":
        verb = "are not as in"
        told = [f"{title(one.name)} ({_STATES[one.state]})" for one in moved[:_NAMED]]
    more = f" and {len(moved) - _NAMED} more" if len(moved) > _NAMED else ""
    number = f"{len(moved)} of {len(said.columns)} {_NOUNS[said.kind]}"
    return f"{number} {verb} {baseline}: {', '.join(told)}{more}; severity {said.severity}."
