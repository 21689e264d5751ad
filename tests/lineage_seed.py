"""One thread from data to a second training, things beside it, and links that lead nowhere.

DATA ─ lora.train/one ─ RUN ─ version 1 (live, packed) ─ predictions ─ verdict ─ alert
                                               retraining ─ lora.retrain/two ─ NEXT ─ version 2
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import insert

from services.actions import schema as journal_schema
from services.actions.journal import Journal
from services.alerting import deciding
from services.alerting import store as alerts
from services.alerting.models import Policy
from services.alerting.rules import drift
from services.data.remote import Remote
from services.data.service import DataService
from services.engines.airflow.models import DagRun
from services.engines.mlflow.models import Model, TrackedRun, Version
from services.errors import PlatformError
from services.home import Home
from services.lineage.sources.watched import Judged, Proposed, Raised
from services.mirror import schema
from services.mirror.store import Store
from services.mirror.workflow_store import WorkflowStore
from services.monitoring.models import Verdict
from services.monitoring.store import VerdictStore
from services.predictions.log import PredictionLog
from services.predictions.models import Record
from services.retraining import store as retrainings
from services.serving import bundle, paths, store
from services.serving.models import Endpoint, Rollout, Target
from tests.deployments_seed import request_id
from tests.services.mirror.workflow_things import at, dag_run, task
from tests.services.retraining.things import evidence, running

LORA, CLIP, FEDERATED = "lora-finetuning", "clip-finetuning", "federated-learning"
DATA, MODELS, OTHER_DATA, LOST_DATA = (one * 16 for one in "dabc")
TRAIN, RETRAIN, FED = f"{LORA}.train", f"{LORA}.retrain", f"{FEDERATED}.federated"
NOW = time.time()


def run_id(number: int) -> str:
    return f"{number:02x}" * 16


RUN, NEXT, SHARED, CLIENT, SERVER, LOOSE, GONE = (run_id(n) for n in range(1, 8))


def tracked(run: str, minutes: float, **tags: str) -> TrackedRun:
    begun = int((NOW - minutes * 60) * 1000)
    named = {f"mlops.{name.replace('_', '.')}": value for name, value in tags.items()}
    return TrackedRun(
        run_id=run, experiment_id="1", name=f"run-{run[:2]}", status="finished", user="mira",
        started_ms=begun, ended_ms=begun + 60_000, deleted=False, artifact_uri=None, metrics={},
        params={}, tags=named,
    )  # fmt: skip


def version(name: str, number: int, run: str | None, minutes: float, **tags: str) -> Version:
    named = {f"mlops.{key.replace('_', '.')}": value for key, value in tags.items()}
    made = int((NOW - minutes * 60) * 1000)
    return Version(name, number, run, made, "READY", "", "", named)


def mirror(url: str) -> None:
    """Write what engines said."""
    engine, _ = schema.prepare(url)
    written = Store(engine)
    for project in (LORA, CLIP, FEDERATED):
        document = {"title": project, "kind": "easy", "priority": 1, "path": f"/x/{project}"}
        written.write_project(project, "connected", document)
    written.write_runs(LORA, (
        tracked(RUN, 90, data_revision=DATA, models_revision=MODELS,
                task=f"{TRAIN}/one/train/1"),
        tracked(NEXT, 20, data_revision=DATA, task=f"{RETRAIN}/two/train/1"),
        tracked(LOOSE, 10, data_revision=LOST_DATA, task=f"{TRAIN}/forgotten/train/1"),
    ))  # fmt: skip
    written.write_runs(CLIP, (tracked(SHARED, 60, data_revision=DATA),))
    written.write_runs(FEDERATED, (
        tracked(CLIENT, 50, data_revision=OTHER_DATA, task=f"{FED}/round/client/1"),
        tracked(SERVER, 49, task=f"{FED}/round/server/1"),
    ))  # fmt: skip
    lora = [
        version(LORA, 1, RUN, 80, data_revision=DATA), version(LORA, 2, NEXT, 15),
        version(LORA, 3, GONE, 200, data_revision=OTHER_DATA), version(LORA, 4, None, 300),
    ]  # fmt: skip
    written.write_registry(LORA, [Model(LORA, "", 0, 0, {"champion": 1}, {})], lora)
    written.write_registry(CLIP, [Model(CLIP, "", 0, 0, {}, {})], [version(CLIP, 1, SHARED, 55)])
    federated = [version(FEDERATED, 1, SERVER, 45)]
    written.write_registry(FEDERATED, [Model(FEDERATED, "", 0, 0, {}, {})], federated)
    flows = WorkflowStore(engine)
    release = flow(f"{LORA}.release", "rel", kind="asset_triggered", run_after=at(70))
    runs = [(LORA, flow(TRAIN, "one")), (LORA, flow(RETRAIN, "two")), (LORA, release)]
    runs.append((FEDERATED, flow(FED, "round")))
    flows.write_runs(runs, {(f"{LORA}.release", "rel"): (TRAIN, "one")})
    flows.write_tasks([(LORA, task("train", "success", TRAIN, "one"))])
    made = {"runs": [{"run_id": RUN}, {"run_id": run_id(99)}]}
    flows.write_evidence((TRAIN, "one", "train", -1), made, settled=True)
    for name, title in (("controller", "Controller"), ("mlflow", "MLflow"), ("airflow", "Airflow")):
        written.write_engine(name, title, "live")
    engine.dispose()


def flow(dag: str, run: str, **more: object) -> DagRun:
    return dag_run(dag, run, "success", **more)


def journal(url: str) -> None:
    """Write what is deployed: version 1 of lora live, 2 on its way; clip's without a bundle."""
    opened = Journal(url)
    deployed(opened)
    opened.close()


