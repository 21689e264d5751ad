"""What the machine did to answers: latency by its state, energy and throughput per watt over time.

Each logged prediction carries how its machine was (thermal level, memory pressure, Low Power Mode)
and its share of the chip's energy: the power of CPU, GPU and Neural Engine over the model's busy
time. That is allocated, not measured by itself; where the chip's power cannot be read there is
none, and it is said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson

from services.home import Home
from services.predictions import querying
from services.predictions.folder import Folder
from services.predictions.reading import moment
from services.predictions.tails import Look

if TYPE_CHECKING:
    import pyarrow as pa

Factor = Literal["thermal_level", "memory_pressure", "low_power_mode"]
FACTORS: Mapping[Factor, str] = {
    "thermal_level": "Thermal level",
    "memory_pressure": "Memory pressure",
    "low_power_mode": "Low Power Mode",
}
_LEVELS: Mapping[Factor, Mapping[int, str]] = {
    "thermal_level": {0: "nominal", 1: "moderate", 2: "heavy", 3: "trapping", 4: "sleeping"},
    "memory_pressure": {1: "normal", 2: "warning", 4: "critical"},
    "low_power_mode": {0: "off", 1: "on"},
}
NO_ENERGY = (
    "no prediction of this stretch carries energy: the power of the chip cannot be read on the "
    "machine that answered. It can on Apple Silicon."
)

_MINE = """
WHERE project = $project AND model = $model AND NOT shadow
  AND ($version IS NULL OR version = $version)
  AND ($since IS NULL OR answered_at >= $since) AND ($until IS NULL OR answered_at < $until)
"""
_KNOWN = f"SELECT DISTINCT host_state FROM seen {_MINE} AND host_state IS NOT NULL"  # noqa: S608  our own words
_BY_STATE = f"""
SELECT factor, level, count(*), quantile_cont(latency_ms, [0.5, 0.95]), sum(energy_j),
       sum(rows) FILTER (energy_j IS NOT NULL)
FROM seen JOIN states ON seen.host_state = states.said {_MINE} AND status < 500
GROUP BY factor, level ORDER BY factor, level
"""  # noqa: S608
_COUNT = f"SELECT count(*) FROM seen {_MINE} AND status < 500"  # noqa: S608
_ENERGY = f"""
SELECT CAST(floor((epoch_us(answered_at) - $begin_us) / $step_us) AS BIGINT) AS bucket,
       sum(rows), sum(energy_j), sum(rows) FILTER (energy_j IS NOT NULL)
FROM seen {_MINE} GROUP BY bucket ORDER BY bucket
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class AtLevel:
    """Answers that were given while a machine was in a state."""

    factor: Factor
    level: int
    requests: int
    p50_ms: float
    p95_ms: float
    energy_j: float | None
    """A prediction; None: not known."""

    @property
    def word(self) -> str:
        """Return the level's name."""
        return _LEVELS[self.factor].get(self.level, f"level {self.level}")


@dataclass(frozen=True, slots=True)
class ByState:
    """Latency by the state of the machine; failed requests are left out."""

    requests: int
    levels: tuple[AtLevel, ...]

    def of(self, factor: Factor) -> tuple[AtLevel, ...]:
        """Return the levels of one factor, the lowest first."""
        return tuple(one for one in self.levels if one.factor == factor)

    def why_none(self, factor: Factor) -> str:
        """Return why nothing is known of a factor; empty: it is."""
        if self.of(factor):
            return ""
        if not self.requests:
            return "nobody asked it in this stretch."
        return (
            f"none of the {self.requests:,} answers of this stretch says it: the telemetry of the "
            "machine that answered does not give it. macOS does."
        )


@dataclass(frozen=True, slots=True)
class Efficiency:
    """What was answered in a stretch of time, and at what energy."""

    at: float
    """Begin, in seconds since 1970."""
    rows: int
    """Predictions."""
    energy_j: float | None
    """Of the ``energy_rows`` of which it is known."""
    energy_rows: int

    @property
    def per_thousand_j(self) -> float | None:
        """Return the energy of 1,000 predictions."""
        if self.energy_j is None or not self.energy_rows:
            return None
        return self.energy_j / self.energy_rows * 1000

    @property
    def per_watt(self) -> float | None:
        """Return predictions a second per watt: predictions a joule."""
        if not self.energy_j or not self.energy_rows:
            return None
        return self.energy_rows / self.energy_j


def by_state(
    home: Home,
    project: str,
    model: str,
    since: float | None = None,
    until: float | None = None,
    version: int | None = None,
) -> ByState:
    """Return latency by thermal level, memory pressure and Low Power Mode.

    Raises:
        PlatformError: The prediction log cannot be read.
    """
    asked = _asked(project, model, since, until, version)

    def ask(folder: Folder, look: Look) -> ByState:
        paths = querying.files(folder.rows(project, model), look, since, until)
        tail = look.table()
        known = querying.query(_KNOWN, paths, tail, asked).fetchall()
        ((requests,),) = querying.query(_COUNT, paths, tail, asked).fetchall()
        states = _states([text for (text,) in known])
        found = querying.query(_BY_STATE, paths, tail, asked, beside={"states": states})
        return ByState(requests, tuple(map(_level, found.fetchall())))

    return querying.consistently(home, ask)


def efficiency(
    home: Home,
    project: str,
    model: str,
    since: float,
    until: float,
    step_s: float,
    version: int | None = None,
) -> tuple[Efficiency, ...]:
    """Return what was answered and at what energy, by stretches of ``step_s`` from ``since`` on.

    Raises:
        PlatformError: The prediction log cannot be read.
    """
    asked = _asked(project, model, since, until, version)
    asked |= {"begin_us": round(since * 1e6), "step_us": step_s * 1e6}

    def ask(folder: Folder, look: Look) -> tuple[Efficiency, ...]:
        paths = querying.files(folder.rows(project, model), look, since, until)
        rows = querying.query(_ENERGY, paths, look.table(), asked).fetchall()
        return tuple(
            Efficiency(since + bucket * step_s, answered, energy, energy_rows or 0)
            for bucket, answered, energy, energy_rows in rows
        )

    return querying.consistently(home, ask)


def _asked(
    project: str, model: str, since: float | None, until: float | None, version: int | None
) -> dict[str, Any]:
    return {
        "project": project, "model": model, "version": version, "since": moment(since),
        "until": moment(until),
    }  # fmt: skip


def _states(texts: Sequence[str]) -> "pa.Table":
    """Return each text's levels, a row a factor: few texts, so they are read here, not in SQL."""
    import pyarrow as pa

    rows = [(text, factor, level) for text in texts for factor, level in _levels(text)]
    said, factors, levels = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        {
            "said": pa.array(said, pa.string()), "factor": pa.array(factors, pa.string()),
            "level": pa.array(levels, pa.int64()),
        }
    )  # fmt: skip


def _levels(text: str) -> list[tuple[Factor, int]]:
    try:
        said = orjson.loads(text)
    except ValueError:
        return []
    if not isinstance(said, dict):
        return []
    found = ((factor, said.get(factor)) for factor in FACTORS)
    return [
        (factor, round(value))
        for factor, value in found
        if isinstance(value, int | float) and abs(value) < 1000  # NaN is not less than anything
    ]


def _level(row: Sequence[Any]) -> AtLevel:
    factor, level, requests, (p50, p95), energy, energy_rows = row
    joules = energy / energy_rows if energy is not None and energy_rows else None
    return AtLevel(factor, level, requests, p50, p95, joules)
