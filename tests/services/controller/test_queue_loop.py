"""The queue's loop on a mirror: who is released, what Airflow is told, leases, pools, reasons."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from services.controller.known import Known
from services.controller.queue import QueueLoop
from services.controller.workflows import WorkflowSync
from services.controller.workforce import Workforce
from services.engines.silicon.models import Reading
from services.errors import EngineUnreachableError
from services.home import Home
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.workflow_queries import Workflows
from services.mirror.workflow_store import WorkflowStore
from services.projects.contract import Contract, Project
from services.resources.leases import LeaseBook
from services.telemetry.models import HostState, Telemetry
from services.workflows.kept import Overrides
from services.workflows.models import Override
from tests.services.controller.told_airflow import ToldAirflow, dag
from tests.services.mirror.workflow_things import at
from tests.services.resources.machines import state as machine

if TYPE_CHECKING:
    from services.engines.airflow.adapter import Airflow

LORA, VISION = "lora.train/one/train", "vision.train/one/train"


class Machines:
    """Telemetry of one machine."""

    def __init__(self) -> None:
        self.levels: dict[str, float] = {}
        self.now = at(100).timestamp()

    def hosts(self) -> tuple[HostState, ...]:
        readings = tuple(
            Reading(name, value, "measured", "macmon 0.8.2") for name, value in self.levels.items()
        )
        moment = datetime.fromtimestamp(self.now, UTC)
        return (replace(machine(36), last_at=moment, readings=readings),)


class Desk:
    """Everything around one loop."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / "home")
        self.home.create()
        self.home.airflow.mkdir()
        url = f"sqlite:///{folder}/mirror.db"
        self.engine, _ = schema.prepare(url)
        self.mirror = Mirror(url)
        self.workflows = Workflows(self.mirror)
        self.airflow = ToldAirflow()
        self.machines = Machines()
        self.away = ""
        self.store = WorkflowStore(self.engine)
        adapter = cast("Airflow", self.airflow)
        self.known = Known(self.mirror, self.workflows, adapter)
        self.sync = WorkflowSync(
            self.store, self.workflows, adapter, folder / "evidence", lambda: self.machines.now
        )
        self.evidence = folder / "evidence"
        self.loop = self.begin()

    def begin(self) -> QueueLoop:
        """As at a start of the controller."""
        return QueueLoop(
            self.home,
            self.store,
            self.workflows,
            cast("Airflow", self.airflow),
            self.known,
            cast("Telemetry", self.machines),
            Workforce(None, "studio", self.home.run / "workers.json"),
            "studio",
            lambda: self.away,
            lambda: self.machines.now,
        )

    def project(self, name: str, **more: Any) -> None:
        given = {"id": name, "title": name.title(), "kind": "easy", "train": "python train.py",
                 "memory_limit_gb": 8, "priority": 5, **more}  # fmt: skip
        found = [Project(Path(one), c) for one, c in self.known.contracts().items()]
        self.known.publish([*found, Project(Path(name), Contract.model_validate(given))])
        self.airflow.add(dag(f"{name}.train"))

    def waits(self, name: str, state: str = "deferred", run_id: str = "one") -> None:
        self.airflow.run(f"{name}.train", run_id)
        self.airflow.task("data_pull", "success", f"{name}.train", run_id)
        self.airflow.task("train", state, f"{name}.train", run_id, tries=1)

    def runs(self, name: str, run_id: str = "one", *, ended: bool = False) -> None:
        """The command of a project's training begins, or ends."""
        key = (f"{name}.train", run_id, "train", -1)
        self.airflow.turns(key, state="success" if ended else "running", ended_at=at(80))
        folder = self.evidence / f"{name}.train" / run_id
        folder.mkdir(parents=True, exist_ok=True)
        said = {
            "outcome": "succeeded" if ended else "running", "try": 1,
            "started_at": at(20).isoformat(), "project": name,
        }  # fmt: skip
        if ended:
            said["ended_at"] = at(80).isoformat()
            self.airflow.run(f"{name}.train", run_id, "success")
        (folder / "train.1.json").write_text(json.dumps(said))

    def turn(self, seconds: float = 5.0) -> None:
        self.machines.now += seconds
        self.sync.turn()
        self.loop.turn()

    @property
    def told(self) -> dict[str, Any]:
        return dict(json.loads((self.home.airflow / "weights.json").read_bytes()))

    @property
    def leases(self) -> dict[str, str]:
        book = LeaseBook(self.home.run / "leases.json", lambda: self.machines.now)
        return {lease.id.removeprefix("task:"): lease.host for lease in book.leases()}

    def row(self, job: str) -> tuple[str, str]:
        found = self.workflows.queue()
        assert found is not None
        (row,) = [one for one in found.rows if one.id == job]
        return row.state, row.kind


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    made.project("lora")
    made.project("vision")
    yield made
    made.engine.dispose()
    made.mirror.engine.dispose()


