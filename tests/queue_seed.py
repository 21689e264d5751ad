"""A queue of nine projects, as the real policy leaves it: a simulated past, decided now, written
into the mirror the way the controller writes it."""

import random
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from services.mirror import schema
from services.mirror.events import now_ms
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.mirror.workflow_queries import Workflows
from services.mirror.workflow_store import WorkflowStore
from services.mirror.workflow_tables import QUEUE
from services.resources.capacity import Rule, ruled
from services.resources.ledger import cost
from services.resources.models import GIB, Capacity, Lease, Needs
from services.workflows import shown
from services.workflows.decision import Facts, decide
from services.workflows.dispatch import lease_id
from services.workflows.models import Job, Share, Use
from services.workflows.simulation import Arrival, Outcome, Running, Setup, simulate
from services.workflows.thermal import HostPolicy
from tests import seed
from tests.services.mirror.workflow_things import dag_run, task

if TYPE_CHECKING:
    from services.engines.airflow.models import DagRun, TaskInstance

HOSTS = (
    ruled(
        Capacity("studio-1a2b3c4d", int(64 * GIB * 0.85), chip="Apple M3 Max", gpu_cores=40,
                 total_bytes=64 * GIB),
        Rule(54 * GIB, 2),
    ),
    Capacity("book-5e6f7a8b", 38 * GIB, chip="Apple M5 Pro", gpu_cores=16,
             total_bytes=int(38 * GIB / 0.85)),
    Capacity("mini-3a4b5c6d", 11 * GIB, chip="Apple M2", gpu_cores=10, total_bytes=13 * GIB),
)  # fmt: skip
HERE = HOSTS[0].host
HOT = "book-5e6f7a8b is at thermal level 2 (heavy): no new heavy job starts."
_MINUTES = (14, 42, 9, 11, 25, 31, 38, 18, 52)
"""Usual lengths by project."""
_MEMORY = (6, 20, 5, 4, 12, 8, 24, 9, 26)
_WEEK_S = 7 * 86_400.0
HIDDEN = ("stable-diffusion", "adaptive-diffusion", "self-improving-diffusion")
LARGE = "adaptive-diffusion.train/too-large/train"


def shares() -> dict[str, Share]:
    """Return what projects may take."""
    weights = (1.0, 2.0, 1.0, 1.0, 2.0, 1.0, 1.0, 0.5, 1.0)
    return {
        project: Share(project, weights[n], 9 - n, 30.0 if n == 5 else None)
        for n, (project, *_) in enumerate(seed.PROJECTS)
    }


def fill(url: str, *, waiting: int = 24, past: int = 60, now: datetime | None = None) -> None:
    """Write the queue, its past and the thermal policy's decisions.

    Args:
        url: Of the mirror, which may have other things in it.
        waiting: About how many jobs wait now.
        past: How many came in the week before.
        now: When it was decided; by default just now.
    """
    at = (now or datetime.now(UTC)).timestamp()
    engine, _ = schema.prepare(url)
    Store(engine).write_engine("airflow", "Airflow", "live")
    store = WorkflowStore(engine)
    outcomes = _past(past, waiting, at)
    _write_tasks(store, outcomes, at)
    _write_decisions(store, at)
    _write_waits(store, outcomes, at)
    write_picture(store, outcomes, at)
    engine.dispose()


def write_picture(store: WorkflowStore, outcomes: list[Outcome], at: float) -> None:
    """Decide over what is at a time, and write it as the controller does."""
    running = tuple(
        Running(one.job, one.host or HERE, one.begin or 0.0, (one.begin or 0.0) + _usual(one.job))
        for one in outcomes
        if one.begin is not None and one.begin <= at < (one.end or at)
    )
    waiting = tuple(one.job for one in outcomes if one.begin is None or one.begin > at)
    serving = Lease("deployment:clip-search", "serving", HERE, "clip-finetuning",
                    Needs(9 * GIB, 0), at - 90_000, at)  # fmt: skip
    policies = {
        HOSTS[0].host: HostPolicy(HOSTS[0].host),
        HOSTS[1].host: HostPolicy(HOSTS[1].host, "hold", at - 1_320, "heat", HOT),
        HOSTS[2].host: HostPolicy(
            HOSTS[2].host, unknown=("Thermal level is not known: macmon is not installed.",)
        ),
    }
    facts = Facts(
        at,
        HOSTS,
        (serving, *(_lease(one, at) for one in running)),
        (*_held(waiting), _large(at)),
        running,
        tuple(_uses(outcomes, at)),
        shares(),
        (),
        policies,
        here=HERE,
    )
    document = shown.picture(facts, decide(facts))
    store.write_picture(QUEUE, round(at * 1000), document)


