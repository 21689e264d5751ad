"""Which waiting jobs start now, where, and what each of the others waits for.

The line is walked from the front. The first job that has to wait for room keeps a reservation: one
behind it may start earlier only where that does not delay it (EASY backfilling, Lifka 1995), so a
large job is not starved by small ones that always find a gap.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from services.resources.ledger import Ledger
from services.resources.models import Admission, Capacity, Fits, Lease, Needs, Never, Waits
from services.workflows.fair import Line, Place
from services.workflows.models import Job, Rules, Share, Use
from services.workflows.quota import QuotaHold, quota_hold
from services.workflows.routing import Requirement, Route, route
from services.workflows.thermal import HostPolicy
from services.workflows.words import capital, span

Reason = Literal[
    "order", "memory", "power", "thermal", "quota", "dependency", "paused", "no_host", "never",
    "engine",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Start:
    """A job that starts now."""

    job: Job
    host: str
    said: str


@dataclass(frozen=True, slots=True)
class Wait:
    """A job that does not, and why."""

    job: Job
    reason: Reason
    said: str
    unblock: str
    """What would let it start, as a sentence."""
    position: int | None = None
    """In the line; None: it does not stand in it, something else holds it."""
    host: str | None = None
    """The machine it waits for, where it is one."""
    free_at: float | None = None
    """When a quota lets it start, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What becomes of every waiting job."""

    starts: tuple[Start, ...]
    waits: tuple[Wait, ...]


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything but the line that a dispatch follows from."""

    ledger: Ledger
    now: float
    policies: Mapping[str, HostPolicy] = field(default_factory=dict)
    ends: Mapping[str, float] = field(default_factory=dict)
    """When leases of training are expected to end, by id; one that is not there: unknown."""
    shares: Mapping[str, Share] = field(default_factory=dict)
    uses: Sequence[Use] = ()
    rules: Rules = field(default_factory=Rules)
    here: str = ""
    """The machine that runs the platform."""


@dataclass(slots=True)
class _Reservation:
    """Room that is kept for the first job that has to wait."""

    job: Job
    host: Capacity
    at: float
    """When it is expected to start; infinite where that is unknown."""
    then: Ledger
    """The ledger at that time, without it."""


_Kind = tuple[Requirement, frozenset[str] | None]
_Key = tuple[Needs, _Kind]


def lease_id(job: Job) -> str:
    """Return the id of the lease of a job."""
    return f"task:{job.id}"


def dispatch(line: Line, situation: Situation) -> Dispatch:
    """Return which jobs of a line start now, and why each of the others does not."""
    walk = _Walk(situation)
    for place in line.places:
        walk.visit(place)
    quota = (_quota_wait(hold) for hold in line.quota)
    blocked = (_blocked_wait(job) for job in line.blocked)
    return Dispatch(tuple(walk.starts), (*walk.waits, *quota, *blocked))


