"""The controller process: ``python -m services.controller``, started by the supervisor."""

import contextlib
import functools
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from types import FrameType

from sqlalchemy import Engine

from services.actions import history
from services.actions.action import Context
from services.actions.executor import Executor
from services.actions.history import AliasEvent
from services.actions.journal import Journal
from services.alerting.sending import Sender
from services.causes import explain
from services.causes.following import Asked, Follower, Found
from services.controller import (
    airflow,
    alerts,
    in_service,
    lineage,
    monitoring,
    queue,
    reports,
    retraining,
    run_use,
    serving,
    workflows,
    workforce,
)
from services.controller.airflow import AirflowWatch
from services.controller.alerts import WORKFLOW, AlertWatch, Sources
from services.controller.in_service import InServiceWatch
from services.controller.known import Known
from services.controller.loops import Loop
from services.controller.monitoring import LatestVerdicts, MonitoringWatch
from services.controller.queue import QueueLoop
from services.controller.reports import PATIENCE_S, ReportWatch
from services.controller.retraining import RetrainingWatch
from services.controller.run_use import RunUseWatch
from services.controller.serving import ServingWatch
from services.controller.telemetry import INTERVAL_S, TelemetryWatch
from services.controller.wants import Wants
from services.controller.watch import ProjectWatch
from services.controller.workflows import WorkflowSync
from services.controller.workforce import Workforce
from services.engines.mlflow.feed import FeedReader
from services.engines.registry import Engines, build_airflow, build_edge, build_engines
from services.engines.silicon.machine import own_id
from services.errors import EngineError, MlopsError, PlatformError
from services.home import Home
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.mirror.sync import MirrorSync
from services.mirror.workflow_queries import Workflows
from services.mirror.workflow_store import WorkflowStore
from services.monitoring.store import VerdictStore
from services.platform import public_address
from services.platform.files import write_text
from services.platform.secrets import project_token
from services.projects.contract import Project
from services.settings import Settings
from services.telemetry.store import Store as Telemetry
from services.workflows.specs import Specs

logger = logging.getLogger("services.controller")

_ACTIONS_INTERVAL_S = 0.1
_REMOTE_INTERVAL_S = 10.0
_HEARTBEAT_S = 1.0
_FRESHNESS_S = 5.0
_STARTING_S = 60.0
"""MLflow starts beside us: so long its silence is no event."""
_ASKED_S = 5.0
"""Whoever decides every second waits no longer for Airflow."""
_DETAIL_LIMIT = 600
_REPORT_SIZE = 4096


@dataclass(slots=True)
class Mirroring:
    """The mirror loop: follow MLflow, note alias moves in the journal, say how MLflow answered."""

    sync: MirrorSync
    store: Store
    journal: Journal
    engines: Engines
    wants: Wants
    _said_at: float = 0.0
    _alive_at: float = 0.0
    _answered: bool = False
    _began_at: float = field(default_factory=time.monotonic)

    def turn(self) -> None:
        """One cycle.

        Raises:
            EngineError: MLflow is away.
        """
        if time.monotonic() - self._alive_at > _FRESHNESS_S:
            self.store.write_engine("controller", "Controller", "live")
            self._alive_at = time.monotonic()
        try:
            done = self.sync.cycle()
            self.wants.turn()
            if time.monotonic() - self._said_at > _FRESHNESS_S:
                # An idle cycle asks MLflow nothing, so ask it now and then whether it is there.
                self.engines.mlflow.version()
                self.store.write_engine("mlflow", "MLflow", "live")
                self._said_at = time.monotonic()
                self._answered = True
        except EngineError as error:
            gone = self._answered or time.monotonic() - self._began_at > _STARTING_S
            reason = error.message if gone else f"It may still be starting: {error.message}"
            self.store.write_engine(
                "mlflow", "MLflow", "down" if gone else "stale", reason, error.hint, event=gone
            )
            self._said_at = 0.0
            raise
        for project, event in done.alias_events:
            model, _, alias = event.subject.rpartition("@")
            version = None if event.after is None else int(event.after)
            history.record(
                self.journal,
                AliasEvent(project, model, alias, version, history.OBSERVED, None),
            )


