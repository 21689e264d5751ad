"""What a timeline is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Tone = Literal["warn", "bad", "mode", "quiet"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a value a time; None is a gap. Its range is drawn where ``low`` is given."""

    name: str
    times: Sequence[datetime]
    values: Sequence[float | None]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    stacked: bool = False
    dashed: bool = False
    colour: int | None = None
    """Place among the theme's series colours; None: by its place in the panel."""


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of time that is shaded."""

    start: datetime
    end: datetime
    label: str
    tone: Tone = "warn"
    panel: str = ""
    """Title of the only panel that has it; empty: all."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment: a line through all panels, named above them."""

    at: datetime
    label: str
    tone: Tone = "quiet"


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines with one vertical axis."""

    title: str
    unit: str
    lines: Sequence[Line]
    top: float | None = None
    """End of the axis; None: by the values."""
    bottom: float | None = 0.0
    """Begin of the axis; None: by the values."""
    whole: bool = False