class _Walk:
    """One walk along the line; what starts is taken off the ledger as it goes."""

    def __init__(self, situation: Situation) -> None:
        self._at = situation
        self._ledger = situation.ledger
        self._routes: dict[_Kind, Route] = {}
        self._known: dict[_Key, Wait] = {}
        """Who needs as much of the same machines waits alike: the ledger only gets fuller."""
        self._reservation: _Reservation | None = None
        self._started: list[Use] = []
        self.starts: list[Start] = []
        self.waits: list[Wait] = []

    def visit(self, place: Place) -> None:
        """Start a job or say why not."""
        job = place.job
        key = job.needs, (job.requires, job.machines)
        same = self._known.get(key)
        found = replace(same, job=job) if same else self._judge(job)
        if isinstance(found, Wait):
            if not found.unblock.startswith(_RESERVED):
                self._known[key] = found
            self.waits.append(self._placed(found, place))
            return
        hold = self._over_quota(job)
        if hold:
            self.waits.append(_quota_wait(hold))
            return
        self._start(job, found)

    def _judge(self, job: Job) -> Fits | Wait:
        to = self._route(job)
        if not to.hosts:
            return Wait(
                job, "no_host", to.said, "A machine of that kind joins, or it asks for less."
            )
        whole = self._ledger.admit(job.needs, to.hosts)
        if isinstance(whole, Never):
            return Wait(job, "never", whole.said, "It asks for less, or a larger machine joins.")
        refused = self._refused(job, to.hosts)
        open_hosts = [name for name in to.hosts if name not in refused]
        answer = self._ledger.admit(job.needs, open_hosts) if refused else whole
        if refused and isinstance(answer, Never):
            return self._by_policy(job, refused)
        if isinstance(answer, Fits):
            return self._beside_reservation(job, open_hosts, answer)
        return self._short(job, open_hosts, answer)

    def _route(self, job: Job) -> Route:
        kind = job.requires, job.machines
        found = self._routes.get(kind)
        if found is None:
            hosts = [
                h for h in self._ledger.hosts if job.machines is None or h.host in job.machines
            ]
            found = route(job.requires, hosts, self._at.here)
            self._routes[kind] = found
        return found

    def _refused(self, job: Job, hosts: Sequence[str]) -> dict[str, str]:
        """Return the machines whose state lets the job not start, and why."""
        heavy = job.needs.gpu_slots > 0
        found = {}
        for name in hosts:
            policy = self._at.policies.get(name)
            running = sum(
                one.kind == "training" and one.needs.gpu_slots > 0 for one in self._ledger.on(name)
            )
            if policy is not None and (said := policy.refuses(running, heavy=heavy)):
                found[name] = said
        return found

    def _by_policy(self, job: Job, refused: Mapping[str, str]) -> Wait:
        name = min(refused)
        policy = self._at.policies[name]
        reason: Reason = "memory" if policy.rule == "memory" else "thermal"
        return Wait(job, reason, " ".join(refused.values()), policy.unblocks, host=name)

    def _short(self, job: Job, hosts: Sequence[str], answer: Admission) -> Wait:
        assert isinstance(answer, Waits)  # noqa: S101 - what never fits was told before
        if self._reservation is None and answer.short != "absent":
            self._reservation = self._reserve(job, hosts)
        reason: dict[str, Reason] = {"slots": "order", "power": "power", "absent": "no_host"}
        return Wait(
            job,
            reason.get(answer.short, "memory"),
            answer.said,
            self._unblock(answer),
            host=answer.host,
        )

    def _unblock(self, answer: Waits) -> str:
        if answer.short == "absent":
            return f"{answer.host} sends telemetry again."
        if answer.short == "others":
            return f"Other programs on {answer.host} give memory back."
        leases = {one.id: one for one in self._ledger.leases}
        holders = [leases[name] for name in answer.holders if name in leases]
        training = [one for one in holders if one.kind == "training"]
        if not training:
            return "An endpoint is made smaller or ended: endpoints are not pushed out."
        first = min(training, key=lambda one: (self._ends(one), one.id))
        left = self._ends(first) - self._at.now
        when = "" if math.isinf(left) else f", in about {span(max(0.0, left))}"
        return f"{capital(first.title)} ends{when}."

    def _ends(self, lease: Lease) -> float:
        return self._at.ends.get(lease.id, math.inf)

    # Reservations

    def _reserve(self, job: Job, hosts: Sequence[str]) -> _Reservation | None:
        found = [
            one
            for name in hosts
            if (capacity := self._ledger.host(name)) and (one := self._room_later(job, capacity))
        ]
        return min(found, key=lambda one: (one.at, one.host.host), default=None)

    def _room_later(self, job: Job, capacity: Capacity) -> _Reservation | None:
        """Return when a job fits on a machine as its training ends; None: not even then."""
        host = replace(capacity, available_bytes=None)
        training = [one for one in self._ledger.on(host.host) if one.kind == "training"]
        training.sort(key=lambda one: (self._ends(one), one.id))
        left, at = self._ledger, self._at.now
        for lease in (None, *training):
            if lease is not None:
                left, at = left.without({lease.id}), max(at, self._ends(lease))
            if left.has_room(host, job.needs):
                return _Reservation(job, host, at, left)
        return None

    def _beside_reservation(self, job: Job, hosts: Sequence[str], answer: Fits) -> Fits | Wait:
        kept = self._reservation
        if kept is None or answer.host != kept.host.host or not self._delays(job, kept):
            return answer
        others = [name for name in hosts if name != kept.host.host]
        elsewhere = self._ledger.admit(job.needs, others) if others else None
        if isinstance(elsewhere, Fits):
            return elsewhere
        first = kept.job.what or kept.job.id
        return Wait(
            job,
            "order",
            f"There is room on {answer.host}, but starting now would delay {first}, which is "
            "before it in the line.",
            f"{_RESERVED} {first} starts.",
            host=answer.host,
        )

    def _delays(self, job: Job, kept: _Reservation) -> bool:
        longest = job.late_s if job.late_s is not None else math.inf
        if self._at.now + longest <= kept.at:
            return False
        beside = kept.then.with_lease(self._lease(job, kept.host.host))
        return not beside.has_room(kept.host, kept.job.needs)

    # Starting

    def _start(self, job: Job, answer: Fits) -> None:
        lease = self._lease(job, answer.host)
        self._ledger = self._ledger.with_lease(lease)
        kept = self._reservation
        if kept is not None and answer.host == kept.host.host:
            longest = job.late_s if job.late_s is not None else math.inf
            if self._at.now + longest > kept.at:
                kept.then = kept.then.with_lease(lease)
        self._started.append(self._use(job))
        self._known.clear()
        self.starts.append(Start(job, answer.host, answer.said))

    def _lease(self, job: Job, host: str) -> Lease:
        now = self._at.now
        return Lease(lease_id(job), "training", host, job.project, job.needs, now, now)

    def _use(self, job: Job) -> Use:
        return Use(job.project, self._at.now, None, job.cost, job.id, job.expected_s, job.late_s)

    def _over_quota(self, job: Job) -> QuotaHold | None:
        """Ask the quota again of a project that something was started of in this walk."""
        share = self._at.shares.get(job.project)
        own = [use for use in self._started if use.project == job.project]
        if share is None or share.quota_hours is None or not own:
            return None
        before = [use for use in self._at.uses if use.project == job.project]
        return quota_hold(job, share, [*before, *own], self._at.now, self._at.rules)

    def _placed(self, wait: Wait, place: Place) -> Wait:
        said = f"{wait.said} {place.said}" if wait.reason == "order" else wait.said
        return replace(wait, said=said, position=place.position)


_RESERVED = "It starts when"


def _quota_wait(hold: QuotaHold) -> Wait:
    unblock = "The quota is raised."
    if hold.free_at is not None:
        unblock = "Earlier use leaves the window, or the quota is raised."
    return Wait(hold.job, "quota", hold.said, unblock, free_at=hold.free_at)


def _blocked_wait(job: Job) -> Wait:
    by = job.blocked_by
    if job.blocked == "dependency":
        what = by or "a task before it"
        return Wait(job, "dependency", f"It follows {what}.", f"{capital(what)} succeeds.")
    if job.blocked == "paused":
        said = f"It is paused{f' by {by}' if by else ''}."
        return Wait(job, "paused", said, "Somebody resumes it.")
    said = f"{capital(by)}." if by else "Airflow does not answer."
    return Wait(job, "engine", said, "Airflow is back; `mlops status` says how it is.")
