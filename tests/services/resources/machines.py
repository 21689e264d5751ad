"""Machines, needs and leases for the tests of the ledger and of what stands on it."""

from datetime import UTC, datetime, timedelta

from services.engines.silicon.models import Machine, Reading
from services.resources.models import GIB, Capacity, Lease, Needs, Owner
from services.telemetry.models import HostState

NOW = datetime(2026, 11, 3, 10, tzinfo=UTC)


def mac(host: str = "studio", memory_gb: float = 30, **fields: object) -> Capacity:
    """A Mac that gives so much to jobs."""
    given = {"chip": "Apple M3 Pro", "gpu_cores": 18, "total_bytes": 36 * GIB, **fields}
    return Capacity(host, int(memory_gb * GIB), **given)  # type: ignore[arg-type]


def needs(memory_gb: float = 8, slots: int = 1, power_w: float | None = None) -> Needs:
    return Needs(int(memory_gb * GIB), slots, power_w)


def lease(
    name: str, memory_gb: float = 8, slots: int = 1, *, host: str = "studio", **fields: object
) -> Lease:
    """A lease; ``deployment:…`` is one of serving."""
    kind = "serving" if name.startswith("deployment:") else "training"
    given = {"needs": needs(memory_gb, slots), "granted_at": 1.0, "renewed_at": 1.0, **fields}
    return Lease(name, kind, host, "lora", **given)  # type: ignore[arg-type]


def owner(pid: int = 7, host: str = "studio") -> Owner:
    return Owner(host, pid, 1.0)


def state(
    memory_gb: float | None = 36,
    *,
    host: str = "studio",
    silent_s: float | None = 1.0,
    available_gb: float | None = None,
    chip: str | None = "Apple M3 Pro",
) -> HostState:
    """What telemetry knows of a machine."""
    machine = Machine(
        host,
        chip,
        apple_silicon=chip is not None,
        os="",
        gpu_cores=18 if chip else None,
        memory_bytes=None if memory_gb is None else int(memory_gb * GIB),
    )
    readings = ()
    if available_gb is not None:
        free = Reading("memory_available_bytes", available_gb * GIB, "measured", "macmon 0.8.2")
        readings = (free,)
    last = None if silent_s is None else NOW - timedelta(seconds=silent_s)
    return HostState(machine, last, readings)
