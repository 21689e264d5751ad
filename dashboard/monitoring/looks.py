"""What checks come to as sign, word and colour together: none of them is left to speak alone."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from dashboard.charts.theme import Colours
from dashboard.deployments.looks import Look, badge, hue
from dashboard.numbers import counted
from services.monitoring.courses import DEGREES, Degree
from services.monitoring.models import Family, State

__all__ = ["DEGREES", "Degree", "Look", "badge", "hue"]

T = TypeVar("T")
NEVER = Look("radio_button_unchecked", "○", "gray", "not checked yet")
AWAY = Look("cloud_off", "?", "gray", "not known")
_DEGREES: Mapping[Degree, tuple[str, str, str]] = {
    "high": ("error", "✕", "red"),
    "medium": ("warning", "▲", "orange"),
    "low": ("change_history", "△", "orange"),
    "steady": ("check_circle", "✓", "green"),
    "too few": ("hourglass_empty", "◔", "violet"),
    "unknown": ("help", "?", "gray"),
}
_WORDS: Mapping[Degree, str] = {
    "steady": "steady", "too few": "not enough data", "unknown": "unknown",
}  # fmt: skip
_MOVED: Mapping[Family, str] = {
    "data": "drifted", "prediction": "drifted", "quality": "changed", "accuracy": "worse",
}  # fmt: skip
TITLES: Mapping[Family, str] = {
    "data": "Data drift", "prediction": "Prediction drift", "quality": "Data quality",
    "accuracy": "Accuracy",
}  # fmt: skip
ABOUT: Mapping[Family, str] = {
    "data": "What it is asked, beside the baseline.",
    "prediction": "What it answers, beside the baseline.",
    "quality": "Whether columns are there, filled, of their type, and vary.",
    "accuracy": "How right its answers are, as far as labels came.",
}
_COLUMNS: Mapping[State, Look] = {
    "drifted": Look("moving", "▲", "orange", "drifted"),
    "missing": Look("close", "✕", "red", "missing"),
    "new": Look("add_circle", "△", "orange", "new"),
    "constant": Look("horizontal_rule", "▲", "orange", "one value"),
    "empty": Look("close", "✕", "red", "empty"),
    "failed": Look("error", "✕", "red", "not comparable"),
    "steady": Look("check_circle", "✓", "green", "steady"),
    "too few": Look("hourglass_empty", "◔", "violet", "not enough data"),
}
_BARS_PX = {"high": 14, "medium": 11, "low": 8, "steady": 5, "too few": 5, "unknown": 2}
STRIP_PX = 14


def look(degree: Degree, kind: Family) -> Look:
    """Return how a verdict is drawn."""
    icon, sign, colour = _DEGREES[degree]
    word = _WORDS.get(degree) or f"{_MOVED[kind]}, {degree}"
    return Look(icon, sign, colour, word)  # type: ignore[arg-type]  # one of the colours


def overall(degree: Degree) -> Look:
    """Return how the worst of a check's verdicts is drawn."""
    icon, sign, colour = _DEGREES[degree]
    word = _WORDS.get(degree) or f"severity {degree}"
    return Look(icon, sign, colour, word)  # type: ignore[arg-type]  # one of the colours


def column(state: State) -> Look:
    """Return how a column is drawn."""
    return _COLUMNS.get(state, AWAY)


def tone(degree: Degree, hues: Colours) -> str:
    """Return a verdict's colour in our own drawings."""
    return hue(overall(degree), hues)


def strip(
    found: Sequence[Degree | None], hues: Colours, told: str, *, width: str = "min(96px,100%)"
) -> str:
    """Return verdicts over time as bars: taller is worse, a gap is a stretch without a check.

    Each run of equal ones is a layer of one element's background: a picture each would take the
    browser longer than all the rest of the table.
    """
    count = max(1, len(found))
    layers = [
        _layer(tone(degree, hues), place, length, count, _BARS_PX[degree])
        for place, length, degree in _placed(found) if degree is not None
    ]  # fmt: skip
    return _painted(layers, hues, told, width)


def _layer(colour: str, place: int, length: int, count: int, height: int) -> str:
    wide = length / count * 100
    # The place of a background is that of the room left beside it.
    left = place / count * 100 / (1 - length / count) if length < count else 0.0
    return f"linear-gradient({colour},{colour}) {left:.3f}% 100%/{wide:.3f}% {height}px no-repeat"


def _painted(layers: Sequence[str], hues: Colours, told: str, width: str) -> str:
    painted = f"background:{','.join(layers)};" if layers else ""
    return (
        f'<div role="img" aria-label="{told}" title="{told}" style="width:{width};'
        f"height:{STRIP_PX}px;border-bottom:1px solid {hues.line};box-sizing:content-box;"
        f'{painted}"></div>'
    )


def bars(found: Sequence[float], hues: Colours, told: str, *, width: str = "min(96px,100%)") -> str:
    """Return figures over time as bars, the largest as high as the strip; 0 is a gap."""
    most, count = max(found, default=0.0), max(1, len(found))
    heights = [max(2, round(one / most * STRIP_PX)) if one > 0 else 0 for one in found]
    layers = [
        _layer(hues.muted, place, length, count, height)
        for place, length, height in _placed(heights) if height
    ]  # fmt: skip
    return _painted(layers, hues, told, width)


def told(found: Sequence[Degree | None], kind: Family, stretch: str) -> str:
    """Return a strip in words."""
    moved = sum(one in ("low", "medium", "high") for one in found)
    known = sum(one is not None for one in found)
    if not known:
        return f"Not checked {stretch}"
    said = f"{stretch}: {_MOVED[kind]} in {moved} of {counted(known, 'stretch', 'stretches')}"
    return said[:1].upper() + said[1:]


def hatched(hue: str) -> str:
    """Return the background of a figure that is only about so much."""
    return f"repeating-linear-gradient(135deg,{hue} 0 4px,transparent 4px 7px)"


def worst(found: Sequence[Degree]) -> Degree:
    """Return the worst of some."""
    return max(found, key=DEGREES.index, default="unknown")


def _placed(found: Sequence[T]) -> list[tuple[int, int, T]]:
    """Return runs of equal ones: (place of the first, how many, which)."""
    made: list[tuple[int, int, T]] = []
    for place, one in enumerate(found):
        if made and made[-1][2] == one:
            made[-1] = (made[-1][0], made[-1][1] + 1, one)
        else:
            made.append((place, 1, one))
    return made
