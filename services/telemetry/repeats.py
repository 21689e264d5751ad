"""The runs of the mirror as repeats of techniques: what each cost, or why nobody knows."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from services.mirror.frame import Frame, FrameWords
from services.mirror.main_metric import Primary
from services.mirror.models import RunQuery
from services.mirror.queries import Mirror
from services.mirror.text import Floats, Mask
from services.telemetry import alike
from services.telemetry.economics import Axis, Memory, Repeats, Why

ENERGY, PEAK_MEMORY, PEAK_MLX = (
    "metrics.system/energy_j",
    "metrics.system/peak_memory_bytes",
    "metrics.system/mlx_peak_bytes",
)
"""Written to a run when it had ended."""

_QUALITY, _BOUNDARY, _REASON, _CHIP, _CONDITIONS = (
    "tags.mlops.energy.quality",
    "tags.mlops.energy.boundary",
    "tags.mlops.energy.reason",
    "tags.mlops.chip",
    f"tags.{alike.TAG}",
)
_NUMBERS = ("duration_s", ENERGY, PEAK_MEMORY, PEAK_MLX)
_WORDS = ("project", "technique", "host", _QUALITY, _BOUNDARY, _REASON, _CHIP, _CONDITIONS)

NO_ENERGY = "nothing was sampled while they ran, or it was not worked out yet"
NO_NUMBER = "the energy they carry is no number"
NO_TIME = "their start or end is not known"
NO_PEAK = "no peak memory was told of them"
_BACKWARDS = "they ended before they began, by their clock"
_OTHER_KIND: Mapping[Memory, str] = {
    "mlx": "MLX told no peak of them, and what whole processes take is not the same",
    "processes": "only MLX told a peak of them, and what it takes is not all of a process",
    "none": NO_PEAK,
}


def repeats_of(
    mirror: Mirror,
    judged: Sequence[Primary],
    filter: str = "",  # noqa: A002 - the field's own word, as in RunQuery
    since: datetime | None = None,
) -> tuple[Repeats, ...]:
    """Return the finished training runs of these projects, in their order.

    Raises:
        FilterError: The filter does not parse.
        PlatformError: The mirror is not there yet or cannot be read.
    """
    if not judged:
        return ()
    wanted = tuple(primary.project for primary in judged)
    query = RunQuery(filter=filter, projects=wanted, since=since)
    metrics = [f"metrics.{name}" for name in dict.fromkeys(p.metric for p in judged)]
    frame = mirror.frame(query, [*_NUMBERS, *metrics], _WORDS)
    projects = frame.words["project"]
    rows = alike.table(frame.words[_CONDITIONS])
    found = []
    for primary in judged:
        code = projects.column.index.get(primary.project, -2)
        found.append(_repeats(frame, np.flatnonzero(projects.codes == code), primary, rows))
    return tuple(found)


def read_ahead(mirror: Mirror) -> None:
    """Read what all runs ran under, before somebody waits for it (seconds at 100,000 runs).

    Raises:
        PlatformError: The mirror is not there yet or cannot be read.
    """
    alike.read_ahead(mirror.frame(RunQuery(), (), (_CONDITIONS,)).words[_CONDITIONS].column)


def _repeats(frame: Frame, own: NDArray[np.int64], primary: Primary, rows: Floats) -> Repeats:
    words = {field: FrameWords(w.codes[own], w.column) for field, w in frame.words.items()}
    numbers = {field: values[own] for field, values in frame.numbers.items()}
    logged = {field: mask[own] for field, mask in frame.logged.items()}
    field = f"metrics.{primary.metric}"
    memory, peaks = _peaks(numbers)
    joules, no_energy = _joules(numbers[ENERGY], logged[ENERGY], words[_REASON])
    seconds, no_time = _seconds(numbers["duration_s"])
    values: dict[Axis, Floats] = {
        "quality": _finite(numbers[field]),
        "seconds": seconds,
        "peak_bytes": peaks,
        "joules": joules,
    }
    no_quality = (f"no {primary.metric} was logged", f"their {primary.metric} is no number")
    no_peak = (NO_PEAK, _OTHER_KIND[memory])
    told = (numbers[PEAK_MLX] > 0) | (numbers[PEAK_MEMORY] > 0)
    return Repeats(
        project=primary.project,
        metric=primary.metric,
        goal=primary.goal,
        memory=memory,
        names=words["technique"].column.words,
        techniques=words["technique"].codes,
        baseline=frame.baseline[own],
        values=values,
        why={
            "quality": Why(logged[field].astype(np.int32), no_quality),
            "seconds": no_time,
            "peak_bytes": Why(told.astype(np.int32), no_peak),
            "joules": no_energy,
        },
        energy=_energy(words[_QUALITY], joules),
        boundaries=_named(words[_BOUNDARY]),
        machines=_machines(words[_CHIP], words["host"]),
        conditions=rows[own],
    )


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)


def _seconds(values: Floats) -> tuple[Floats, Why]:
    backwards = values < 0
    reasons = (NO_TIME, _BACKWARDS)
    return np.where(backwards, np.nan, _finite(values)), Why(backwards.astype(np.int32), reasons)


def _peaks(numbers: Mapping[str, Floats]) -> tuple[Memory, Floats]:
    """Return peaks of one kind: what more of the runs tell, MLX's own where as many do."""
    mlx, processes = (
        np.where(numbers[field] > 0, _finite(numbers[field]), np.nan)
        for field in (PEAK_MLX, PEAK_MEMORY)
    )
    of_mlx, of_processes = (int((~np.isnan(values)).sum()) for values in (mlx, processes))
    if not of_mlx and not of_processes:
        return "none", mlx
    return ("mlx", mlx) if of_mlx >= of_processes else ("processes", processes)


def _joules(values: Floats, logged: Mask, reason: FrameWords) -> tuple[Floats, Why]:
    values = np.where(values >= 0, _finite(values), np.nan)
    reasons = [*reason.column.words, NO_ENERGY, NO_NUMBER]
    codes = np.where(reason.codes >= 0, reason.codes, len(reasons) - 2)
    return values, Why(np.where(logged, len(reasons) - 1, codes).astype(np.int32), reasons)


def _energy(quality: FrameWords, joules: Floats) -> NDArray[np.int8]:
    """Return 0 measured, 1 estimated, 2 unavailable; what does not say is an estimate."""
    measured = quality.codes == quality.column.index.get("measured", -2)
    return np.where(np.isnan(joules), 2, np.where(measured, 0, 1)).astype(np.int8)


def _named(words: FrameWords) -> tuple[NDArray[np.int32], Sequence[str]]:
    """Return codes in which none is a word, too."""
    named = [*words.column.words, "not named"]
    return np.where(words.codes >= 0, words.codes, len(named) - 1).astype(np.int32), named


def _machines(chip: FrameWords, host: FrameWords) -> tuple[NDArray[np.int32], Sequence[str]]:
    """Return the chip of each run, its host where no chip is named, −1 where neither is."""
    chips = len(chip.column.words)
    hosts = np.where(host.codes >= 0, host.codes + chips, -1)
    codes = np.where(chip.codes >= 0, chip.codes, hosts).astype(np.int32)
    return codes, [*chip.column.words, *host.column.words]
