"""What machines offer to jobs, from what telemetry knows of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import psutil

from services.resources.models import GIB, Capacity, gib
from services.telemetry.models import HostState

SYSTEM_BYTES = 2 * GIB
PLATFORM_BYTES = 3 * GIB
"""All engines of the platform together were measured at 2.8 GB (proportional set size)."""
KEPT_SHARE = 0.15
"""Of large machines more is kept: caches and what people run beside it. Ours."""

SILENT_S = 60.0
"""A machine that was silent for longer is given no new job."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What an administrator says of a machine; None leaves it to what was measured."""

    memory_bytes: int | None = None
    gpu_slots: int | None = None
    power_w: float | None = None


NO_RULE = Rule()


def capacities(
    states: Iterable[HostState],
    now: datetime,
    rules: Mapping[str, Rule] | None = None,
    *,
    here: str = "",
) -> tuple[Capacity, ...]:
    """Return what each machine offers, by name.

    Args:
        states: The machines as telemetry knows them.
        now: The time; aware.
        rules: What an administrator said, by machine.
        here: The machine that runs the platform: the engines are kept room for on it alone, and it
            is never absent, for we are on it.
    """
    given = rules or {}
    found = (
        _capacity(state, now, given.get(state.machine.host, NO_RULE), here=here) for state in states
    )
    return tuple(sorted(found, key=lambda one: one.host))


def with_here(found: tuple[Capacity, ...], here: str) -> tuple[Capacity, ...]:
    """Return the machines with this one among them, though no telemetry tells of it."""
    if any(one.host == here for one in found):
        return found
    memory = psutil.virtual_memory()
    kept = kept_bytes(memory.total, platform=True)
    own = Capacity(
        here,
        max(0, memory.total - kept),
        total_bytes=memory.total,
        available_bytes=memory.available,
        said=f"{gib(memory.total)} less {gib(kept)} for the system and the platform",
    )
    return (*found, own)


def kept_bytes(total: int, *, platform: bool) -> int:
    """Return how much of a machine's memory is not given to jobs."""
    return max(SYSTEM_BYTES + (PLATFORM_BYTES if platform else 0), int(total * KEPT_SHARE))


def _capacity(state: HostState, now: datetime, rule: Rule, *, here: str) -> Capacity:
    machine = state.machine
    local = machine.host == here
    total = machine.memory_bytes or _read(state, "memory_total_bytes")
    budget, said = _budget(total, rule, local=local)
    return Capacity(
        host=machine.host,
        memory_bytes=budget,
        gpu_slots=1 if rule.gpu_slots is None else rule.gpu_slots,
        power_w=rule.power_w,
        total_bytes=total,
        available_bytes=None if _silence(state, now) else _read(state, "memory_available_bytes"),
        chip=machine.chip,
        gpu_cores=machine.gpu_cores,
        said=said,
        absent="" if local else _silence(state, now),
    )


def _budget(total: int | None, rule: Rule, *, local: bool) -> tuple[int | None, str]:
    if rule.memory_bytes is not None:
        return rule.memory_bytes, f"an administrator gave {gib(rule.memory_bytes)} to jobs"
    if total is None:
        return None, "nobody knows how much memory it has: its telemetry does not tell"
    kept = kept_bytes(total, platform=local)
    who = "the system and the platform" if local else "the system"
    return max(0, total - kept), f"{gib(total)} less {gib(kept)} for {who}"


def _read(state: HostState, metric: str) -> int | None:
    reading = state.reading(metric)
    return None if reading is None or reading.value is None else int(reading.value)


def _silence(state: HostState, now: datetime) -> str:
    if state.last_at is None:
        return "it never sent telemetry"
    silent_s = (now - state.last_at).total_seconds()
    return "" if silent_s <= SILENT_S else f"it has been silent for {_span(silent_s)}"


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"
