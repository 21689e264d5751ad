"""The theme's colours for charts, of the theme the browser shows now."""

from dataclasses import dataclass
from typing import cast

import streamlit as st


@dataclass(frozen=True, slots=True)
class Colours:
    """What a chart is drawn with; all of it comes from ``.streamlit/config.toml``."""

    series: tuple[str, ...]
    sequential: tuple[str, ...]
    diverging: tuple[str, ...]
    text: str
    muted: str
    line: str
    background: str
    surface: str
    good: str
    bad: str
    warn: str
    accent: str

    def of(self, name: str) -> str:
        """Return the colour of a badge, by its name, for our own drawings."""
        return {
            "green": self.good,
            "red": self.bad,
            "orange": self.warn,
            "yellow": self.warn,
            "blue": self.accent,
            "violet": self.series[4 % len(self.series)],
        }.get(name, self.muted)


def colours() -> Colours:
    """Return the colours of the theme in use."""
    kind = "dark" if st.context.theme.type == "dark" else "light"
    return Colours(
        series=_many(kind, "chartCategoricalColors"),
        sequential=_many(kind, "chartSequentialColors"),
        diverging=_many(kind, "chartDivergingColors"),
        text=_one(kind, "textColor"),
        muted=_one(kind, "grayColor"),
        line=_one(kind, "borderColor"),
        background=_one(kind, "backgroundColor"),
        surface=_one(kind, "secondaryBackgroundColor"),
        good=_one(kind, "greenColor"),
        bad=_one(kind, "redColor"),
        warn=_one(kind, "orangeColor"),
        accent=_one(kind, "primaryColor"),
    )


def series_colour(index: int) -> str:
    """Return the colour of the nth series; they repeat after eight."""
    palette = colours().series
    return palette[index % len(palette)]


def _one(kind: str, name: str) -> str:
    return cast("str", st.get_option(f"theme.{kind}.{name}") or "#808080")


def _many(kind: str, name: str) -> tuple[str, ...]:
    return tuple(st.get_option(f"theme.{kind}.{name}") or ("#808080",))
