"""Two sides of one endpoint: a thousand requests of the hour before, a thousand of the one since.

A scene changes what it is about; everything else is the same on both sides, but for chance.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from services.causes.case import Case, Numbers, Rows, Side
from services.causes.models import Symptom
from services.monitoring.models import ColumnVerdict, State

ONSET = 1_795_953_600.0
COUNT = 1000
HOUR_S = 3600.0
HOST = "studio-0123abcd"

Facts = Mapping[str, Any]
"""Columns of ``Rows`` by name: a value for all rows, or one a row."""
Outcome = Callable[[Rows, np.random.Generator], Mapping[str, Numbers]]

USUAL: Facts = {
    "version": 2, "api": "plain", "key": "k1", "backend": "mlx", "host": HOST, "error": None,
    "rows": 1.0, "row_bytes": 100.0, "rate": 2.0, "thermal": 0.0, "pressure": 1.0,
    "low_power": 0.0, "swap": 0.0, "clock": 1400.0, "others": 0.0, "replicas": 2.0,
}  # fmt: skip


def rows(begin: float, facts: Facts, restarts: tuple[float, ...] = (), count: int = COUNT) -> Rows:
    """Return requests spread over an hour."""
    told = {**USUAL, **facts}
    columns: dict[str, Any] = {"at": begin + HOUR_S * np.arange(count) / count}
    for name, value in told.items():
        many = isinstance(value, (np.ndarray, list))
        columns[name] = value if many else [value] * count
    return Rows.of(columns, restarts)


def quick(one: Rows, rng: np.random.Generator) -> dict[str, Numbers]:
    """Return the usual latency: 10 ms of work, hardly any wait."""
    count = len(one)
    return {"queue": rng.exponential(0.5, count), "work": 10 * rng.lognormal(0, 0.2, count)}


def well(one: Rows, rng: np.random.Generator) -> dict[str, Numbers]:
    """Return the usual outcome: one of a hundred fails."""
    return {"whole": (rng.random(len(one)) < 0.01).astype(float)}


def scene(
    then: Facts | None = None,
    now: Facts | None = None,
    outcome: Outcome | None = None,
    symptom: Symptom = "slow",
    *,
    restarts: tuple[float, ...] = (),
    columns: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
    seed: int = 7,
    **more: Any,
) -> Case:
    """Return a case; ``outcome`` says how requests come out by what they were answered under."""
    rng = np.random.default_rng(seed)
    usual = quick if symptom == "slow" else well
    sides = []
    for begin, facts, beside in (
        (ONSET - HOUR_S, then or {}, columns[0]),
        (ONSET, now or {}, columns[1]),
    ):
        made = rows(begin, facts, restarts)
        sides.append(Side(begin, begin + HOUR_S, made, (outcome or usual)(made, rng), dict(beside)))
    given: dict[str, Any] = {"metric": "wrong answers", "host": HOST} | more
    return Case("lora", "net", symptom, ONSET, sides[0], sides[1], **given)


def some(share: float, value: Any, other: Any, *, count: int = COUNT, seed: int = 3) -> Any:
    """Return ``value`` for a share of the rows, by chance, and ``other`` for the rest."""
    chosen = np.random.default_rng(seed).random(count) < share
    if isinstance(value, str) or value is None:
        return [value if one else other for one in chosen]
    return np.where(chosen, value, other)


def slower(where: Callable[[Rows], Any], times: float = 3.0, part: str = "work") -> Outcome:
    """Return an outcome in which some requests take longer, and nothing else matters."""

    def came_out(one: Rows, rng: np.random.Generator) -> dict[str, Numbers]:
        made = quick(one, rng)
        hit = np.asarray(where(one), dtype=bool)
        made[part] = np.where(hit, made[part] * times + (20 if part == "queue" else 0), made[part])
        return made

    return came_out


def since_onset(one: Rows) -> Any:
    """Return which requests are of now: slower, whatever they were answered under."""
    return one.at >= ONSET


def failing(where: Callable[[Rows], Any], share: float = 0.5) -> Outcome:
    """Return an outcome in which some requests fail, or are answered wrong."""

    def came_out(one: Rows, rng: np.random.Generator) -> dict[str, Numbers]:
        bound = np.where(np.asarray(where(one), dtype=bool), share, 0.01)
        return {"whole": (rng.random(len(one)) < bound).astype(float)}

    return came_out


def column(
    name: str, effect: float | None, importance: float | None, state: State = "drifted"
) -> ColumnVerdict:
    """Return what a verdict says of an input."""
    return ColumnVerdict(
        f"input.{name}", "input", "numeric", state, effect, 0.1, "wasserstein", 0.0001, 1000, 2000,
        importance, None, None, f"{name} is {state}.",
    )  # fmt: skip
