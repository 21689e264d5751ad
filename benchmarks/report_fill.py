"""A large installation for the benchmark of reports, with a little of all that a report tells.

What is written exists to be counted, is the same each time but for the moment it ends at, and is
never shown as a result.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, text

from benchmarks import lineage
from benchmarks.lineage import PROJECTS
from benchmarks.technique_costs import conditions
from services.actions.journal import Journal
from services.alerting import deciding
from services.alerting.models import Event, Policy
from services.data.remote import Remote
from services.data.service import DataService
from services.engines.silicon.models import Machine, ProviderState, Sample
from services.engines.silicon.provider import measured
from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.monitoring.models import ColumnVerdict, Family, Histogram, Verdict
from services.monitoring.store import VerdictStore, verdict_id
from services.objectives import store as objectives
from services.objectives.models import Objective
from services.predictions.compaction import Compactor
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback, Record
from services.retraining import models as retraining
from services.retraining import store as retrainings
from services.retraining.models import BY_POLICY, Data, Evidence, Gain, Proposal, Range
from services.telemetry.models import Event as Happening
from services.telemetry.store import Store as Telemetry
from tests.deployments_seed import request_id

DAY = 86_400.0
DAYS = 14
"""A period of a week and the one before."""
VERSIONS, ALERTS, RETRAININGS, LABELLED, TECHNIQUES = 20, 500, 60, 10, 6
"""Data versions a project; one answer in ``LABELLED`` has a label."""
_KINDS: tuple[Family, ...] = ("data", "prediction", "quality", "accuracy")
_COLUMNS = 20
_BARS = Histogram(tuple(float(n) for n in range(11)), (), (0.1,) * 10)
_HOSTS = ("mac-0", "mac-1")
_SAMPLE_S = 30.0


def fill(home: Home, runs: int, requests: int, until: float) -> None:
    """Write all of it, up to a moment."""
    lineage.fill(home, runs, 5_000)
    _runs(home, runs, until)
    journal = Journal(f"sqlite:///{home.databases / 'journal.sqlite'}")
    _checks(home, until)
    _alerts(journal, until)
    _retrainings(journal, until)
    _promises(journal, until)
    journal.close()
    _log(home, requests, until)
    _machines(home, until)
    _data(home)


def _runs(home: Home, runs: int, until: float) -> None:
    """Spread the runs of lineage over both periods, each with a technique and what it cost."""
    engine = schema.open_engine(f"sqlite:///{home.databases / 'mirror.sqlite'}")
    for project in PROJECTS:
        document = {"title": project, "kind": "large", "priority": 1, "path": f"/x/{project}",
                    "primary_metric": "val_accuracy", "goal": "max"}  # fmt: skip
        Store(engine).write_project(project, "connected", document)
    begun, each = (until - DAYS * DAY) * 1000, DAYS * DAY * 1000 / runs
    spread = text(
        "UPDATE runs SET started_ms = :begun + CAST((rid - 1) * :each AS INTEGER), "
        "ended_ms = :begun + CAST((rid - 1) * :each AS INTEGER) + 60000 + rid % 1000 * 60, "
        "technique = 'technique-' || (rid / 9 % :some), baseline = (rid / 9 % :some = 0)"
    )
    names = ("val_accuracy", "system/energy_j", "system/peak_memory_bytes")
    tags = ("mlops.energy.quality", "mlops.energy.boundary", "mlops.chip", "mlops.conditions")
    with engine.begin() as connection:
        connection.execute(spread, {"begun": begun, "each": each, "some": TECHNIQUES})
        keys = [{"key_id": 100 + n, "kind": "m", "name": name} for n, name in enumerate(names)]
        keys += [{"key_id": 200 + n, "kind": "t", "name": name} for n, name in enumerate(tags)]
        connection.execute(insert(schema.keys), keys)
    lineage.write_many(engine, schema.metrics, _metrics(runs))
    lineage.write_many(engine, schema.tags, _tags(runs))
    engine.dispose()


def _metrics(runs: int) -> Iterator[dict[str, object]]:
    chance = random.Random(2)  # noqa: S311 - the same each time
    for rid in range(1, runs + 1):
        technique = rid // 9 % TECHNIQUES
        values = (chance.gauss(0.8 + technique / 60, 0.01), 600 * chance.gauss(1, 0.05),
                  chance.gauss(4e8 + 1e8 * technique, 1e6))  # fmt: skip
        for number, value in enumerate(values):
            yield {"key_id": 100 + number, "rid": rid, "value": value, "step": 0, "at_ms": 0}


def _tags(runs: int) -> Iterator[dict[str, object]]:
    chance = random.Random(3)  # noqa: S311 - the same each time
    for rid in range(1, runs + 1):
        said = ("measured", "cpu+gpu+ane", "Apple M4", conditions(chance, 60.0).to_json())
        for number, value in enumerate(said):
            yield {"key_id": 200 + number, "rid": rid, "value": value}


def _checks(home: Home, until: float) -> None:
    store, chance = VerdictStore(home), random.Random(5)  # noqa: S311 - the same each time
    for hour in range(14 * 24, 0, -1):
        for project in PROJECTS:
            at = until - hour * 3600
            store.record([_verdict(project, kind, at, chance) for kind in _KINDS])
    store.close()


def _verdict(project: str, kind: Family, at: float, chance: random.Random) -> Verdict:
    drifted = chance.random() < 0.1
    columns = tuple(
        ColumnVerdict(
            f"input.column_{n}", "input", "numeric", "drifted" if drifted and n < 3 else "steady",
            chance.random(), 0.1, "Wasserstein", 0.01, 2000, 2000, 0.05, _BARS, _BARS, "moved",
        )
        for n in range(_COLUMNS)
    )  # fmt: skip
    return Verdict(
        verdict_id(at), project, "model", 1, kind, at, "evaluation", at - 3600, at, 2000, columns,
        0.15 if drifted else 0.0, "medium" if drifted else "none",
        "drifted" if drifted else "steady", f"{kind} of {project}",
    )  # fmt: skip


def _alerts(journal: Journal, until: float) -> None:
    for number in range(ALERTS):
        at = until - (DAYS - 1) * DAY + number * 2000
        project = PROJECTS[number % 9]
        one = Event(
            f"drift/{project}/model-{number}/data", at, "firing", "warning", project,
            f"Drift {number}", "It drifted.", "A column moved.",
        )  # fmt: skip
        over = Event(one.key, at + 1500, "ok", said="It is steady.")
        deciding.decide(journal, [one], at, Policy())
        deciding.decide(journal, [over], at + 1500, Policy())


def _retrainings(journal: Journal, until: float) -> None:
    """Write retrainings that ended one way or the other, a few each day."""
    for number in range(RETRAININGS):
        at = until - DAYS * DAY * (1 - number / RETRAININGS)
        project = PROJECTS[number % 9]
        state: retraining.State = ("promoted", "dropped", "failed")[number % 3]
        draft = Proposal(
            0, project, "model", 1, None, f"thread-{number}", f"Three of {_COLUMNS} columns moved.",
            Data(f"{number:016x}", f"{number + 1:016x}", newer=True, said="The newest version."),
            Range(10.0, 8.0, 14.0, 5), Range(500.0, 400.0, 700.0, 5),
            Gain("val_accuracy", "max", Range(0.01, 0.0, 0.02, 5)), "open", BY_POLICY, at,
            evidence=(Evidence(at, f"It moved, the {number}th time."),),
        )  # fmt: skip
        kept = retrainings.put(journal, draft)
        after = replace(
            kept, state=state, approved_by=BY_POLICY, decided_at=at + 60,
            reason="The project's policy allows it.", candidate=2, run_id="f" * 32,
            workflow=(f"{project}.retrain", f"run-{number}"), took_minutes=9.0 + number % 5,
            took_joules=450.0 + number, ended_at=at + 3600, change=0.01 * (number % 4 - 1),
            judged="No guard spoke, and its labels say that it is not worse.",
        )  # fmt: skip
        retrainings.change(journal, kept.id, lambda _, after=after: (after, ()))
    for project in PROJECTS:
        policy = retraining.Policy("automatic", budget_minutes=120.0, budget_joules=5_000.0)
        retrainings.set_policy(journal, project, policy, "bench", until)


def _promises(journal: Journal, until: float) -> None:
    for project in PROJECTS:
        for one in (
            Objective("availability", 0.995, 14, set_by="bench", set_at=until),
            Objective("latency", 0.95, 14, 250.0, set_by="bench", set_at=until),
            Objective("accuracy", 0.7, 14, set_by="bench", set_at=until),
        ):
            objectives.put(journal, project, "model", one)


def _log(home: Home, requests: int, until: float) -> None:
    """Write predictions with inputs and outputs, and the labels of some of them."""
    log, chance = PredictionLog.open(home, "gateway"), random.Random(7)  # noqa: S311 - the same
    for number in range(requests):
        at = until - DAYS * DAY * (1 - number / requests)
        project, answer = PROJECTS[number % 9], chance.choice(("yes", "no"))
        one = Record(
            request_id(at, chance), at, project, "model", 1, "plain",
            500 if chance.random() < 0.002 else 200, chance.lognormvariate(3, 0.4),
            energy_j=0.02 + chance.random() / 100,
            inputs={f"column_{n}": [chance.random()] for n in range(_COLUMNS)},
            outputs={"label": [answer]},
        )  # fmt: skip
        log.append(one)
        if number // 9 % LABELLED == 0:
            right = chance.random() < 0.85
            log.append_feedback(Feedback(one.id, at, answer if right else "neither"))
    log.close()
    compactor = Compactor(home, 30.0)
    compactor.run(until)
    compactor.close()


def _machines(home: Home, until: float) -> None:
    """Write two weeks of two Macs, a sample each half minute."""
    store, chance = Telemetry(home.telemetry, merge_in_background=False), random.Random(9)  # noqa: S311
    macmon = (ProviderState("macmon", "0.8.2", usable=True, gives=("package_w", "system_w")),)
    for host in _HOSTS:
        store.introduce(Machine(host, "Apple M4", apple_silicon=True, os="macOS 27.0",
                                memory_bytes=32 << 30), macmon)  # fmt: skip
    steps = int((DAYS - 0.5) * DAY / _SAMPLE_S)  # older samples than two weeks are not taken
    for number in range(steps):
        at = datetime.fromtimestamp(until, UTC) - timedelta(seconds=(steps - number) * _SAMPLE_S)
        for host in _HOSTS:
            watts = 4 + 20 * chance.random()
            said: Mapping[str, float] = {
                "package_w": watts, "system_w": watts + 6, "gpu_temperature_c": 40 + watts,
                "thermal_level": float(chance.random() < 0.01),
            }  # fmt: skip
            readings = tuple(measured(name, value, "macmon 0.8.2", window_s=_SAMPLE_S)
                             for name, value in said.items())  # fmt: skip
            store.append(Sample(host, at, _SAMPLE_S, readings))
        if number % 500 == 0:
            store.note(Happening(at, _HOSTS[0], "throttling.began", "It is hot."))
    store.close()


def _data(home: Home) -> None:
    """Write nine data repositories whose history says what was tracked."""
    service = DataService(Remote(home))
    for project in PROJECTS:
        service.configure(project, home.root / "projects" / project)
        repository = service.project(project).repository
        for number in range(VERSIONS):
            trailers = {"Mlops-Kind": "data", "Mlops-Revision": f"{number + 1:016x}",
                        "Mlops-Files": "300", "Mlops-Bytes": str(4_000_000 + number)}  # fmt: skip
            repository.commit("Track data", trailers, [])
