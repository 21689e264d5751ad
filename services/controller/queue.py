"""The queue's loop: looks at all that waits, decides, and tells Airflow and the mirror.

Every turn: where the thermal policy stands, who starts, leases for those, what Airflow is told, its
pools. When jobs are expected to start is worked out less often: it takes longer than all the rest.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

from services.controller.known import Known
from services.controller.workforce import Workforce
from services.engines.airflow.adapter import Airflow
from services.home import Home
from services.mirror.workflow_models import ACTIVE_RUNS, TaskRun
from services.mirror.workflow_queries import Workflows
from services.mirror.workflow_store import WorkflowStore
from services.mirror.workflow_tables import QUEUE
from services.process_identity import Identity
from services.resources.capacity import capacities, with_here
from services.resources.leases import LeaseBook, this_process
from services.resources.models import Capacity, Lease, Owner
from services.resources.offers import Offers
from services.resources.pools import Pool
from services.telemetry.models import HostState, Telemetry
from services.workflows import shown
from services.workflows.decision import Decided, Facts, decide, leases_of, tell_airflow
from services.workflows.dispatch import lease_id
from services.workflows.forecast import Expected
from services.workflows.jobs import Jobs, jobs, share_of, uses
from services.workflows.kept import Overrides, Stances
from services.workflows.models import Use
from services.workflows.pausing import to_pause
from services.workflows.queue import Interval, Row, followed
from services.workflows.simulation import Running
from services.workflows.thermal import Decision, HostPolicy, figures_of, step

logger = logging.getLogger(__name__)

INTERVAL_S = 1.0
_AHEAD_S = 5.0
_TELL_S = 15.0
"""Airflow is told so often though nothing is new: after a minute of silence it goes on alone."""
_LOOKED_BACK_S = 8 * 86_400.0
"""Beyond the window of quotas; use of longer ago counts for nothing."""
_POOLS_S = 60.0
_TRAINING = "task:"


@dataclass(slots=True)
class _Kept:
    """What is kept from turn to turn."""

    policies: dict[str, HostPolicy]
    expected: Mapping[str, Expected] = field(default_factory=dict)
    ahead_at: float = float("-inf")
    told: object = None
    told_at: float = float("-inf")
    pools: tuple[Pool, ...] = ()
    pools_at: float = float("-inf")
    intervals: tuple[Interval, ...] | None = None
    """What each job runs or waits for since when; None: the mirror was not asked yet."""
    uses: tuple[Use, ...] = ()
    uses_of: object = None
    pauses: Mapping[str, str] = field(default_factory=dict)


class QueueLoop:
    """Decides for one installation."""

    def __init__(
        self,
        home: Home,
        store: WorkflowStore,
        workflows: Workflows,
        airflow: Airflow,
        known: Known,
        telemetry: Telemetry,
        workforce: Workforce,
        here: str,
        away: Callable[[], str],
        now: Callable[[], float] = time.time,
    ) -> None:
        """Begin.

        Args:
            home: Of the installation: the files of leases, overrides, stances and offers.
            store: Where the queue is written for pages.
            workflows: What Airflow said last.
            airflow: The engine: its pools.
            known: What is known of projects.
            telemetry: Of the machines.
            workforce: Machines that take tasks.
            here: This machine, as telemetry names it.
            away: Returns why Airflow starts nothing now, empty when it does.
            now: Seconds since 1970.
        """
        self._store = store
        self._workflows = workflows
        self._airflow = airflow
        self._known = known
        self._telemetry = telemetry
        self._workforce = workforce
        self._here = here
        self._away = away
        self._now = now
        self._file = home.airflow / "weights.json"
        self._leases = LeaseBook(home.run / "leases.json", now)
        self._overrides = Overrides(home.run / "overrides.json")
        self._offers = Offers(home.machines)
        self._stances = Stances(home.run / "policy.json")
        self._kept = _Kept(self._stances.read())

    def turn(self) -> None:
        """Look once.

        Raises:
            EngineError: Airflow's pools cannot be set; all else was done.
            PlatformError: A file or the mirror cannot be written.
        """
        now = self._now()
        states = tuple(self._telemetry.hosts())
        policy_decisions = self._look_at_machines(states, now)
        hosts = self._machines(states, now)
        tasks = self._workflows.active_tasks()
        found = self._jobs(tasks, hosts)
        self._keep_leases(found, {task.job: task for task in tasks})
        facts = self._facts(now, hosts, found)
        decided = self._decide(facts, now)
        decided = self._grant(facts, decided, now)
        self._kept.pauses = to_pause(
            self._kept.pauses, found.running, self._kept.policies, policy_decisions
        )
        self._tell(decided, now)
        self._show(facts, decided, now)
        if not self._away():
            self._set_pools(decided.pools, now)

    # What is known

    def _machines(self, states: Iterable[HostState], now: float) -> tuple[Capacity, ...]:
        rules = self._offers.rules()
        told = capacities(states, _aware(now), rules, here=self._here)
        return self._workforce.hosts(with_here(told, self._here, rules), rules)

    def _jobs(self, tasks: Iterable[TaskRun], hosts: Sequence[Capacity]) -> Jobs:
        return jobs(
            tasks,
            self._workflows.runs(states=tuple(ACTIVE_RUNS), limit=10_000),
            self._workflows.workflows(),
            self._known,
            hosts=hosts,
            here=self._here,
            machines_of=self._workforce.machines_of,
            away=self._away(),
        )

    def _facts(self, now: float, hosts: tuple[Capacity, ...], found: Jobs) -> Facts:
        overrides = self._overrides.read()
        waiting = {job.id for job in found.waiting}
        if any(one.job not in waiting for one in overrides):
            self._overrides.keep(waiting)
        shares = {name: share_of(name, one) for name, one in self._known.contracts().items()}
        return Facts(
            now=now,
            hosts=hosts,
            leases=self._leases.leases(),
            waiting=found.waiting,
            running=found.running,
            uses=self._uses(now, hosts),
            shares=shares,
            overrides=overrides,
            policies=dict(self._kept.policies),
            here=self._here,
        )

    def _uses(self, now: float, hosts: Sequence[Capacity]) -> tuple[Use, ...]:
        kept = self._kept
        basis = (
            self._workflows.change(),
            tuple((one.memory_bytes, one.gpu_slots) for one in hosts),
        )
        if kept.uses_of != basis:
            ended = self._workflows.ended_tasks(_aware(now - _LOOKED_BACK_S))
            kept.uses, kept.uses_of = uses(ended, self._known, hosts), basis
        return kept.uses

    def _look_at_machines(self, states: Iterable[HostState], now: float) -> list[Decision]:
        """Step the thermal policy; what it decides is kept with its readings."""
        decisions = []
        kept = self._kept.policies
        before = {name: (one.stance, one.rule, one.paused) for name, one in kept.items()}
        there = set()
        for state in states:
            name = state.machine.host
            there.add(name)
            policy = kept.get(name) or HostPolicy(name)
            kept[name], decision = step(policy, figures_of(state, now), now)
            if decision is not None:
                self._note(decision)
                decisions.append(decision)
        for name in kept.keys() - there:
            del kept[name]
        if before != {name: (one.stance, one.rule, one.paused) for name, one in kept.items()}:
            self._stances.write(kept.values())
        return decisions

    def _note(self, decision: Decision) -> None:
        logger.info("%s", decision.said)
        document = {
            "before": decision.before,
            "stance": decision.stance,
            "rule": decision.rule,
            "said": decision.said,
            "figures": [asdict(one) for one in decision.figures],
        }
        at_ms = round(decision.at * 1000)
        self._store.write_decision(decision.host, at_ms, document, decision.said)

    # What follows

    def _keep_leases(self, found: Jobs, tasks: Mapping[str, TaskRun]) -> None:
        """Give back what no job holds any more; what runs holds its own, whoever granted it."""
        held = {lease.id: lease for lease in self._leases.leases() if lease.kind == "training"}
        waiting = {lease_id(job) for job in found.waiting if job.blocked is None}
        running = {lease_id(one.job): one for one in found.running}
        for name in held.keys() - waiting - running.keys():
            self._leases.end(name)
        for name, one in running.items():
            lease = held.get(name) or _lease_of(one)
            if name not in held or not 0 <= self._now() - lease.renewed_at <= _TELL_S:
                owner = self._owner(tasks[one.job.id], one.host)
                self._leases.renew(replace(lease, host=one.host, owner=owner))

    def _owner(self, task: TaskRun, host: str) -> Owner:
        """Return whose end gives a lease back: the job's own process where it can be seen."""
        ours = this_process()
        pid = task.evidence.get("pid")
        if host != self._here or not isinstance(pid, int):
            return ours
        job = Identity.of(pid)
        return ours if job is None else Owner(ours.host, job.pid, job.created, job.start)

    def _decide(self, facts: Facts, now: float) -> Decided:
        ahead = bool(facts.waiting) and not 0 <= now - self._kept.ahead_at < _AHEAD_S
        decided = decide(facts, ahead=ahead)
        if ahead or not facts.waiting:
            self._kept.expected, self._kept.ahead_at = decided.expected, now
        return decided

    def _grant(self, facts: Facts, decided: Decided, now: float) -> Decided:
        """Take the leases of what starts; who is refused one, for another was quicker, waits on."""
        refused = set()
        for lease in leases_of(decided, now, this_process()):
            answer = self._leases.take(lease, facts.hosts)
            if not isinstance(answer, Lease):
                refused.add(lease.id.removeprefix(_TRAINING))
        released = {job: host for job, host in decided.released.items() if job not in refused}
        return replace(decided, released=released)

    def _tell(self, decided: Decided, now: float) -> None:
        kept = self._kept
        held = {one.job.id: one.said for one in decided.dispatch.waits}
        weights = {one.job.id: one.weight for one in decided.line.places}
        told = (
            dict(decided.released),
            held,
            weights,
            {n: p.paused for n, p in kept.policies.items()},
        )
        if told != kept.told or not 0 <= now - kept.told_at < _TELL_S:
            tell_airflow(self._file, decided, now, kept.pauses)
            kept.told, kept.told_at = told, now

    def _set_pools(self, wanted: tuple[Pool, ...], now: float) -> None:
        """Have Airflow's pools as wanted.

        Raises:
            EngineError: Airflow is away.
        """
        kept = self._kept
        if wanted == kept.pools and 0 <= now - kept.pools_at < _POOLS_S:
            return
        there = {one.name: one for one in self._airflow.pools()}
        for pool in wanted:
            old = there.get(pool.name)
            if old is None or (old.slots, old.description) != (pool.slots, pool.said):
                self._airflow.set_pool(pool.name, pool.slots, pool.said)
        kept.pools, kept.pools_at = wanted, now

    # For pages

    def _show(self, facts: Facts, decided: Decided, now: float) -> None:
        rows = tuple(self._with_expected(row) for row in decided.rows)
        known = self._kept.intervals
        if known is None:  # those of the controller before this one go on
            known = tuple(
                shown.interval(one) for one in self._workflows.waits(_aware(now)) if not one.end
            )
        ended, opened = followed(known, rows, now)
        if ended or {one.job for one in opened} != {one.job for one in known}:
            at_ms = round(now * 1000)
            self._store.write_waits(map(shown.wait, ended), map(shown.wait, opened), at_ms)
        self._kept.intervals = opened
        picture = shown.picture(facts, replace(decided, rows=rows))
        self._store.write_picture(QUEUE, round(now * 1000), picture)

    def _with_expected(self, row: Row) -> Row:
        known = self._kept.expected.get(row.id)
        return row if row.state == "running" or known is None else replace(row, expected=known)


def _lease_of(one: Running) -> Lease:
    job = one.job
    return Lease(lease_id(job), "training", one.host, job.project, job.needs, one.begin, one.begin)


def _aware(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
