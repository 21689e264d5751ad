from dataclasses import replace
from typing import Any

import pytest

from services.resources.leases import LeaseBook, this_process
from services.resources.models import Capacity, Lease, Needs
from services.serving.allotting import Room
from services.serving.figures import Figures, VersionFigures
from services.serving.lease_keeping import LeaseKeeping, forget_all
from services.serving.world import World
from tests.services.serving.simulated import MB, Simulation, endpoint, rollout, target

GIB = 1 << 30


class Machine:
    """Endpoints on one machine, in simulated time."""

    def __init__(self, path, budget: int, most: int | None = None) -> None:
        self.now = 1000.0
        self.capacity = Capacity("here", budget)
        self.book = LeaseBook(path, now=lambda: self.now)
        self.leases = LeaseKeeping(
            self.book, lambda: self.capacity, most_bytes=most, now=lambda: self.now
        )
        self.room = Room(self.leases, lambda project: 5)
        self.made: dict[str, Simulation] = {}
        self.passing: dict[str, VersionFigures] = {}
        self.evicted: list[str] = []

    def add(self, model: str, **changes: Any) -> Simulation:
        wanted = replace(endpoint(**changes), model=model)
        made = Simulation(wanted, now=self.now, ledger=True)
        made.run.desired = wanted
        self.made[wanted.name] = made
        return made

    def turn(self) -> None:
        self.now += 0.25
        figures = Figures(
            self.now, endpoints={name: {one.version: one} for name, one in self.passing.items()}
        )
        world = World(self.now, figures=figures)
        self.room.look(world)
        for made in self.made.values():
            made.turn()
        runs = [made.run for made in self.made.values()]
        self.evicted += [one.name for one in self.room.find(runs, world)]
        self.room.keep(runs)

    def held(self) -> dict[str, int]:
        return {one.id: one.needs.memory_bytes for one in self.book.leases()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "leases.json"


@pytest.fixture
def leases(path):
    return LeaseKeeping(LeaseBook(path), lambda: Capacity("here", GIB), most_bytes=None)


def test_a_lease_is_taken_once_and_renewed_with_what_is_used(leases, path):
    assert leases.hold("p.m", "p", 1, 100 * MB, "measured") is None
    assert leases.hold("p.m", "p", 1, 100 * MB, "measured") is None
    (lease,) = LeaseBook(path).leases()
    assert (lease.id, lease.kind, lease.owner) == ("deployment:p.m:1", "serving", None)
    assert lease.needs.said == "measured"
    leases.keep({("p.m", 1): 40 * MB})
    leases.keep({})
    assert LeaseBook(path).leases() == ()


def test_who_finds_no_room_is_told_by_how_much(leases):
    refused = leases.hold("p.m", "p", 1, 2 * GIB, "")
    assert refused.for_good
    assert refused.missing_bytes == GIB
    assert "1.0 GB more than the 1.0 GB" in refused.said
    assert leases.hold("p.a", "p", 1, 800 * MB, "") is None
    refused = leases.hold("p.b", "p", 1, 800 * MB, "")
    assert not refused.for_good
    assert refused.missing_bytes == 576 * MB
    assert "the endpoint p.a:1" in refused.said


def test_who_was_refused_is_asked_again_at_once_when_others_gave_memory_back(path):
    leases = LeaseKeeping(LeaseBook(path), lambda: Capacity("here", GIB), now=lambda: 1000.0)
    assert leases.hold("p.a", "p", 1, 800 * MB, "") is None
    assert leases.hold("p.b", "p", 1, 800 * MB, "") is not None
    leases.keep({})
    assert leases.hold("p.b", "p", 1, 800 * MB, "") is None
    assert leases.hold("p.c", "p", 1, 800 * MB, "") is not None
    assert leases.hold("p.b", "p", 1, 100 * MB, "") is None
    assert leases.hold("p.c", "p", 1, 800 * MB, "") is None


def test_less_is_always_granted_and_more_where_it_fits(leases, path):
    leases.hold("p.m", "p", 1, 800 * MB, "")
    assert leases.hold("p.m", "p", 1, 1100 * MB, "").missing_bytes
    assert leases.hold("p.m", "p", 1, 900 * MB, "") is None
    assert leases.hold("p.m", "p", 1, 100 * MB, "") is None
    (lease,) = LeaseBook(path).leases()
    assert lease.needs.memory_bytes == 100 * MB
    assert leases.free_bytes() == GIB - 100 * MB


def test_all_endpoints_together_get_no_more_than_the_setting_says(path):
    leases = LeaseKeeping(LeaseBook(path), lambda: Capacity("here", 8 * GIB), most_bytes=GIB)
    assert leases.hold("p.a", "p", 1, 600 * MB, "") is None
    refused = leases.hold("p.b", "p", 1, 600 * MB, "")
    assert "serving_memory_gb" in refused.said
    assert refused.missing_bytes == 176 * MB
    assert leases.free_bytes() == GIB - 600 * MB


def test_what_an_earlier_life_held_is_taken_over_or_given_back(path):
    before = LeaseKeeping(LeaseBook(path), lambda: Capacity("here", GIB))
    before.hold("p.a", "p", 1, 100 * MB, "")
    before.hold("p.b", "p", 1, 100 * MB, "")
    now = LeaseKeeping(LeaseBook(path), lambda: Capacity("here", GIB))
    now.take_over("p.a", "p", 1, 100 * MB)
    now.sweep()
    assert [one.id for one in LeaseBook(path).leases()] == ["deployment:p.a:1"]
    now.clear(all_of_serving=True)
    assert LeaseBook(path).leases() == ()


def test_a_trial_keeps_its_memory_while_its_process_lives(path):
    living, dead = this_process(), replace(this_process(), start="00000000-1")
    book = LeaseBook(path)
    for name, owner in (("trial of p.a:1", living), ("trial of p.b:1", dead)):
        needs = Needs(100 * MB, 0)
        lease = Lease(f"deployment:{name}", "serving", "here", "p", needs, 0.0, 0.0, owner)
        book.renew(lease)
    book.renew(Lease("deployment:p.c:1", "serving", "here", "p", Needs(MB, 0), 0.0, 0.0))
    now = LeaseKeeping(book, lambda: Capacity("here", GIB))
    now.sweep()
    assert [one.id for one in book.leases()] == ["deployment:trial of p.a:1"]
    now.clear(all_of_serving=True)
    forget_all(book)
    assert [one.id for one in book.leases()] == ["deployment:trial of p.a:1"]


def test_an_idle_endpoint_makes_room_for_one_that_is_deployed(path):
    machine = Machine(path, 250 * MB)
    machine.add("old", live=target(1))
    machine.add("older", live=target(1))
    for _ in range(40):
        machine.turn()
    assert set(machine.held()) == {"deployment:tiny.old:1", "deployment:tiny.older:1"}
    machine.now += 4000.0
    machine.passing["tiny.older"] = VersionFigures(1, total=50, requests=50, last_at=machine.now)
    machine.add("new", rollout=rollout(1))
    for _ in range(80):
        machine.turn()
    assert machine.evicted == ["tiny.old"]
    assert set(machine.held()) == {"deployment:tiny.new:1", "deployment:tiny.older:1"}
    assert machine.made["tiny.old"].phase == "idle"


def test_who_ends_slowly_is_evicted_once_and_alone(path):
    machine = Machine(path, 250 * MB)
    for name in ("old", "older"):
        machine.add(name, live=target(1)).gateway = False  # it is waited for requests on their way
    for _ in range(40):
        machine.turn()
    machine.now += 4000.0
    machine.add("new", rollout=rollout(1))
    for _ in range(80):
        machine.turn()
    assert len(machine.evicted) == 1
    assert len(machine.held()) == 2


def test_what_is_gone_is_counted_no_longer(path):
    machine = Machine(path, 250 * MB)
    made = machine.add("old", live=target(1))
    machine.passing["tiny.old"] = VersionFigures(1, total=5)
    machine.turn()
    machine.passing["tiny.old"] = VersionFigures(1, total=9)
    machine.turn()
    assert machine.room._hour.of("tiny.old", 1, machine.now) == 4
    del machine.passing["tiny.old"]
    made.desired = None
    for _ in range(40):
        machine.turn()
    assert machine.room._hour.of("tiny.old", 1, machine.now) == 0


def test_a_pinned_endpoint_makes_no_room(path):
    machine = Machine(path, 150 * MB)
    machine.add("old", live=target(1), pinned=True)
    for _ in range(40):
        machine.turn()
    machine.now += 4000.0
    new = machine.add("new", rollout=rollout(1))
    for _ in range(40):
        machine.turn()
    assert machine.evicted == []
    assert new.run.rollout.run.room


def test_where_serving_is_switched_off_training_gets_its_memory_back(path):
    book = LeaseBook(path)
    leases = LeaseKeeping(book, lambda: Capacity("here", GIB))
    leases.hold("p.a", "p", 1, 100 * MB, "")
    training = replace(book.leases()[0], id="task:x", kind="training")
    book.renew(training)
    forget_all(book)
    assert [one.id for one in book.leases()] == ["task:x"]
