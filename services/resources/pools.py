"""Airflow's pools as the ledger wants them: names, slots, and which one a task goes through.

A task has one pool in Airflow. One that takes heavy slots goes through those of its machine, one
that trains without goes through its memory; what heavy tasks and endpoints hold is taken off the
memory pool, so that the two together never promise more than there is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from services.resources.ledger import Ledger
from services.resources.models import Capacity, Lease, Needs, gib

UNIT_BYTES = 256 * 1024**2

Opening = Literal["open", "single", "no_heavy", "closed"]
"""How far a machine's pools are open: as the ledger says; one heavy job; light ones alone; nothing
new."""


@dataclass(frozen=True, slots=True)
class Pool:
    """One pool of Airflow."""

    name: str
    slots: int
    said: str
    """Its description in Airflow: why it has so many slots."""


def gpu_pool(host: str) -> str:
    """Return the name of the pool of a machine's heavy slots."""
    return f"mlops_gpu@{host}"


def memory_pool(host: str) -> str:
    """Return the name of the pool of a machine's memory."""
    return f"mlops_memory@{host}"


def place(needs: Needs, host: str) -> tuple[str, int]:
    """Return the pool a task goes through on a machine, and how many slots of it."""
    if needs.gpu_slots:
        return gpu_pool(host), needs.gpu_slots
    return memory_pool(host), max(1, -(-needs.memory_bytes // UNIT_BYTES))


def pools(ledger: Ledger, openings: Mapping[str, Opening] | None = None) -> tuple[Pool, ...]:
    """Return the pools of all machines. What needs nothing of note goes through Airflow's own one.

    Slots are capacities, not what is free: Airflow itself counts what runs in a pool.
    """
    given = openings or {}
    found: list[Pool] = []
    for host in ledger.hosts:
        opening = given.get(host.host, "open")
        found += [_heavy(host, ledger, opening), _memory(host, ledger, opening)]
    return tuple(found)


def _heavy(host: Capacity, ledger: Ledger, opening: Opening) -> Pool:
    name = gpu_pool(host.host)
    closed = _closed(host, opening)
    if closed:
        return Pool(name, 0, closed)
    if opening == "no_heavy":
        return Pool(name, 0, f"No heavy job starts on {host.host}, by the thermal policy.")
    serving = sum(one.needs.gpu_slots for one in _served(ledger, host))
    slots = max(0, host.gpu_slots - serving)
    if opening == "single" and slots > 1:
        return Pool(name, 1, f"One heavy job at a time on {host.host}, by the thermal policy.")
    said = f"Heavy jobs on {host.host}"
    return Pool(name, slots, f"{said}; endpoints hold {serving}." if serving else f"{said}.")


def _memory(host: Capacity, ledger: Ledger, opening: Opening) -> Pool:
    name = memory_pool(host.host)
    closed = _closed(host, opening)
    if closed:
        return Pool(name, 0, closed)
    held = sum(
        one.needs.memory_bytes
        for one in ledger.on(host.host)
        if one.kind == "serving" or one.needs.gpu_slots
    )
    left = max(0, (host.memory_bytes or 0) - held)
    said = f"{gib(left)} of {host.host} in units of 256 MB"
    more = f"; heavy jobs and endpoints hold {gib(held)}" if held else ""
    return Pool(name, left // UNIT_BYTES, f"{said}{more}.")


def _closed(host: Capacity, opening: Opening) -> str:
    if host.absent:
        return f"Closed: {host.host} takes no job, {host.absent}."
    return f"Closed on {host.host} by the thermal policy." if opening == "closed" else ""


def _served(ledger: Ledger, host: Capacity) -> tuple[Lease, ...]:
    return tuple(one for one in ledger.on(host.host) if one.kind == "serving")
