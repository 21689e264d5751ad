"""One look at everything: who starts, who waits and why, the pools, and what Airflow is told."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import orjson

from services.errors import PlatformError
from services.resources.ledger import Ledger, cost
from services.resources.models import Capacity, Lease, Owner
from services.resources.pools import Pool, pools
from services.telemetry.folder import write_whole
from services.workflows.dispatch import Dispatch, Situation, dispatch, lease_id
from services.workflows.fair import Line, line
from services.workflows.forecast import Expected, expected_starts
from services.workflows.models import Job, Override, Rules, Share, Use
from services.workflows.queue import Row, rows
from services.workflows.simulation import Running, Setup
from services.workflows.thermal import HostPolicy


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is known at one time."""

    now: float
    hosts: tuple[Capacity, ...]
    leases: tuple[Lease, ...] = ()
    """Of training and serving, the living ones."""
    waiting: tuple[Job, ...] = ()
    running: tuple[Running, ...] = ()
    uses: tuple[Use, ...] = ()
    """Of jobs that ended."""
    shares: Mapping[str, Share] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()
    policies: Mapping[str, HostPolicy] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)
    here: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """What follows from the facts."""

    line: Line
    dispatch: Dispatch
    pools: tuple[Pool, ...]
    expected: Mapping[str, Expected]
    rows: tuple[Row, ...]
    released: Mapping[str, str]
    """Machine by id of the jobs that may start: those that start now, and those that were released
    before and do not run yet."""


def decide(facts_given: Facts, *, ahead: bool = True) -> Decided:
    """Return what follows from the facts: the same facts give the same answer.

    A waiting job that has a lease was released before; it counts as running until it does.

    Args:
        facts_given: What is known.
        ahead: Whether to say when jobs are expected to start. That runs the policy ahead twice and
            takes longer than all the rest: what Airflow is told need not wait for it.
    """
    leases = {lease.id: lease for lease in facts_given.leases}
    granted = {
        job.id: leases[lease_id(job)] for job in facts_given.waiting if lease_id(job) in leases
    }
    facts = _with_released(facts_given, granted)
    waiting = tuple(replace(job, cost=cost(job.needs, facts.hosts)) for job in facts.waiting)
    uses = (*facts.uses, *(_use(one, facts.hosts) for one in facts.running))
    ledger = _ledger(facts)
    order = line(waiting, uses, facts.shares, facts.now, facts.overrides, facts.rules)
    ends = {lease_id(one.job): one.end for one in facts.running}
    situation = Situation(
        ledger, facts.now, facts.policies, ends, facts.shares, uses, facts.rules, facts.here
    )
    decided = dispatch(order, situation)
    expected = _expected(facts, decided) if ahead else {}
    openings = {name: policy.opening for name, policy in facts.policies.items()}
    return Decided(
        line=order,
        dispatch=decided,
        pools=pools(ledger, openings),
        expected=expected,
        rows=rows(order, decided.starts, decided.waits, expected, facts.running),
        released={name: lease.host for name, lease in granted.items()}
        | {one.job.id: one.host for one in decided.starts},
    )


def leases_of(decided: Decided, now: float, owner: Owner) -> tuple[Lease, ...]:
    """Return the leases to take for what starts now.

    Take them before Airflow is told. Their owner is who releases; the task's own runner asks for
    the same lease when it starts and owns it from then on. Who releases gives back the lease of a
    job that stopped waiting without running.
    """
    return tuple(
        Lease(lease_id(one.job), "training", one.host, one.job.project, one.job.needs, now, now,
              owner)
        for one in decided.dispatch.starts
    )  # fmt: skip


def told_airflow(
    decided: Decided, now: float, pause: Mapping[str, str] | None = None
) -> dict[str, object]:
    """Return what ``MLOPS_HOME/airflow/weights.json`` holds.

    ``weights``: Airflow's priority weight by ``DAG/RUN/TASK``. ``released``: who
    may start, with its machine. ``held``: who may not, with the sentence why. ``pause``: who runs
    and is to pause, with the sentence why (``pausing.to_pause``). Airflow fixes the
    weight of a task when its run is made or cleared; so the order of those that wait is kept by
    releasing them in turn, and weights order what is released.
    """
    places = decided.line.places
    return {
        "v": 1,
        "at": datetime.fromtimestamp(now, UTC).isoformat(),
        "weights": {place.job.id: place.weight for place in places},
        "released": dict(decided.released),
        "held": {one.job.id: one.said for one in decided.dispatch.waits},
        "pause": dict(pause or {}),
    }


def tell_airflow(
    path: Path, decided: Decided, now: float, pause: Mapping[str, str] | None = None
) -> None:
    """Write what Airflow is told, whole or not at all.

    Raises:
        PlatformError: It cannot be written; what was there stays.
    """
    try:
        told = told_airflow(decided, now, pause)
        write_whole(path, orjson.dumps(told, option=orjson.OPT_INDENT_2))
    except OSError as error:
        raise PlatformError(
            f"{path} could not be written: {error.strerror or error}. Airflow keeps the order it "
            "was told last.",
            "Free some space and see that the folder can be written.",
        ) from error


def _with_released(facts: Facts, granted: Mapping[str, Lease]) -> Facts:
    begun = tuple(
        Running(job, lease.host, lease.granted_at, _ends(job, lease), released=True)
        for job in facts.waiting
        if (lease := granted.get(job.id))
    )
    waiting = tuple(job for job in facts.waiting if job.id not in granted)
    return replace(facts, waiting=waiting, running=(*facts.running, *begun))


def _ends(job: Job, lease: Lease) -> float:
    return math.inf if job.expected_s is None else lease.granted_at + job.expected_s


def _ledger(facts: Facts) -> Ledger:
    """Return the ledger; of a job that runs a lease that is not there yet is counted as well."""
    held = {lease.id for lease in facts.leases}
    missing = tuple(
        Lease(lease_id(one.job), "training", one.host, one.job.project, one.job.needs, one.begin,
              facts.now)
        for one in facts.running
        if lease_id(one.job) not in held
    )  # fmt: skip
    return Ledger(facts.hosts, (*facts.leases, *missing))


def _use(one: Running, hosts: Sequence[Capacity]) -> Use:
    job = one.job
    return Use(
        job.project, one.begin, None, cost(job.needs, hosts), job.id, job.expected_s, job.late_s
    )


def _expected(facts: Facts, decided: Dispatch) -> dict[str, Expected]:
    # What starts now runs in the forecast: the others wait for it.
    begun = tuple(
        Running(one.job, one.host, facts.now, facts.now + (one.job.expected_s or 0.0))
        for one in decided.starts
    )
    running = tuple(
        replace(one, job=replace(one.job, cost=cost(one.job.needs, facts.hosts)))
        for one in facts.running
    )
    setup = Setup(
        facts.hosts,
        facts.shares,
        facts.rules,
        facts.overrides,
        tuple(one for one in facts.leases if one.kind == "serving"),
        ((0.0, facts.policies),),
        facts.here,
    )
    return expected_starts(decided.waits, (*running, *begun), facts.uses, setup, facts.now)
