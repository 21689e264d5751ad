"""What a contract may say about workflows and serving: parameters, needs, schedule."""

import math
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from services.projects.serving import Serve

NAME_PATTERN = r"^[a-z][a-z0-9_]{0,49}$"
RESERVED = frozenset({"reason", "data_revision", "clients"})
"""Parameters that workflows have of their own."""
DEFAULT_TIMEOUT_S = 86_400.0
_LONGEST_TIMEOUT_S = 30 * 86_400.0
_NUMBER = r"(\d+(?:\.\d+)?)\s*"
_SPAN = re.compile(r"\s*".join(rf"(?:{_NUMBER}{unit})?" for unit in ("d", "h", "m(?:in)?", "s")))
_CRON_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_CRON_WORDS = frozenset({"@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly"})
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")

Value = bool | int | float | str
Line = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f]*$")]


class Parameter(BaseModel):
    """One typed parameter of the train command."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    type: Literal["int", "float", "str", "bool", "choice"]
    default: Value | None = None
    """None: a launch need not give it, and the command's own default counts."""
    min: float | None = None
    max: float | None = None
    choices: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = ()
    title: str = Field(default="", max_length=120)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.type not in {"int", "float"} and (self.min, self.max) != (None, None):
            raise ValueError(f"min and max are for numbers, and this is of the type {self.type}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        if (self.type == "choice") != bool(self.choices):
            raise ValueError('choices = ["…", "…"] belongs to the type choice, and to it alone')
        if len(set(self.choices)) != len(self.choices):
            raise ValueError("the same choice is listed twice")
        fault = "" if self.default is None else self.fault(self.default)
        if fault:
            raise ValueError(f"its default {fault}")
        return self

    def fault(self, value: object) -> str:
        """Return what is wrong with a value, as the end of a sentence; empty when nothing is."""
        if self.type == "choice":
            known = isinstance(value, str) and value in self.choices
            return "" if known else f"is {_shown(value)}, which is not one of {_list(self.choices)}"
        if not _fits(self.type, value):
            return f"is {_shown(value)}, which is no {_KINDS[self.type]}"
        if isinstance(value, bool | str):
            long = isinstance(value, str) and len(value) > 2000
            return "is longer than 2000 characters" if long else ""
        assert isinstance(value, int | float)  # noqa: S101 - of the types that are left
        return self._beyond(value)

    def _beyond(self, value: float) -> str:
        if self.min is not None and value < self.min:
            return f"is {_shown(value)}, below the least of {self.min:g}"
        if self.max is not None and value > self.max:
            return f"is {_shown(value)}, above the most of {self.max:g}"
        return ""


_KINDS = {"int": "whole number", "float": "number", "str": "text", "bool": "true or false"}


def _fits(kind: str, value: object) -> bool:
    if kind == "bool" or isinstance(value, bool):
        return kind == "bool" and isinstance(value, bool)
    if kind == "str":
        return isinstance(value, str) and "\0" not in value
    if kind == "int":
        return isinstance(value, int)
    return isinstance(value, int | float) and math.isfinite(value)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _list(words: tuple[str, ...]) -> str:
    shown = ", ".join(words[:20])
    return f"{shown} …" if len(words) > 20 else shown


class Needs(BaseModel):
    """What a machine must have to run the project's heavy tasks."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    memory_gb: float | None = Field(default=None, gt=0, le=4096)
    gpu_cores: int | None = Field(default=None, ge=1, le=1024)
    chip: str = Field(default="", max_length=60)
    host: str = Field(default="", max_length=253)
    gpu_slots: int = Field(default=1, ge=0, le=64)


class Federated(BaseModel):
    """The entry points of a federated training: one server, and as many clients as wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    server: Annotated[Line, Field(min_length=1)]
    client: Annotated[Line, Field(min_length=1)]
    clients: int = Field(default=2, ge=1, le=64)


class Wishes(BaseModel):
    """The optional keys of ``[tool.mlops]`` about workflows."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    params: dict[str, Parameter] = Field(default_factory=dict, max_length=60)
    schedule: str = ""
    """When ``retrain`` runs by itself: a cron expression in UTC."""
    needs: Needs = Field(default_factory=Needs)
    timeout: str = ""
    retries: int = Field(default=1, ge=0, le=10)
    weight: float = Field(default=1.0, gt=0, le=100)
    quota_hours: float | None = Field(default=None, gt=0, le=100_000)
    dags: tuple[str, ...] = ()
    smoke: str = Field(default="", max_length=500)
    """Loads the packaged model in the folder ``MLOPS_PACKAGE`` and asks it something."""
    federated: Federated | None = None
    serve: dict[Annotated[str, Field(min_length=1, max_length=250)], Serve] = Field(
        default_factory=dict, max_length=200
    )
    """How models are served, by their registered names."""

    @property
    def timeout_s(self) -> float:
        """Return how long a task may run, seconds."""
        return span_s(self.timeout) if self.timeout else DEFAULT_TIMEOUT_S

    @field_validator("params")
    @classmethod
    def _names(cls, params: dict[str, Parameter]) -> dict[str, Parameter]:
        for name in params:
            if not re.fullmatch(NAME_PATTERN, name):
                raise ValueError(f"{name[:60]!r} is no name: a to z, 0 to 9 and _, first a letter")
            if name in RESERVED:
                raise ValueError(f"{name!r} is a parameter that workflows have of their own")
        return params

    @field_validator("timeout")
    @classmethod
    def _timeout(cls, text: str) -> str:
        if text:
            span_s(text)
        return text

    @field_validator("schedule")
    @classmethod
    def _schedule(cls, text: str) -> str:
        if text and text not in _CRON_WORDS:
            _check_cron(text)
        return text

    @field_validator("dags")
    @classmethod
    def _dag_files(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            if Path(path).is_absolute() or ".." in Path(path).parts or not path.endswith(".py"):
                raise ValueError(f"{path!r} is no Python file in the project's folder")
        return paths


def span_s(text: str) -> float:
    """Return the seconds of a span such as ``2h`` or ``1h30m``.

    Raises:
        ValueError: It is none, or longer than 30 days.
    """
    found = _SPAN.fullmatch(text.strip())
    parts = found.groups() if found and text.strip() else ()
    sizes = (86_400.0, 3_600.0, 60.0, 1.0)
    total = sum(float(part or 0) * size for part, size in zip(parts, sizes, strict=False))
    if not 0 < total <= _LONGEST_TIMEOUT_S:
        raise ValueError(f'{text[:40]!r} is no time of at most 30 days; write for example "2h"')
    return total


def _check_cron(text: str) -> None:
    fields = text.split()
    if len(fields) != len(_CRON_BOUNDS):
        raise ValueError(
            f'{text[:40]!r} is no schedule; write for example "0 3 * * 1" (Mondays at 3, UTC)'
        )
    for word, (low, high) in zip(fields, _CRON_BOUNDS, strict=True):
        for part in word.lower().split(","):
            if not _is_cron_part(part, low, high):
                said = f"{part[:20]!r} of the schedule {text[:40]!r}"
                raise ValueError(f"{said} is not {low} to {high}")


def _is_cron_part(part: str, low: int, high: int) -> bool:
    span, _, step = part.partition("/")
    if "/" in part and not (step.isascii() and step.isdigit() and 0 < int(step) <= high):
        return False
    if span == "*":
        return True
    ends = [_cron_number(end, high) for end in span.split("-")]
    if len(ends) > 2 or None in ends:
        return False
    numbers = [end for end in ends if end is not None]
    return all(low <= n <= high for n in numbers) and numbers == sorted(numbers)


def _cron_number(text: str, high: int) -> int | None:
    if high == 12 and text in _MONTHS:
        return _MONTHS.index(text) + 1
    if high == 7 and text in _DAYS:
        return _DAYS.index(text)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else None
