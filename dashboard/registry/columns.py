"""Which metrics of the versions stand side by side."""

import math
from collections.abc import Iterable, Sequence

from dashboard.registry.standing import Rules
from services.mirror.models import ModelVersion

_MORE = 3


def metrics_of(versions: Iterable[ModelVersion], rules: Rules) -> tuple[str, ...]:
    """Return the metrics the versions have: the primary one, the gated ones, then by name."""
    known = {name for version in versions for name in version.metrics}
    first = dict.fromkeys(m for m in (rules.metric, *rules.gates) if m in known)
    return (*first, *sorted(known - set(first)))


def shown_first(
    metrics: Sequence[str], versions: Sequence[ModelVersion], rules: Rules
) -> list[str]:
    """Return the metrics shown when nothing was chosen: those that count, and some that differ."""
    counts = [name for name in metrics if name == rules.metric or name in rules.gates]
    rest = [name for name in metrics if name not in counts]
    rest.sort(key=lambda name: not differs(name, versions))
    return counts + rest[:_MORE]


def differs(metric: str, versions: Iterable[ModelVersion]) -> bool:
    """Return whether a metric is not the same in all versions."""
    values = {version.metrics.get(metric) for version in versions}
    return len(values) > 1


def all_finite(metric: str, versions: Iterable[ModelVersion]) -> bool:
    """Return whether every known value of a metric is a number a table can sort."""
    return all(math.isfinite(version.metrics.get(metric, 0.0)) for version in versions)