def keep_deciding(url: str, now: datetime | None = None) -> None:
    """Say that the same was decided again at this moment."""
    engine, _ = schema.prepare(url)
    with engine.begin() as connection:
        at_ms = round((now or datetime.now(UTC)).timestamp() * 1000)
        connection.exec_driver_sql("UPDATE pictures SET at_ms = ? WHERE name = ?", (at_ms, QUEUE))
    engine.dispose()


def keep_fresh(url: str, over: threading.Event) -> None:
    """Decide the same again every second until ``over``, and say that Airflow lives."""
    engine, _ = schema.prepare(url)
    store = Store(engine)
    while not over.wait(1.0):
        store.write_engine("airflow", "Airflow", "live")
        keep_deciding(url)
    engine.dispose()


def hold_all(url: str) -> None:
    """Decide that everything is held: Airflow went away."""
    engine, _ = schema.prepare(url)
    found = Workflows(Mirror(url)).queue()
    assert found is not None
    document = asdict(found)
    del document["at"]
    document["rows"] = [
        row | {"state": "held", "kind": "engine", "said": "Airflow does not answer."}
        for row in document["rows"]
    ]
    WorkflowStore(engine).write_picture(QUEUE, now_ms(), document)
    engine.dispose()


def _past(past: int, waiting: int, at: float) -> list[Outcome]:
    chance = random.Random(7)  # noqa: S311 - jobs to order, not a secret
    bursts = [at - chance.uniform(0.03, 1) * _WEEK_S for _ in range(max(1, past // 12))]
    arrivals = [
        _arrival(n, chance.choice(bursts) + chance.uniform(0, 2_400), chance) for n in range(past)
    ]
    arrivals += [_arrival(past + n, at - chance.uniform(60, 5_400), chance) for n in range(waiting)]
    return list(simulate(arrivals, Setup(HOSTS, shares(), here=HERE), at - _WEEK_S))


def _arrival(number: int, submitted: float, chance: random.Random) -> Arrival:
    place = number % len(seed.PROJECTS)
    project, title, *_ = seed.PROJECTS[place]
    usual = _MINUTES[place] * 60.0
    needs = Needs(_MEMORY[place] * GIB, 1, said=f"{_MEMORY[place]} GB is what the project declares")
    job = Job(
        f"{project}.train/manual__{number:04d}/train",
        project,
        submitted,
        needs,
        f"{title}: train",
        9 - place,
        None if place == 8 and number % 2 else usual,
        None if place == 8 and number % 2 else usual * 1.5,
        cost(needs, HOSTS),
        no_estimate="none of its kind has succeeded yet",
    )
    return Arrival(job, usual * chance.uniform(0.6, 1.5))


def _lease(one: Running, at: float) -> Lease:
    job = one.job
    return Lease(lease_id(job), "training", one.host, job.project, job.needs, one.begin, at)


def _held(waiting: tuple[Job, ...]) -> Iterator[Job]:
    for number, job in enumerate(waiting):
        if number % 11 == 5:
            yield replace(job, blocked="dependency", blocked_by="the task data_pull")
        elif number % 17 == 9:
            yield replace(job, blocked="paused")
        else:
            yield job


def _large(at: float) -> Job:
    needs = Needs(96 * GIB, 1, said="96 GB is what the project declares")
    return Job(LARGE, "adaptive-diffusion", at - 4_000, needs, "Adaptive diffusion: train", 3)


def _usual(job: Job) -> float:
    return job.expected_s if job.expected_s is not None else float("inf")


def _uses(outcomes: list[Outcome], at: float) -> Iterator[Use]:
    for one in outcomes:
        if one.begin is not None and one.end is not None and one.end <= at:
            yield Use(one.job.project, one.begin, one.end, one.job.cost, one.job.id)


# What is written


def _write_tasks(store: WorkflowStore, outcomes: list[Outcome], at: float) -> None:
    runs: list[tuple[str, DagRun]] = []
    tasks: list[tuple[str, TaskInstance]] = []
    evidence = []
    for one in outcomes:
        dag_id, run_id, _ = one.job.id.split("/")
        begun = one.begin is not None and one.begin <= at
        ended = begun and one.end is not None and one.end <= at
        state = "success" if ended else "running" if begun else "scheduled"
        asked = _moment(one.job.submitted)
        begin = _moment(one.begin) if begun else None
        end = _moment(one.end) if ended else None
        made = dag_run(
            dag_id, run_id, "success" if ended else "running", queued_at=asked, started_at=asked,
            ended_at=end, run_after=asked,
        )  # fmt: skip
        runs.append((one.job.project, made))
        instance = task(
            "train", state, dag_id, run_id, scheduled_at=asked, queued_at=asked,
            started_at=asked if begun else None, ended_at=end, host=one.host if begun else None,
            title="train",
        )  # fmt: skip
        tasks.append((one.job.project, instance))
        if begin is not None:
            said: dict[str, object] = {
                "v": 1, "try": 1, "project": one.job.project,
                "outcome": "succeeded" if ended else "running", "started_at": begin.isoformat(),
                "memory": {"peak_bytes": round(one.job.needs.memory_bytes * 0.8)},
                "runs": [{"run_id": seed.run_id(1, 0)}],
            }  # fmt: skip
            said |= {"ended_at": end.isoformat()} if end else {}
            evidence.append(((dag_id, run_id, "train", -1), said, ended))
    store.write_runs(runs, {})
    store.write_tasks(tasks)
    for key, said, settled in evidence:
        store.write_evidence(key, said, settled=settled)


def _write_waits(store: WorkflowStore, outcomes: list[Outcome], at: float) -> None:
    ended: list[dict[str, object]] = []
    opened: list[dict[str, object]] = []
    for number, one in enumerate(outcomes):
        begin = one.begin if one.begin is not None and one.begin <= at else None
        stop = begin if begin is not None else at
        cut = one.job.submitted + (stop - one.job.submitted) * 0.55
        kinds = (("order", "Its turn comes after others."), _second(number))
        stretches = [(*kinds[0], one.job.submitted, cut), (*kinds[1], cut, stop)]
        if begin is not None:
            until = one.end if one.end is not None else at
            stretches.append(("running", f"It runs on {one.host}.", begin, min(until, at)))
        for place, (kind, said, first, last) in enumerate(stretches):
            is_open = place == len(stretches) - 1 and last >= at
            if last - first < 1:
                continue
            row: dict[str, object] = {
                "job": one.job.id, "project": one.job.project, "kind": kind, "said": said,
                "begin_ms": round(first * 1000), "end_ms": None if is_open else round(last * 1000),
            }  # fmt: skip
            (opened if is_open else ended).append(row)
    store.write_waits(ended, opened, round(at * 1000))


def _second(number: int) -> tuple[str, str]:
    return (
        ("memory", "It lacks 3.2 GB of memory on studio-1a2b3c4d."),
        ("thermal", HOT),
        ("order", "Its turn comes after others."),
        ("quota", "Its project had all of its quota."),
        ("dependency", "It follows the task data_pull."),
    )[number % 5]


def _write_decisions(store: WorkflowStore, at: float) -> None:
    told = (
        (5 * 86_400.0, "open", "single", 1.0),
        (5 * 86_400.0 - 2_400, "single", "open", 0.0),
        (2 * 86_400.0, "open", "hold", 2.0),
        (2 * 86_400.0 - 1_900, "hold", "open", 0.0),
        (1_320.0, "open", "hold", 2.0),
    )
    host = HOSTS[1].host
    for back, before, stance, level in told:
        figures = [
            {"metric": "thermal_level", "value": level, "source": "notifyd", "at": at - back,
             "reason": ""},
            {"metric": "battery_ratio", "value": None, "source": "", "at": None,
             "reason": "it has no battery"},
        ]  # fmt: skip
        normal = stance == "open"
        said = f"{host} was normal for 60 s: jobs start again." if normal else HOT
        document = {
            "before": before, "stance": stance, "rule": "none" if normal else "heat",
            "said": said, "figures": figures,
        }  # fmt: skip
        store.write_decision(host, round((at - back) * 1000), document, said)


def _moment(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)


def long_ago(minutes: float) -> datetime:
    """Return a time so many minutes back."""
    return datetime.now(UTC) - timedelta(minutes=minutes)