def test_one_of_two_is_released_and_the_other_hears_why(desk: Desk):
    desk.waits("lora")
    desk.waits("vision")
    desk.turn()
    assert desk.told["released"] == {LORA: "studio"}
    assert "slot of studio" in desk.told["held"][VISION]
    assert desk.leases == {LORA: "studio"}
    assert (desk.row(LORA), desk.row(VISION)) == (("starting", "starting"), ("waiting", "order"))


def test_the_next_goes_when_the_first_has_ended(desk: Desk):
    desk.waits("lora")
    desk.waits("vision")
    desk.turn()
    desk.runs("lora")
    desk.turn()
    assert desk.row(LORA) == ("running", "running")
    assert desk.told["released"] == {}
    assert desk.leases == {LORA: "studio"}
    desk.runs("lora", ended=True)
    desk.turn()
    assert desk.told["released"] == {VISION: "studio"}
    assert desk.leases == {VISION: "studio"}
    # Its use counts: the project that had less goes first.
    desk.waits("lora", run_id="two")
    desk.waits("vision", run_id="two")
    desk.runs("vision")
    desk.turn()
    found = desk.workflows.queue()
    assert found is not None
    used = {one["project"]: one["used_s"] for one in found.shares}
    assert used["lora"] == pytest.approx(60, abs=1)


def test_a_job_that_was_released_and_is_cancelled_gives_its_lease_back(desk: Desk):
    desk.waits("lora")
    desk.waits("vision")
    desk.turn()
    desk.airflow.turns(("lora.train", "one", "train", -1), state="failed")
    desk.airflow.run("lora.train", "one", "failed")
    desk.turn()
    assert desk.leases == {VISION: "studio"}


def test_a_controller_that_is_started_again_releases_nothing_twice(desk: Desk):
    desk.waits("lora")
    desk.waits("vision")
    desk.turn()
    desk.runs("lora")
    desk.turn()
    (desk.home.run / "leases.json").unlink()  # lost with whatever
    desk.loop = desk.begin()
    desk.turn()
    assert desk.told["released"] == {}
    assert desk.leases == {LORA: "studio"}
    assert desk.row(VISION) == ("waiting", "order")


def test_a_task_that_only_asks_whether_it_may_start_does_not_run(desk: Desk):
    desk.machines.levels = {"thermal_level": 2.0}
    desk.turn()
    desk.waits("lora", "running")
    desk.turn()
    assert desk.row(LORA) == ("waiting", "thermal")
    assert desk.told["released"] == {}


def test_heat_holds_and_pauses_and_is_kept_with_its_readings(desk: Desk):
    desk.waits("lora")
    desk.waits("vision")
    desk.turn()
    desk.runs("lora")
    desk.turn()
    desk.machines.levels = {"thermal_level": 3.0}
    desk.turn(2)
    desk.turn(2)
    assert list(desk.told["pause"]) == [LORA]
    assert desk.row(VISION) == ("waiting", "thermal")
    decisions = desk.workflows.decisions(at(0))
    assert decisions[0].stance == "pause"
    heat = next(one for one in decisions[0].figures if one["metric"] == "thermal_level")
    assert (heat["value"], heat["source"]) == (3.0, "macmon 0.8.2")
    assert desk.airflow.all_pools["mlops_gpu@studio"].slots == 0
    # A hot machine stays held though the controller is started again.
    desk.loop = desk.begin()
    desk.turn(1)
    assert list(desk.told["pause"]) == [LORA]
    desk.machines.levels = {"thermal_level": 0.0}
    for _ in range(8):
        desk.turn(10)
    assert desk.told["pause"] == {}
    assert desk.airflow.all_pools["mlops_gpu@studio"].slots == 1


def test_pools_are_set_once_and_again_when_somebody_changed_them(desk: Desk):
    desk.turn()
    before = desk.airflow.asked.count("pools")
    pool = desk.airflow.all_pools["mlops_gpu@studio"]
    assert (pool.slots, pool.description) == (1, "Heavy jobs on studio.")
    desk.turn(1)
    assert desk.airflow.asked.count("pools") == before
    desk.airflow.all_pools["mlops_gpu@studio"] = replace(pool, slots=9)
    for _ in range(13):
        desk.turn()
    assert desk.airflow.all_pools["mlops_gpu@studio"].slots == 1


def test_airflow_away_holds_all_and_asks_nothing_of_it(desk: Desk):
    desk.waits("lora")
    desk.sync.turn()
    desk.away = "Airflow is down"
    desk.airflow.asked.clear()
    desk.loop.turn()
    assert desk.row(LORA) == ("held", "engine")
    assert desk.airflow.asked == []
    desk.away = ""
    desk.airflow.away = True
    with pytest.raises(EngineUnreachableError):
        desk.loop.turn()
    assert desk.told["released"] == {LORA: "studio"}  # all else was done


