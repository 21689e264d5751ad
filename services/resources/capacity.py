"""What machines offer to jobs, from what telemetry knows of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
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


def measured(host: str, total: int | None, *, platform: bool) -> Capacity:
    """Return what a machine offers unasked: one heavy job at a time, its memory less a reserve.

    Args:
        host: The machine, as telemetry names it.
        total: Its memory in bytes; None: nobody knows.
        platform: Whether it runs the platform, whose engines are kept room for.
    """
    if total is None:
        said = "nobody knows how much memory it has: its telemetry does not tell"
        return Capacity(host, None, said=said)
    kept = kept_bytes(total, platform=platform)
    who = "the system and the platform" if platform else "the system"
    said = f"{gib(total)} less {gib(kept)} for {who}"
    return Capacity(host, max(0, total - kept), total_bytes=total, said=said)


def ruled(capacity: Capacity, rule: Rule | None) -> Capacity:
    """Return a machine as an administrator wants it; what no rule speaks of stays as measured."""
    if rule is None or rule == NO_RULE:
        return capacity
    memory, slots = rule.memory_bytes, rule.gpu_slots
    said = capacity.said if memory is None else f"an administrator gave {gib(memory)} to jobs"
    return replace(
        capacity,
        memory_bytes=capacity.memory_bytes if memory is None else memory,
        gpu_slots=capacity.gpu_slots if slots is None else slots,
        power_w=capacity.power_w if rule.power_w is None else rule.power_w,
        said=said,
        given=f"An administrator gave {given(rule)}.",
    )


def given(rule: Rule) -> str:
    """Return what a rule gives as a phrase, e.g. ``2 heavy slots, 20.0 GB and 60 W``."""
    parts = []
    if rule.gpu_slots is not None:
        parts.append(f"{rule.gpu_slots} heavy {'slot' if rule.gpu_slots == 1 else 'slots'}")
    if rule.memory_bytes is not None:
        parts.append(f"{gib(rule.memory_bytes)} of memory")
    if rule.power_w is not None:
        parts.append(f"{rule.power_w:.4g} W")
    return " and ".join((", ".join(parts[:-1]), parts[-1])) if len(parts) > 1 else "".join(parts)


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
    said = rules or {}
    found = (_capacity(state, now, said.get(state.machine.host), here=here) for state in states)
    return tuple(sorted(found, key=lambda one: one.host))


def with_here(
    found: tuple[Capacity, ...], here: str, rules: Mapping[str, Rule] | None = None
) -> tuple[Capacity, ...]:
    """Return the machines with this one among them, though no telemetry tells of it."""
    if any(one.host == here for one in found):
        return found
    memory = psutil.virtual_memory()
    own = measured(here, memory.total, platform=True)
    own = replace(own, available_bytes=memory.available)
    return (*found, ruled(own, (rules or {}).get(here)))


def kept_bytes(total: int, *, platform: bool) -> int:
    """Return how much of a machine's memory is not given to jobs."""
    return max(least_bytes(platform=platform), int(total * KEPT_SHARE))


def least_bytes(*, platform: bool) -> int:
    """Return what no administrator can give away: the system and the platform need it to run."""
    return SYSTEM_BYTES + (PLATFORM_BYTES if platform else 0)


def _capacity(state: HostState, now: datetime, rule: Rule | None, *, here: str) -> Capacity:
    machine = state.machine
    local = machine.host == here
    total = machine.memory_bytes or _read(state, "memory_total_bytes")
    own = replace(
        measured(machine.host, total, platform=local),
        available_bytes=None if _silence(state, now) else _read(state, "memory_available_bytes"),
        chip=machine.chip,
        gpu_cores=machine.gpu_cores,
        absent="" if local else _silence(state, now),
    )
    return ruled(own, rule)


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