def build(home: Home, settings: Settings) -> list[Loop]:
    """Open everything and return the loops."""
    database, sentence = schema.prepare(settings.mirror_url)
    store = Store(database)
    if sentence:
        store.note("mirror.rebuilt", sentence)
    journal = Journal.open(settings)
    mirror = Mirror.open(settings)
    engines = build_engines(home, settings.mlflow_url, settings.mlflow_port)
    feed = None if settings.mlflow_url else FeedReader(home.mlflow / "changes")
    sync = MirrorSync(
        store,
        engines.mlflow,
        feed,
        lost_after_s=settings.lost_after_s,
        lost_without_heartbeat_s=settings.lost_without_heartbeat_s,
    )
    mirroring = Mirroring(sync, store, journal, engines, Wants(journal, mirror, sync))
    context = Context(journal, mirror, engines.mlflow, engines.mlflow)
    data = context.data
    executor, mover, deployer = (Executor(context) for _ in range(3))
    flows, publish = _flows(home, settings, database, mirror)
    watch = ProjectWatch(
        Store(database),
        engines.mlflow,
        home,
        root=settings.projects_root,
        mlflow_url=engines.mlflow_url,
        registered=journal.project_paths,
        token=partial(project_token, home),
        configure=data.configure,
        publish=publish,
    )

    served = ServingWatch(Store(database), home, enabled=settings.serving_enabled)
    serves = settings.serving_enabled
    verdicts = LatestVerdicts(home, journal) if serves else None
    rules = Sources(home, journal, mirror, verdicts).rules(serves=serves)
    noting = InServiceWatch(home, journal)
    checks = MonitoringWatch(
        home, journal, Workflows(mirror) if settings.airflow_enabled else None, WORKFLOW
    )
    public = public_address.known(home, settings.dashboard_url)
    watching = AlertWatch(
        home, journal, rules, causes=_causes(home, journal, mirror), public=public
    )
    patience_s = PATIENCE_S if settings.airflow_enabled else 0.0
    retrains = RetrainingWatch(context, home, public=public)
    reporting = ReportWatch(home, journal, partial(public_address.before, home, public), patience_s)
    used = RunUseWatch(mirror, Telemetry(home.telemetry), engines.mlflow)

    def act() -> bool:
        return executor.execute_pending(lane="quick") > 0

    def move() -> bool:
        return mover.execute_pending(lane="data") > 0

    def deploy() -> bool:
        return deployer.execute_pending(lane="serving") > 0

    def send() -> None:
        data.push_waiting()

    return [
        Loop("mirror", mirroring.turn, settings.sync_interval_s),
        Loop("actions", act, _ACTIONS_INTERVAL_S),
        Loop("data", move, _ACTIONS_INTERVAL_S),
        Loop("serving", deploy, _ACTIONS_INTERVAL_S),
        Loop("remote", send, _REMOTE_INTERVAL_S),
        Loop("projects", watch.turn, settings.discovery_interval_s),
        Loop("airflow", AirflowWatch(Store(database), home).turn, airflow.INTERVAL_S),
        Loop("telemetry", TelemetryWatch(Store(database), home.run).turn, INTERVAL_S),
        Loop("endpoints", served.turn, serving.INTERVAL_S),
        Loop("run use", used.turn, run_use.INTERVAL_S),
        Loop("alerts", watching.turn, alerts.INTERVAL_S),
        *([Loop("in service", noting.turn, in_service.INTERVAL_S)] if serves else []),
        *([Loop("monitoring", checks.turn, monitoring.INTERVAL_S)] if serves else []),
        Loop("retraining", retrains.turn, retraining.INTERVAL_S),
        Loop("notifications", Sender(journal, home, public=public).turn, alerts.SENDING_INTERVAL_S),
        Loop("reports", reporting.turn, reports.INTERVAL_S),
        *_lineage(home, settings, mirror, journal),
        *flows,
    ]


def _lineage(home: Home, settings: Settings, mirror: Mirror, journal: Journal) -> list[Loop]:
    """Return the loop that sends OpenLineage events; none where nothing says where to."""
    to = settings.openlineage_to
    if not to:
        return []
    sending = lineage.watch(home, mirror, journal, to, private=settings.openlineage_private)
    return [Loop("lineage", sending.turn, lineage.INTERVAL_S)]