def deployed(opened: Journal) -> None:
    """Write it into a journal."""
    ends = (
        Endpoint(LORA, LORA, Target(1), Rollout(Target(2), actor="mira")),
        Endpoint(CLIP, CLIP, Target(1)),
    )
    table = journal_schema.serving_endpoints
    with opened.write() as connection:
        for one in ends:
            connection.execute(insert(table).values(
                name=one.name, project=one.project, model=one.model,
                desired=orjson.dumps(one.as_json()).decode(), generation=1,
                changed_ms=int(NOW * 1000),
            ))  # fmt: skip
    for one in ends:
        store.record_event(opened, one.name, "live", "It answers.", version=1)
    store.record_event(opened, f"{LORA}.{LORA}", "live", "It answered.", version=3)


def files(home: Home) -> None:
    """Write the bundle of version 1, its predictions, and the data repositories."""
    folder = paths.bundle(home, LORA, LORA, 1)
    folder.mkdir(parents=True)
    (folder / bundle.INFO).write_text("{}")
    predicted(home, LORA, LORA, 1)
    repositories(home)


def predicted(home: Home, project: str, model: str, number: int, count: int = 3) -> None:
    """Answer some requests."""
    log, chance = PredictionLog.open(home, "gateway"), random.Random(7)  # noqa: S311
    for second in range(count):
        when = NOW - 60 + second
        row = Record(request_id(when, chance), when, project, model, number, "plain", 200, 3.0)
        log.append(row)
    log.close()


def repositories(home: Home) -> None:
    """Make data repositories whose history says what was tracked."""
    service = DataService(Remote(home))
    shown = ((LORA, "data", DATA), (LORA, "models", MODELS), (CLIP, "data", DATA),
             (FEDERATED, "data", OTHER_DATA))  # fmt: skip
    for project, kind, revision in shown:
        service.configure(project, home.root / "projects" / project)
        service.project(project).repository.commit(
            f"Track {kind}",
            {"Mlops-Kind": kind, "Mlops-Revision": revision, "Mlops-Files": "3",
             "Mlops-Bytes": "42"},
            [],
        )  # fmt: skip


def checked(home: Home, journal: Journal) -> int:
    """Keep a check of version 1 that drifted and the alert of it; return the alert's number."""
    then = NOW - 600
    verdict = Verdict(
        "v-1", LORA, LORA, 1, "data", then, "evaluation", then - 60, then, 20, (), 0.5, "high",
        "drifted", "3 of 20 columns drifted.",
    )  # fmt: skip
    kept = VerdictStore(home)
    kept.record([verdict])
    kept.close()
    deciding.decide(journal, drift.events([verdict]), then, Policy())
    return alerts.alerts(journal, [LORA])[0].id


def answered(journal: Journal, alert: int) -> int:
    """Keep the retraining that answers an alert, of which version 2 came; return its number."""
    why = (evidence(alert, at=NOW - 600),)
    draft = running(
        project=LORA, model=LORA, version=1, workflow=(RETRAIN, "two"), evidence=why,
        created_at=NOW - 500, decided_at=NOW - 400,
    )  # fmt: skip
    return retrainings.put(journal, draft).id


@dataclass
class Monitoring:
    """What monitoring will keep: a verdict, its alert, what answers it, and a retraining more."""

    fails: bool = False

    judged = Judged("v-1", LORA, LORA, 1, "data", NOW - 50 * 60, "drifted, high")
    raised = Raised("a-1", LORA, "Data drift of lora", NOW - 49 * 60, "firing", ("v-1",))
    proposed = Proposed("r-1", LORA, LORA, NOW - 30 * 60, "accepted", ("a-1",), (RETRAIN, "two"), 1)
    asked = Proposed("r-2", LORA, LORA, NOW - 5 * 60, "open", (), None, 2)

    def _asked(self) -> None:
        if self.fails:
            raise PlatformError("The verdicts cannot be read.", "See `mlops doctor`.")

    def verdicts(
        self, project: str, model: str, version: int, most: int
    ) -> tuple[Sequence[Judged], int]:
        self._asked()
        mine = (project, model, version) == (LORA, LORA, 1)
        return ((self.judged,)[:most], 30) if mine else ((), 0)

    def verdict(self, name: str) -> Judged | None:
        return self.judged if name == "v-1" else None

    def alerts(self, verdict: str, most: int) -> tuple[Sequence[Raised], int]:
        return ((self.raised,)[:most], 1) if verdict == "v-1" else ((), 0)

    def alert(self, name: str) -> Raised | None:
        return self.raised if name == "a-1" else None

    def retrainings(self, alert: str, most: int) -> tuple[Sequence[Proposed], int]:
        return ((self.proposed,)[:most], 1) if alert == "a-1" else ((), 0)

    def unprompted(
        self, project: str, model: str, version: int, most: int
    ) -> tuple[Sequence[Proposed], int]:
        mine = (project, model, version) == (LORA, LORA, 2)
        return ((self.asked,)[:most], 1) if mine else ((), 0)

    def retraining(self, name: str) -> Proposed | None:
        return {"r-1": self.proposed, "r-2": self.asked}.get(name)

    def retraining_of(self, dag: str, run: str) -> Proposed | None:
        return self.proposed if (dag, run) == (RETRAIN, "two") else None
