"""What the mirror recorded of heavy jobs, as the policy's own facts: shares over time, what-if.

A job is ready when nothing but its turn, room or a machine's state holds it: what it waited before
for other tasks is nothing that weights could change. Times: seconds since 1970.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from services.errors import InputError
from services.mirror.workflow_models import Decided, PolicyDecision, TaskRun, Wait
from services.resources.ledger import cost
from services.resources.models import GIB, Capacity, Needs, gib
from services.workflows.forecast import lengths
from services.workflows.models import Job, Share, Use
from services.workflows.routing import ANYWHERE, Requirement, of_table, route
from services.workflows.simulation import Setup, ideal_s
from services.workflows.thermal import STANCES, HostPolicy, Stance
from services.workflows.whatif import Recorded

BEFORE_ITS_TURN = frozenset({"running", "starting", "dependency", "paused", "engine"})
"""Stretches in which a job stood in no line."""
_ORDINARY = 5


@dataclass(frozen=True, slots=True)
class Declared:
    """What a project's contract says of its heavy jobs."""

    memory_bytes: int | None = None
    gpu_slots: int = 1
    requires: Requirement = ANYWHERE


UNDECLARED = Declared()


def declared(folder: Path) -> dict[str, Declared]:
    """Return what projects declare, by project, from the spec files that Airflow is given.

    A file that cannot be read is left out: of its project nothing is known but what was measured.
    """
    found = {}
    for file in sorted(folder.glob("*.json")):
        try:
            said = orjson.loads(file.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(said, dict):
            found[file.stem] = _declared(said)
    return found


def uses(
    tasks: Iterable[TaskRun], given: Mapping[str, Declared], hosts: Sequence[Capacity], now: float
) -> tuple[Use, ...]:
    """Return what heavy tasks took of the machines; one that runs, up to ``now``.

    Args:
        tasks: Tasks that ended or run.
        given: What projects declare.
        hosts: The machines a job's cost is measured against.
        now: The time.
    """
    found = []
    for task in tasks:
        begin, end = ran(task)
        if task.heavy and begin is not None and (end or now) > begin:
            price = cost(needs_of(task, given), hosts)
            found.append(Use(project_of(task), begin, end, price, task.job))
    return tuple(found)


def recorded(
    tasks: Iterable[TaskRun],
    waits: Iterable[Wait],
    given: Mapping[str, Declared],
    hosts: Sequence[Capacity],
    since: float,
) -> tuple[Recorded, ...]:
    """Return the heavy jobs that were ready since a time, as they came.

    Args:
        tasks: Tasks that ended, and those that did not; older ones tell what was expected then.
        waits: What jobs waited for.
        given: What projects declare.
        hosts: The machines of the replay: a wish that none of them fulfils is left out.
        since: Begin of the recorded time.
    """
    heavy = [task for task in tasks if task.heavy]
    turns = _turns(waits)
    history = _History(heavy)
    found = []
    for task in heavy:
        begin, end = ran(task)
        ready = _ready(task, turns, begin)
        if ready is None or ready < since:
            continue
        known = lengths(history.before(task, ready))
        job = Job(
            id=task.job,
            project=project_of(task),
            submitted=ready,
            needs=needs_of(task, given),
            what=task.title,
            expected_s=known.median_s,
            late_s=known.late_s,
            requires=_fulfilled(given.get(project_of(task), UNDECLARED).requires, hosts),
        )
        found.append(Recorded(job, begin, end if begin is not None else None))
    return tuple(sorted(found, key=lambda one: (one.job.submitted, one.job.id)))


def ran(task: TaskRun) -> tuple[float | None, float | None]:
    """Return when the command of a task began and ended; its runner told it.

    The times of Airflow count from when the task asked whether it may start: its wait is in them.
    """
    begin, end = (_seconds(task.evidence.get(name)) for name in ("started_at", "ended_at"))
    if begin is None or (end is not None and end <= begin):
        return None, None
    if end is None and task.state != "running" and task.ended_at is not None:
        end = task.ended_at.timestamp()  # its runner was killed
    return begin, end


def project_of(task: TaskRun) -> str:
    """Return whose job it is: of a comparison's part, the project's own."""
    told = task.evidence.get("project")
    return told if isinstance(told, str) and told else task.project


def needs_of(task: TaskRun, given: Mapping[str, Declared]) -> Needs:
    """Return what a job took: the memory it declares, else the most it really had."""
    own = given.get(project_of(task), UNDECLARED)
    slots = 0 if task.task_id == "client" else own.gpu_slots
    if own.memory_bytes is not None:
        return Needs(own.memory_bytes, slots, said="what the project declares")
    measured = task.evidence.get("memory")
    peak = measured.get("peak_bytes") if isinstance(measured, dict) else None
    if isinstance(peak, int | float) and math.isfinite(peak) and peak > 0:
        return Needs(int(peak), slots, said="the most it had")
    return Needs(
        GIB, slots, said=f"{gib(GIB)} is a guess: it declares nothing, nothing was measured"
    )


# The settings


def capacities(decided: Decided, known: Iterable[Capacity] = ()) -> tuple[Capacity, ...]:
    """Return the machines of the queue; their chips are those that telemetry knows."""
    chips = {one.host: one for one in known}
    found = []
    for one in decided.hosts:
        name = str(one["host"])
        also = chips.get(name)
        found.append(
            Capacity(
                name,
                one.get("memory_bytes"),
                int(one.get("gpu_slots") or 0),
                chip=also.chip if also else None,
                gpu_cores=also.gpu_cores if also else None,
                total_bytes=also.total_bytes if also else None,
            )
        )
    return tuple(found)


def here(decided: Decided) -> str:
    """Return the machine that runs the platform."""
    return next((str(one["host"]) for one in decided.hosts if one.get("here")), "")


def shares(decided: Decided) -> dict[str, Share]:
    """Return what each project may take."""
    return {
        str(one["project"]): Share(
            str(one["project"]), one["weight"], one["priority"], one.get("quota_hours")
        )
        for one in decided.shares
    }


def setup(
    decided: Decided, decisions: Iterable[PolicyDecision], hosts: tuple[Capacity, ...]
) -> Setup:
    """Return the settings that hold, with what the thermal policy decided in the recorded time."""
    return Setup(hosts, shares(decided), policies=_policies(decisions), here=here(decided))


def _policies(
    decisions: Iterable[PolicyDecision],
) -> tuple[tuple[float, Mapping[str, HostPolicy]], ...]:
    told = sorted(decisions, key=lambda one: one.at)
    standing: dict[str, HostPolicy] = {}
    for one in reversed(told):  # the first of each machine says how it stood before
        standing[one.host] = _policy(one, one.before, "Before its first recorded decision.", 0.0)
    found: list[tuple[float, Mapping[str, HostPolicy]]] = [(0.0, dict(standing))]
    for one in told:
        standing[one.host] = _policy(one, one.stance, one.said, one.at.timestamp())
        found.append((one.at.timestamp(), dict(standing)))
    return tuple(found) if told else ()


def _policy(one: PolicyDecision, stance: str, said: str, since: float) -> HostPolicy:
    known: Stance = next((one for one in STANCES if one == stance), "open")
    rule: Any = one.rule if known != "open" and one.rule != "none" else "none"
    if known != "open" and rule == "none":
        rule = "heat"
    return HostPolicy(one.host, known, since, rule, said)


# Used against due


def wanted_over_time(
    waits: Iterable[Wait], begin: float, end: float, buckets: int
) -> dict[str, tuple[float, ...]]:
    """Return the seconds in which jobs stood in line, by project in equal stretches of time."""
    width = (end - begin) / buckets
    found: dict[str, list[float]] = {}
    for wait in waits:
        if wait.kind in BEFORE_ITS_TURN:
            continue
        first = max(wait.begin.timestamp(), begin)
        last = min(wait.end.timestamp() if wait.end else end, end)
        row = found.setdefault(wait.project, [0.0] * buckets)
        for number in range(max(0, int((first - begin) / width)), buckets):
            low = begin + number * width
            if low >= last:
                break
            row[number] += min(last, low + width) - max(first, low)
    return {name: tuple(row) for name, row in sorted(found.items())}


def due_over_time(
    used: Mapping[str, Sequence[float]],
    waited: Mapping[str, Sequence[float]],
    weights: Mapping[str, float],
) -> dict[str, tuple[float, ...]]:
    """Return what each project was due of what all used, in each stretch of time.

    By weight, and none more than it wanted: what it used, and a slot for each second that a job of
    it stood in line (max-min fairness, as ``simulation.ideal_s``).
    """
    names = sorted({*used, *waited})
    buckets = max((len(row) for row in (*used.values(), *waited.values())), default=0)
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(buckets):
        had = {name: used[name][number] if name in used else 0.0 for name in names}
        wanted = {n: had[n] + (waited[n][number] if n in waited else 0.0) for n in names}
        given = {name: weights.get(name, 1.0) for name in names}
        for name, seconds in ideal_s(sum(had.values()), wanted, given).items():
            found[name].append(seconds)
    return {name: tuple(row) for name, row in found.items()}


class _History:
    """How long earlier successes of each kind of task took."""

    def __init__(self, tasks: Iterable[TaskRun]) -> None:
        self._found: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for task in tasks:
            begin, end = ran(task)
            if task.state == "success" and begin is not None and end is not None:
                key = (task.dag_id, task.task_id)
                self._found.setdefault(key, []).append((end, end - begin))
        for row in self._found.values():
            row.sort(reverse=True)

    def before(self, task: TaskRun, at: float) -> list[float]:
        """Return the lengths that were known at a time, newest first."""
        row = self._found.get((task.dag_id, task.task_id), [])
        return [seconds for end, seconds in row if end <= at]


def _turns(waits: Iterable[Wait]) -> dict[str, float]:
    found: dict[str, float] = {}
    for wait in waits:
        if wait.kind not in BEFORE_ITS_TURN:
            begin = wait.begin.timestamp()
            found[wait.job] = min(begin, found.get(wait.job, begin))
    return found


def _ready(task: TaskRun, turns: Mapping[str, float], begin: float | None) -> float | None:
    asked = task.scheduled_at or task.queued_at or task.started_at
    at = turns.get(task.job, asked.timestamp() if asked else begin)
    return at if at is None or begin is None else min(at, begin)


def _fulfilled(wish: Requirement, hosts: Sequence[Capacity]) -> Requirement:
    return wish if route(wish, hosts, "").hosts else ANYWHERE


def _declared(said: Mapping[str, Any]) -> Declared:
    memory, slots, wish = said.get("memory_bytes"), said.get("gpu_slots"), said.get("queue")
    asked = {name: value for name, value in wish.items() if value} if isinstance(wish, dict) else {}
    try:
        requires = of_table(asked)
    except InputError:  # of another version of the platform
        requires = ANYWHERE
    return Declared(
        memory if isinstance(memory, int) else None,
        slots if isinstance(slots, int) else 1,
        requires,
    )


def _seconds(said: object) -> float | None:
    try:
        return datetime.fromisoformat(str(said)).timestamp()
    except ValueError:
        return None