def test_what_nobody_can_run_says_by_how_much(desk: Desk):
    desk.project("giant", needs={"memory_gb": 64})
    desk.waits("giant")
    desk.turn()
    assert desk.row("giant.train/one/train") == ("held", "no_host")
    assert "GB" in desk.told["held"]["giant.train/one/train"]


def test_paused_and_dependent_jobs_stand_in_no_line(desk: Desk):
    desk.airflow.add(dag("lora.train", paused=True))
    desk.waits("lora")
    desk.waits("vision", "none")
    desk.airflow.task("data_pull", "running", "vision.train")
    desk.turn()
    assert (desk.row(LORA), desk.row(VISION)) == (("held", "paused"), ("held", "dependency"))


def test_an_operator_moves_a_job_and_the_move_is_forgotten_when_it_ran(desk: Desk):
    desk.waits("lora")
    desk.turn()
    desk.runs("lora")
    desk.waits("vision")
    desk.waits("lora", run_id="two")
    desk.turn()
    overrides = Overrides(desk.home.run / "overrides.json")
    job = "lora.train/two/train"
    overrides.put(Override(job, "front", by="ann", at=desk.machines.now))
    desk.turn()
    places = desk.told["weights"]
    assert places[job] > places[VISION]
    desk.runs("lora", ended=True)
    desk.turn()
    assert desk.told["released"] == {job: "studio"}
    desk.runs("lora", "two")
    desk.turn()
    assert overrides.read() == ()


def test_a_part_of_a_comparison_is_its_own_projects(desk: Desk):
    desk.airflow.add(dag("platform.compare"))
    desk.airflow.run("platform.compare", "c")
    desk.airflow.plans["platform.compare", "c"] = [
        {"spec": f"/specs/{name}.json", "overrides": {}} for name in ("lora", "vision")
    ]
    desk.airflow.task("train", "deferred", "platform.compare", "c", map_index=1)
    desk.turn()
    found = desk.workflows.queue()
    assert found is not None
    assert [(one.id, one.project) for one in found.rows] == [
        ("platform.compare/c/train[1]", "vision")
    ]


def test_reasons_are_kept_over_time(desk: Desk):
    desk.waits("lora")
    desk.waits("vision")
    desk.turn()
    desk.runs("lora")
    desk.turn()
    desk.runs("lora", ended=True)
    desk.turn()
    desk.runs("vision")
    desk.turn()
    found = [(one.job, one.kind, one.end is None) for one in desk.workflows.waits(at(0))]
    assert (VISION, "order", False) in found
    assert (LORA, "running", False) in found
    assert (VISION, "running", True) in found


def test_what_a_job_waits_for_goes_on_over_a_restart(desk: Desk):
    desk.waits("lora")
    desk.waits("vision")
    desk.turn()
    desk.runs("lora")
    desk.turn()
    (before,) = [one for one in desk.workflows.waits(at(0)) if one.job == VISION]
    desk.loop = desk.begin()
    desk.turn()
    (after,) = [one for one in desk.workflows.waits(at(0)) if one.job == VISION]
    assert (after.begin, after.kind, after.end) == (before.begin, "order", None)
    # What ended while no controller lived ends when one looks.
    desk.runs("lora", ended=True)
    desk.loop = desk.begin()
    desk.turn()
    (ran,) = [one for one in desk.workflows.waits(at(0)) if one.job == LORA]
    assert ran.end is not None


def test_airflow_is_told_now_and_then_though_nothing_is_new(desk: Desk):
    desk.turn()
    first = desk.told["at"]
    desk.turn(1)
    assert desk.told["at"] == first
    desk.turn(15)
    assert desk.told["at"] > first


@pytest.mark.parametrize("hours", [8, -8])
def test_a_clock_that_jumps_starts_nothing_loses_nothing_and_the_line_goes_on(
    desk: Desk, hours: int
):
    desk.waits("lora")
    desk.waits("vision")
    desk.turn()
    desk.runs("lora")
    desk.turn()
    told_at = (desk.home.airflow / "weights.json").stat().st_mtime_ns
    desk.turn(hours * 3600.0)
    assert desk.told["released"] == {}
    assert (desk.home.airflow / "weights.json").stat().st_mtime_ns > told_at
    assert desk.leases == {LORA: "studio"}
    assert (desk.row(LORA), desk.row(VISION)) == (("running", "running"), ("waiting", "order"))
    desk.runs("lora", ended=True)
    desk.turn()
    assert desk.told["released"] == {VISION: "studio"}
    assert desk.leases == {VISION: "studio"}
    assert [one.job for one in desk.workflows.waits(at(0)) if one.end and one.end < one.begin] == []


def test_this_machine_takes_jobs_before_any_telemetry(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(desk.machines, "hosts", lambda: ())
    desk.waits("lora")
    desk.known.publish([])
    desk.turn()
    found = desk.workflows.queue()
    assert found is not None
    assert [one["host"] for one in found.hosts] == ["studio"]
    assert found.hosts[0]["memory_bytes"] is not None
    assert desk.told["released"] == {LORA: "studio"}
