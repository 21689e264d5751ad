"""Failed workflows and outages over real stores: mirror, journal, telemetry, what was seen."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.actions.journal import Journal
from services.alerting import deciding
from services.alerting.models import Event, Policy
from services.causes.beside import Sources, of_outage, of_workflow
from services.controller import __main__
from services.engines.silicon.machine import own_id
from services.errors import NotFoundError
from services.home import Home
from services.mirror.queries import Mirror
from services.mirror.workflow_queries import Workflows
from services.serving import in_service
from services.serving import store as deployments
from services.serving.in_service import Run
from services.settings import Settings
from services.telemetry.store import Store
from tests import workflows_seed
from tests.services.telemetry.recordings import BUSY, MAC, sample

NAME = "lora.net"


@pytest.fixture
def sources(home: Home) -> Iterator[Sources]:
    journal, telemetry = Journal.open(Settings()), Store(home.telemetry, merge_in_background=False)
    yield Sources(home, journal, Mirror.open(Settings()), telemetry)
    telemetry.close()
    journal.close()


def down(sources: Sources, name: str, title: str, since: float, until: float) -> None:
    said = Event(f"engine/{name}", since, "firing", title=title, labels={"engine": name})
    deciding.decide(sources.journal, [said], since, Policy())
    over = replace(said, at=until, state="ok", said="It answers again.")
    deciding.decide(sources.journal, [over], until, Policy())


def test_a_failed_workflow_is_explained_by_its_task_and_by_what_was_down(sources: Sources):
    workflows_seed.add(Settings().mirror_url)
    dag_id, run_id = workflows_seed.TRAIN, workflows_seed.FAILED
    run = Workflows(sources.mirror).run(dag_id, run_id)
    assert run.ended_at is not None
    ended = run.ended_at.timestamp()
    down(sources, "mlflow", "MLflow is down", ended - 30, ended + 30)
    found = of_workflow(sources, dag_id, run_id, time.time())
    assert [one.kind for one in found.every][:2] == ["task", "engine"]
    assert found.every[0].title.startswith("The task train failed: ")
    assert workflows_seed.CAUSE.partition(":")[0] in found.every[0].title
    assert found.every[-1].kind == "streak"
    with pytest.raises(NotFoundError):
        of_workflow(sources, dag_id, "no such run", time.time())


def test_an_outage_is_explained_by_what_was_seen_at_its_time(sources: Sources):
    now = time.time()
    begin, end = now - 1200.0, now - 600.0
    runs = (Run(now - 7200, begin, "up"), Run(begin, end, "down"), Run(end, now, "up"))
    in_service.write(sources.home, {NAME: runs, "other.net": ()})
    down(sources, "gateway", "Gateway is down", begin, begin + 300)
    host = own_id(sources.home.run / "host-id")
    machine = replace(MAC, host=host)
    level = {**BUSY, "memory_pressure": 4}
    first = round(begin)
    sources.telemetry.introduce(machine, ())  # type: ignore[attr-defined]  # it is the store
    for second in range(60):
        at = datetime.fromtimestamp(first + second, UTC)
        one = replace(sample(0, level, machine=machine), at=at)
        sources.telemetry.append(one)  # type: ignore[attr-defined]
    found = of_outage(sources, "lora", "net", now)
    assert [one.kind for one in found.every] == ["engine", "memory"]
    assert found.every[0].share == pytest.approx(0.5)
    assert of_outage(sources, "other", "net", now).every == ()
    assert of_outage(sources, "none", "net", now).every == ()


def test_what_its_history_tells_explains_an_outage_of_an_older_day(sources: Sources):
    now = time.time()
    deployments.record_event(sources.journal, NAME, "restarted", "It ended with 137.", version=2)
    later = now + 86_400.0
    in_service.write(sources.home, {NAME: (Run(now - 10, now + 60, "down"),)})
    (first,) = of_outage(sources, "lora", "net", later).every
    assert first.title == "Its model servers ended and began anew: It ended with 137"
    assert of_outage(sources, "lora", "net", now + 5 * 86_400.0).every == ()


def test_the_controller_finds_the_causes_of_both(sources: Sources):
    workflows_seed.add(Settings().mirror_url)
    now = time.time()
    in_service.write(sources.home, {NAME: (Run(now - 600, now, "down"),)})
    down(sources, "gateway", "Gateway is down", now - 700, now)
    workflow = {"workflow": workflows_seed.TRAIN, "workflow_run": workflows_seed.FAILED}
    events = (
        Event("workflow/a", now, "firing", labels=workflow),
        Event(f"availability/{NAME}", now, "firing", labels={"endpoint": NAME}),
    )
    found = __main__._causes(sources.home, sources.journal, sources.mirror)
    found._patience_s = 60.0
    first, second = found.explained(events)
    found.close()
    assert first.cause.startswith("The task train failed: ")
    assert first.labels["why"].startswith("/workflows?dag=")
    assert second.cause.startswith("Gateway was down (100 % of the time out of service).")
