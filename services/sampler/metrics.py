"""Everything telemetry knows now, in the text format of Prometheus.

Units stand in the names and ratios are 0–1, as Prometheus asks. What is unavailable has no sample;
``mlops_reading_unavailable`` says which figures those are.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from services.engines.silicon.models import METRICS, ProcessUse
from services.telemetry.models import HostState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SUFFIXES = (
    ("_mhz", "_megahertz"), ("_w", "_watts"), ("_c", "_celsius"), ("_bytes_s", "_bytes_per_second"),
)  # fmt: skip
_PROCESS = (
    ("memory_bytes", "Resident memory of the processes of one owner."),
    ("mlx_active_bytes", "Memory that MLX uses."),
    ("mlx_peak_bytes", "The most that MLX used."),
    ("mlx_cache_bytes", "Memory that MLX keeps for later."),
)


def name_of(metric: str) -> str:
    """Return a metric's name as Prometheus names it."""
    for suffix, unit in _SUFFIXES:
        if metric.endswith(suffix):
            return f"mlops_{metric.removesuffix(suffix)}{unit}"
    return f"mlops_{metric}"


def exposition(hosts: Iterable[HostState], now: datetime) -> str:
    """Return the text; a host that has been silent for ten intervals has only its age."""
    states = list(hosts)
    fresh = [state for state in states if _age_s(state, now) <= 10 * state.interval_s]
    lines: list[str] = []
    lines += _family("mlops_sample_age_seconds", "Age of a machine's newest sample.", (
        (_labels(state), _age_s(state, now)) for state in states if state.last_at is not None
    ))  # fmt: skip
    for metric in METRICS.values():
        words = f"{metric.title}. {metric.what}".strip()
        values = (
            (_labels(state, quality=reading.quality), reading.value)
            for state in fresh
            if (reading := state.reading(metric.name)) is not None and reading.value is not None
        )
        lines += _family(name_of(metric.name), words, values)
    lines += _family("mlops_reading_unavailable", "Figures a machine does not tell.", (
        (_labels(state, metric=reading.metric), 1)
        for state in fresh for reading in state.readings if reading.value is None
    ))  # fmt: skip
    for field, words in _PROCESS:
        lines += _family(f"mlops_process_{field}", words, _of_owners(fresh, field))
    return "".join(f"{line}\n" for line in lines)


def _family(name: str, words: str, values: Iterable[tuple[str, float]]) -> Iterator[str]:
    samples = list(values)
    if not samples:
        return
    yield f"# HELP {name} {words}"
    yield f"# TYPE {name} gauge"
    for labels, value in samples:
        yield f"{name}{{{labels}}} {value:.10g}"


def _of_owners(states: list[HostState], field: str) -> Iterator[tuple[str, float]]:
    for state in states:
        sums: dict[tuple[str, str], float] = {}
        for use in state.processes:
            value = getattr(use, field)
            # Runs come and go for ever; a label of their ids would never stop growing.
            if value is not None and use.owner:
                key = _kind(use), use.project
                sums[key] = sums.get(key, 0.0) + value
        for (kind, project), value in sums.items():
            yield _labels(state, owner=kind, project=project), value


def _kind(use: ProcessUse) -> str:
    kind, _, name = use.owner.partition(":")
    return use.owner if kind == "engine" else kind or name


def _labels(state: HostState, **more: str) -> str:
    machine = state.machine
    labels = {"host": machine.host, "chip": machine.chip or ""} | more
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _age_s(state: HostState, now: datetime) -> float:
    return float("inf") if state.last_at is None else (now - state.last_at).total_seconds()
