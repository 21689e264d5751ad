"""The text that Prometheus reads: pure functions of what every machine said last.

Names follow Prometheus' conventions: base units, the unit last, ``_total`` for counters. What is
not known is left out, and ``mlops_reading_unavailable`` says why. Labels cannot grow without bound:
metrics are those of ``METRICS``, owners are kinds and engines, and a few reasons are remembered.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from services.engines.silicon.models import METRICS, Metric, Reading
from services.telemetry.latest import HostNow, Totals

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

SILENT_S = 60.0
"""What a machine said is not told on for longer: a scrape says what is now."""

_REASONS_AT_MOST = 8
_REASON_LIMIT = 160
OTHER_REASON = "another one; see `mlops hardware`"

# Of a metric's own name the last words are its unit as this project writes it.
_ENDINGS: dict[str, tuple[str, str, float]] = {
    "_mhz": ("_frequency_hertz", "hertz", 1e6),
    "_w": ("_power_watts", "watts", 1.0),
    "_c": ("_celsius", "celsius", 1.0),
    "_bytes_s": ("_bytes_per_second", "", 1.0),
    "_bytes": ("_bytes", "bytes", 1.0),
    "_ratio": ("_ratio", "ratio", 1.0),
}


@dataclass(frozen=True, slots=True)
class Family:
    """One metric as Prometheus sees it."""

    name: str
    kind: str
    """``gauge``, ``counter`` or ``info``; a counter's name is without ``_total``."""
    text: str
    unit: str
    points: tuple[tuple[tuple[tuple[str, str], ...], float], ...]
    """Labels and value."""


class Reasons:
    """Remembers the reasons that were told, so that no provider's words become endless labels."""

    def __init__(self) -> None:
        """Remember none."""
        self._told: dict[tuple[str, str], set[str]] = {}

    def label(self, host: str, metric: str, reason: str) -> str:
        """Return a reason as it is told: cut, and after some different ones as another one."""
        told = self._told.setdefault((host, metric), set())
        cut = reason[:_REASON_LIMIT]
        if cut not in told and len(told) >= _REASONS_AT_MOST:
            return OTHER_REASON
        told.add(cut)
        return cut


def prometheus_name(metric: Metric) -> tuple[str, str, float]:
    """Return a metric's name, its unit where the name ends with one, and the factor to it."""
    for ending, (instead, unit, factor) in _ENDINGS.items():
        if metric.name.endswith(ending):
            return f"mlops_{metric.name.removesuffix(ending)}{instead}", unit, factor
    return f"mlops_{metric.name}", "", 1.0


def families(
    hosts: Sequence[HostNow], reasons: Reasons, now: Callable[[], float] = time.time
) -> Iterator[Family]:
    """Yield everything that is known, families without a point left out.

    Args:
        hosts: What every machine said last.
        reasons: Kept from scrape to scrape.
        now: Seconds since 1970.
    """
    at = now()
    live = [host for host in hosts if _speaks(host, at)]
    for family in (*_machines(hosts, at), *_readings(live), *_gaps(live, reasons), *_owners(live)):
        if family.points:
            yield family


def _speaks(host: HostNow, at: float) -> bool:
    return host.heard_at is not None and at - host.heard_at <= SILENT_S


def text(found: Iterable[Family], *, open_metrics: bool) -> str:
    """Return families in Prometheus' own text format or in that of OpenMetrics."""
    lines: list[str] = []
    for family in found:
        suffix = {"counter": "_total", "info": "_info"}.get(family.kind, "")
        head = family.name if open_metrics else f"{family.name}{suffix}"
        kind = family.kind if open_metrics or family.kind != "info" else "gauge"
        lines.append(f"# HELP {head} {_escaped(family.text, quotes=open_metrics)}")
        lines.append(f"# TYPE {head} {kind}")
        if open_metrics and family.unit:
            lines.append(f"# UNIT {head} {family.unit}")
        for labels, value in family.points:
            pairs = ",".join(f'{key}="{_escaped(said, quotes=True)}"' for key, said in labels)
            lines.append(f"{family.name}{suffix}{{{pairs}}} {_number(value)}")
    if open_metrics:
        lines.append("# EOF")
    return "\n".join(lines) + "\n"


def _escaped(said: str, *, quotes: bool) -> str:
    out = said.replace("\\", "\\\\").replace("\n", "\\n")
    return out.replace('"', '\\"') if quotes else out


def _number(value: float) -> str:
    whole = int(value)
    return str(whole) if whole == value and abs(whole) < 1 << 53 else repr(float(value))


