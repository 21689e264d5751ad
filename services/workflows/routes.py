"""Where Airflow sends the heavy task of a project: executor, queue and pool.

Airflow fixes all three when a run is made; the machine is chosen later, when the controller
releases the task. So every project whose task may go to more than the machine of the platform is
given to the executor that asks for the release (``mlops_workflows.machines``, docs/workers.md). The
queue named here counts only while nobody releases: it is that of a machine that fits.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from services.resources.models import Capacity, Needs
from services.resources.pools import place
from services.workflows.routing import Requirement, route

EXECUTOR = "mlops_workflows.machines.ByRelease"
"""Airflow's name of the executor for other machines."""
QUEUE = "mlops@"
NOWHERE = "mlops.nowhere"
"""A queue nobody listens to: rather no run than one on a machine of another kind."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine with a worker."""

    capacity: Capacity
    projects: frozenset[str] | None = None
    """Those whose folder is there; None: all of the platform."""

    def has(self, project: str) -> bool:
        """Return whether a project's folder is there."""
        return self.projects is None or project in self.projects


@dataclass(frozen=True, slots=True)
class Routed:
    """Where a project's heavy task goes."""

    route: dict[str, object]
    """For the spec: ``pool``, ``pool_slots``, ``queue``, ``executor``; what is missing is Airflow's
    own default."""
    hosts: tuple[str, ...]
    """Machines it may be released on."""
    said: str


def queue_of(host: str) -> str:
    """Return the queue a machine's worker listens to."""
    return f"{QUEUE}{host}"


def here_alone(needs: Needs, here: str) -> Routed:
    """Return the route of a platform without workers: everything runs on its own machine."""
    pool, slots = place(needs, here)
    return Routed({"pool": pool, "pool_slots": slots}, (here,), f"It runs on {here}.")


def routed(
    project: str, requirement: Requirement, machines: Sequence[Machine], here: str
) -> Routed:
    """Return where a project's heavy task goes when there are workers.

    Args:
        project: Its id.
        requirement: What it asks of its machine.
        machines: All with a worker, the one of the platform among them, also those that are silent.
        here: The machine of the platform.
    """
    there = [one.capacity for one in machines if one.has(project)]
    found = route(requirement, there, here)
    others = sorted(one.capacity.host for one in machines if not one.has(project))
    said = found.said
    if others:
        fits = route(requirement, [one.capacity for one in machines], here).hosts
        lacking = [name for name in others if name in fits]
        if lacking:
            said += f" {', '.join(lacking)} would do, and does not have the project."
    # The machine of the platform first: its worker knows the line also when nobody releases.
    fitting = sorted(found.hosts, key=lambda name: (name != here, name))
    queue = queue_of(fitting[0]) if fitting else NOWHERE
    return Routed({"queue": queue, "executor": EXECUTOR}, tuple(fitting), said)


def with_workers(
    hosts: Iterable[Capacity], machines: Iterable[Machine], here: str
) -> tuple[Capacity, ...]:
    """Return what the ledger may count on: machines of the telemetry, and of workers alone.

    One that sends telemetry and has no worker takes no job; one whose worker is silent neither.
    """
    workers = {one.capacity.host: one.capacity for one in machines}
    found = {}
    for host in hosts:
        worker = workers.get(host.host)
        if worker is None and host.host != here:
            absent = host.absent or "no worker runs there; `mlops worker --join` starts one"
            found[host.host] = replace(host, absent=absent)
        else:
            found[host.host] = replace(
                host, absent=host.absent or (worker.absent if worker else "")
            )
    return tuple(sorted((workers | found).values(), key=lambda one: one.host))


def hosts_with(project: str, machines: Iterable[Machine]) -> Collection[str]:
    """Return the machines on which a project's folder is."""
    return frozenset(one.capacity.host for one in machines if one.has(project))
