"""What an administrator gives of a machine changes who starts, what is told, and the pools."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from services.controller.workforce import Workforce
from services.engines.airflow.models import EdgeWorker
from services.errors import PlatformError
from services.resources.capacity import Rule
from services.resources.models import GIB
from services.resources.offers import Offer, Offers
from tests.services.controller.test_queue_loop import LORA, VISION, Desk

if TYPE_CHECKING:
    from services.engines.airflow.edge import Edge

CLIP = "clip.train/one/train"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    for name in ("lora", "vision", "clip"):
        made.project(name)
        made.waits(name)
    yield made
    made.engine.dispose()
    made.mirror.engine.dispose()


def give(desk: Desk, host: str = "studio", **said: Any) -> None:
    """As the action does, in another process."""
    Offers(desk.home.machines).put(Offer(host, **said))


def machine(desk: Desk) -> dict[str, Any]:
    found = desk.workflows.queue()
    assert found is not None
    (one,) = found.hosts
    return dict(one)


def test_two_heavy_jobs_run_where_two_slots_were_given(desk: Desk):
    desk.turn()
    assert len(desk.told["released"]) == 1
    (first,) = desk.told["released"]
    give(desk, gpu_slots=2)
    desk.turn()
    assert len(desk.told["released"]) == 2
    assert first in desk.told["released"]
    desk.runs(first.partition(".")[0])
    desk.turn()
    states = [desk.row(job)[0] for job in (LORA, VISION, CLIP)]
    assert sorted(states) == ["running", "starting", "waiting"]
    assert len(desk.leases) == 2
    assert desk.airflow.all_pools["mlops_gpu@studio"].slots == 2
    assert machine(desk)["given"] == "An administrator gave 2 heavy slots."
    assert (machine(desk)["gpu_slots"], machine(desk)["free_slots"]) == (2, 0)


def test_it_is_given_before_the_first_turn_and_outlives_a_restart(desk: Desk):
    give(desk, gpu_slots=2)
    desk.turn()
    assert len(desk.leases) == 2
    for name in ("leases.json", "policy.json"):
        (desk.home.run / name).unlink(missing_ok=True)  # run/ was cleaned
    desk.loop = desk.begin()
    desk.turn()
    assert machine(desk)["gpu_slots"] == 2


def test_what_runs_goes_on_when_slots_are_taken_away(desk: Desk):
    give(desk, gpu_slots=2)
    desk.turn()
    running = [job.partition(".")[0] for job in desk.leases]
    for name in running:
        desk.runs(name)
    desk.turn()
    give(desk, gpu_slots=0)
    desk.turn()
    assert (machine(desk)["gpu_slots"], machine(desk)["free_slots"]) == (0, -2)
    assert len(desk.leases) == 2
    for name in running:
        desk.runs(name, ended=True)
    desk.turn()
    assert desk.told["released"] == {}
    (left,) = {LORA, VISION, CLIP} - {f"{name}.train/one/train" for name in running}
    assert desk.row(left) == ("held", "never")
    give(desk)  # as measured
    desk.turn()
    assert list(desk.told["released"]) == [left]


def test_what_earlier_jobs_took_is_counted_by_what_is_offered_now(desk: Desk):
    desk.turn()
    (first,) = desk.told["released"]
    name = first.partition(".")[0]
    desk.runs(name)
    desk.turn()
    desk.runs(name, ended=True)
    desk.turn()
    assert used(desk, name) == pytest.approx(60, abs=1)  # all of the one slot
    desk.loop.turn()
    give(desk, gpu_slots=0)
    desk.loop.turn()  # nothing of Airflow is new
    kept = 8e9 / machine(desk)["memory_bytes"]
    assert used(desk, name) == pytest.approx(60 * kept, abs=1)  # its share of the memory


def used(desk: Desk, project: str) -> float:
    found = desk.workflows.queue()
    assert found is not None
    return float(next(one["used_s"] for one in found.shares if one["project"] == project))


def test_memory_that_is_kept_back_holds_and_says_by_how_much(desk: Desk):
    give(desk, memory_bytes=4 * GIB)
    desk.turn()
    assert desk.told["released"] == {}
    assert "more than the 4.0 GB that studio has for jobs" in desk.told["held"][LORA]
    assert machine(desk)["memory_bytes"] == 4 * GIB
    assert machine(desk)["total_bytes"] == 36 * GIB


def test_heat_goes_before_what_was_given(desk: Desk):
    give(desk, gpu_slots=2)
    desk.machines.levels = {"thermal_level": 1.0}
    desk.turn()
    assert len(desk.told["released"]) == 1
    assert desk.airflow.all_pools["mlops_gpu@studio"].slots == 1


def test_this_machine_has_its_rule_without_telemetry(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(desk.machines, "hosts", lambda: ())
    desk.known.publish([])
    give(desk, gpu_slots=2)
    desk.turn()
    assert len(desk.told["released"]) == 2


def test_a_damaged_file_leaves_what_was_measured(desk: Desk):
    desk.home.machines.write_text("{")
    desk.turn()
    assert machine(desk)["gpu_slots"] == 1
    assert [one.name for one in desk.home.root.glob("machines.json.broken-*")]


def test_a_file_nobody_can_read_is_a_sentence_and_nothing_is_decided(desk: Desk):
    desk.home.machines.mkdir()
    with pytest.raises(PlatformError, match="offers of machines cannot be read"):
        desk.turn()


def test_what_waits_is_told_with_what_it_asks_for(desk: Desk):
    desk.project("giant", needs={"memory_gb": 64, "chip": "M4+"})
    desk.waits("giant")
    desk.turn()
    found = desk.workflows.queue()
    assert found is not None
    asks = {str(one["what"]): one for one in found.asks}
    assert asks["Giant: train"]["hosts"] == []
    lora = asks["Lora: train"]
    assert (lora["jobs"], lora["gpu_slots"], lora["hosts"]) == (1, 1, ["studio"])
    assert lora["memory_bytes"] == 8_000_000_000


def test_a_machine_that_its_worker_alone_tells_of_has_its_rule(tmp_path: Path):
    facts = {"mlops_memory_bytes": 64 * GIB}
    edge = type(
        "Workers",
        (),
        {
            "workers": lambda _: (EdgeWorker("max", "idle", ("q",), 0, None, None, None, facts),),
            "jobs": lambda _: (),
        },
    )
    force = Workforce(cast("Edge", edge()), "studio", tmp_path / "workers.json")
    force.turn()
    (plain,) = force.hosts(())
    (found,) = force.hosts((), {"max": Rule(10 * GIB, 2)})
    assert (plain.memory_bytes, plain.gpu_slots) == (64 * GIB - int(64 * GIB * 0.15), 1)
    assert (found.memory_bytes, found.gpu_slots, found.total_bytes) == (10 * GIB, 2, 64 * GIB)
    assert found.said == "an administrator gave 10.0 GB to jobs"