def _causes(home: Home, journal: Journal, mirror: Mirror) -> Follower:
    """Return what finds why a deployment got worse; what it reads is opened when it first looks."""

    @functools.cache
    def verdicts() -> VerdictStore:
        return VerdictStore(home)

    def search(asked: Asked) -> Found:
        from services.causes import beside, gathering  # loads what reads the prediction log

        telemetry, now = Telemetry(home.telemetry), time.time()
        first, second, topic = asked
        others = beside.Sources(home, journal, mirror, telemetry)
        if topic == "workflow":
            return beside.of_workflow(others, first, second, now)
        if topic == "outage":
            return beside.of_outage(others, first, second, now)
        sources = gathering.Sources(home, journal, mirror, telemetry, verdicts())
        return explain(gathering.case(sources, first, second, topic, now))

    return Follower(search)


def _flows(
    home: Home, settings: Settings, database: Engine, mirror: Mirror
) -> tuple[list[Loop], Callable[[Iterable[Project]], None]]:
    """Return the loops about workflows, and who is told what projects there are."""
    specs = Specs(home)
    if not settings.airflow_enabled:
        return [], specs.write
    store, flows = WorkflowStore(database), Workflows(mirror)
    known = Known(mirror, flows, build_airflow(home, settings, _ASKED_S))
    here = own_id(home.run / "host-id")
    edge = build_edge(home, settings, _ASKED_S) if settings.airflow_workers else None
    force = Workforce(edge, here, home.run / "workers.json")
    sync = WorkflowSync(store, flows, build_airflow(home, settings), home.airflow / "evidence")
    decided = QueueLoop(
        home,
        store,
        flows,
        build_airflow(home, settings, _ASKED_S),
        known,
        Telemetry(home.telemetry),
        force,
        here,
        partial(airflow.away, mirror),
    )

    def publish(projects: Iterable[Project]) -> None:
        found = tuple(projects)
        known.publish(found)
        specs.write(found, force.routes(found, known.needs))

    loops = [
        Loop("workflows", sync.turn, workflows.INTERVAL_S),
        Loop("queue", decided.turn, queue.INTERVAL_S),
        *([Loop("workers", force.turn, workforce.INTERVAL_S)] if edge else []),
    ]
    return loops, publish


@contextlib.contextmanager
def _heart(home: Home, loops: list[Loop]) -> Iterator[threading.Event]:
    """Yield the event that ends the process on SIGTERM or SIGINT."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        yield ended
    finally:
        for loop in loops:
            loop.stop()
        (home.run / "controller.json").unlink(missing_ok=True)


def beat(home: Home, loops: list[Loop]) -> None:
    """Write how the loops do; on a full disk over the last report, which takes no room."""
    troubles = [f"{loop.name}: {loop.health.error}" for loop in loops if loop.health.error]
    detail = "; ".join(troubles)[:_DETAIL_LIMIT] or "all well"
    # Padded: a longer report still fits where a shorter one lies.
    said = json.dumps({"pid": os.getpid(), "at": time.time(), "detail": detail}).ljust(_REPORT_SIZE)
    path = home.run / "controller.json"
    try:
        write_text(path, said, durable=False)
    except PlatformError:
        with contextlib.suppress(OSError), path.open("r+b") as file:
            file.write(said.encode())


def main() -> int:
    """Run until told to stop; 1 when a loop met a bug, so that the supervisor starts it afresh."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    home, settings = Home.locate(), Settings()
    home.create()
    try:
        loops = build(home, settings)
    except MlopsError as error:
        logger.error("%s", error)  # noqa: TRY400 - a sentence for the log, the traceback says nothing
        return 1
    for loop in loops:
        loop.start()
    with _heart(home, loops) as ended:
        while not ended.wait(_HEARTBEAT_S):
            if any(loop.health.crash is not None for loop in loops):
                return 1
            beat(home, loops)
    return 0


if __name__ == "__main__":
    sys.exit(main())