def _machines(hosts: Sequence[HostNow], at: float) -> Iterator[Family]:
    def each(value: Callable[[HostNow], float | None]) -> tuple[tuple[_Labels, float], ...]:
        found = ((_who(host), value(host)) for host in hosts)
        return tuple((labels, known) for labels, known in found if known is not None)

    yield Family(
        "mlops_host", "info", "What a machine is.", "",
        tuple((_what(host), 1.0) for host in hosts),
    )  # fmt: skip
    yield Family(
        "mlops_host_up", "gauge", f"Whether it sent a sample within {SILENT_S:g} s.", "",
        each(lambda host: float(_speaks(host, at))),
    )  # fmt: skip
    yield Family(
        "mlops_host_last_sample_timestamp_seconds", "gauge", "When its newest sample was taken.",
        "seconds", each(lambda host: host.sample.at.timestamp() if host.sample else None),
    )  # fmt: skip
    yield Family(
        "mlops_host_samples", "counter", "Samples that came since the sampler began.", "",
        each(lambda host: host.samples),
    )  # fmt: skip
    yield Family(
        "mlops_host_samples_refused", "counter", "Samples that were not kept.", "",
        each(lambda host: host.refused),
    )  # fmt: skip
    yield Family(
        "mlops_provider_usable", "gauge", "Whether a source of readings can be asked.", "",
        tuple(
            ((*_who(host), ("provider", provider.name)), float(provider.usable))
            for host in hosts
            for provider in host.providers
        ),
    )  # fmt: skip


_Labels = tuple[tuple[str, str], ...]


def _who(host: HostNow) -> _Labels:
    return (("host", host.machine.host), ("chip", host.machine.chip or ""))


def _what(host: HostNow) -> _Labels:
    machine = host.machine
    return (
        *_who(host),
        ("os", machine.os),
        ("model", machine.model or ""),
        ("gpu", machine.gpu or ""),
        ("apple_silicon", str(machine.apple_silicon).lower()),
    )


def _said(hosts: Sequence[HostNow], metric: str) -> Iterator[tuple[HostNow, Reading]]:
    for host in hosts:
        reading = host.sample.reading(metric) if host.sample else None
        if reading is not None:
            yield host, reading


def _readings(hosts: Sequence[HostNow]) -> Iterator[Family]:
    for metric in METRICS.values():
        name, unit, factor = prometheus_name(metric)
        text = f"{metric.title}. {metric.what}".strip()
        points = tuple(
            (_who(host), reading.value * factor)
            for host, reading in _said(hosts, metric.name)
            if reading.value is not None
        )
        yield Family(name, "gauge", text, unit, points)


def _gaps(hosts: Sequence[HostNow], reasons: Reasons) -> Iterator[Family]:
    missing: list[tuple[_Labels, float]] = []
    estimated: list[tuple[_Labels, float]] = []
    for metric in METRICS.values():
        name = prometheus_name(metric)[0]
        for host, reading in _said(hosts, metric.name):
            which = (*_who(host), ("metric", name))
            if reading.value is None:
                label = reasons.label(host.machine.host, metric.name, reading.reason)
                missing.append(((*which, ("reason", label)), 1.0))
            elif reading.quality == "estimated":
                estimated.append((which, 1.0))
    yield Family(
        "mlops_reading_unavailable", "gauge", "A figure that cannot be had, and why.", "",
        tuple(missing),
    )  # fmt: skip
    yield Family(
        "mlops_reading_estimated", "gauge", "A figure that is not measured but estimated.", "",
        tuple(estimated),
    )  # fmt: skip


_OWNED: tuple[tuple[str, str, str, str, Callable[[Totals], float | None]], ...] = (
    ("mlops_owner_processes", "gauge", "Processes now.", "", lambda t: t.processes),
    ("mlops_owner_cpu_seconds", "counter", "CPU time since the sampler began.", "seconds",
     lambda t: t.cpu_s),
    ("mlops_owner_gpu_seconds", "counter", "GPU time since the sampler began.", "seconds",
     lambda t: t.gpu_s if t.gpu_known else None),
    ("mlops_owner_memory_bytes", "gauge", "Resident memory; shared pages count in each.", "bytes",
     lambda t: t.memory_bytes),
    ("mlops_owner_mlx_active_bytes", "gauge", "Memory of live MLX arrays.", "bytes",
     lambda t: t.mlx_active_bytes),
    ("mlops_owner_mlx_cache_bytes", "gauge", "Memory MLX keeps for the next arrays.", "bytes",
     lambda t: t.mlx_cache_bytes),
)  # fmt: skip


def _owners(hosts: Sequence[HostNow]) -> Iterator[Family]:
    for name, kind, words, unit, value in _OWNED:
        points = tuple(
            ((*_who(host), ("owner", owner), ("project", project)), known)
            for host in hosts
            for (owner, project), totals in sorted(host.groups.items())
            if (known := value(totals)) is not None
        )
        yield Family(name, kind, f"By whose processes: {words}", unit, points)
