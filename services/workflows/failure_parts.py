"""What an explanation of a failure is put together from, and how evidence is read safely."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.telemetry.conditions import Conditions
from services.telemetry.diagnosis import Cause
from services.telemetry.figures import Figure, unavailable

_EXCEPTION = re.compile(
    r"(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Iteration)(?::\s.*)?"
)
_NOT_ASKED = unavailable("it was not asked for")


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that was measured, or why it was not."""

    label: str
    said: str
    known: bool = True
    telling: bool = False
    """It is what the cause rests on."""


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next."""

    said: str
    command: str = ""
    """What is typed for it; empty: nothing is."""
    setting: str = ""
    """The line of [tool.mlops] to change; empty: none."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the machine was like while a task ran."""

    conditions: Conditions
    power: Figure = _NOT_ASKED
    """Mean watts."""
    power_of: str = ""
    """Of what: the whole machine, the GPU alone …"""
    causes: tuple[Cause, ...] = ()
    """What slowed the machine down meanwhile."""
    last_s: float | None = None
    """So much of its end was looked at; None: all of it."""


def table(found: object) -> Mapping[str, Any]:
    """Return a mapping as it is, anything else as an empty one."""
    return found if isinstance(found, Mapping) else {}


def inside(document: object, *keys: str) -> object:
    """Return what is under nested keys, None where there is nothing."""
    for key in keys:
        document = table(document).get(key)
    return document


def number(found: object) -> float | None:
    """Return a finite number; None for all else, also for true and false."""
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        return float(found) if math.isfinite(found) else None
    except OverflowError:
        return None


def words(found: object) -> str:
    """Return text as it is, anything else as none."""
    return found if isinstance(found, str) else ""


def amount(count: float) -> str:
    """Return bytes as gigabytes, less than a tenth of one as megabytes."""
    return f"{count / 1e9:.2f} GB" if abs(count) >= 1e8 else f"{count / 1e6:.1f} MB"


def exception_line(lines: Sequence[str]) -> int | None:
    """Return the place of the last line on which Python told an exception."""
    places = (n for n in reversed(range(len(lines))) if _EXCEPTION.fullmatch(lines[n].strip()))
    return next(places, None)
