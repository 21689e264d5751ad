"""Saying what a machine offers: refused with the reason, told in figures, done, taken back."""

from pathlib import Path
from typing import Any

import pytest

from services.access import store
from services.actions import catalog, launch_outlook, machine_room
from services.actions.action import Deed
from services.actions.machine_offer import OfferMachine, merged
from services.actions.roles import Actor
from services.actions.workflow_launch import LaunchWorkflow
from services.errors import ConflictError, DeniedError, InputError, NotFoundError
from services.mirror.workflow_store import WorkflowStore
from services.mirror.workflow_tables import QUEUE
from services.resources.models import GIB
from services.resources.offers import Offer
from tests.services.actions.conftest import OWNER, Clock
from tests.services.actions.flows import DAG, Flows, connected, laid

HELD = 8 * GIB
STUDIO = {
    "host": "studio", "here": True, "memory_bytes": int(36 * GIB * 0.85) + 1, "gpu_slots": 1,
    "free_bytes": int(36 * GIB * 0.85) + 1 - HELD, "free_slots": 0, "total_bytes": 36 * GIB,
    "power_w": None, "given": "", "absent": "",
}  # fmt: skip
MINI = {
    "host": "mini", "here": False, "memory_bytes": 14 * GIB - 1, "gpu_slots": 1,
    "free_bytes": 14 * GIB - 1, "free_slots": 1, "total_bytes": 16 * GIB, "power_w": None,
    "given": "", "absent": "it has been silent for 3 min",
}  # fmt: skip
NUC = MINI | {"host": "nuc", "memory_bytes": None, "free_bytes": None, "total_bytes": None}
LORA = {"what": "LoRA: train", "jobs": 2, "memory_bytes": 20 * GIB, "gpu_slots": 1,
        "power_w": 30.0, "hosts": ["studio", "mini"]}  # fmt: skip
CLIP = {"what": "CLIP: train", "jobs": 1, "memory_bytes": 4 * GIB, "gpu_slots": 2,
        "power_w": None, "hosts": ["studio"]}  # fmt: skip


@pytest.fixture
def flows(tmp_path: Path, mould: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Flows:
    made = connected(laid(tmp_path, mould, monkeypatch), clock)
    decide(made)
    return made


def decide(flows: Flows, *asks: dict[str, Any]) -> None:
    picture = {
        "rows": [], "hosts": [STUDIO, MINI, NUC], "shares": [], "pools": [],
        "asks": list(asks or (LORA, CLIP)),
    }  # fmt: skip
    WorkflowStore(flows.context.mirror.engine).write_picture(QUEUE, 1, picture)


def told(flows: Flows, **said: Any) -> str:
    return " ".join(OfferMachine(**{"host": "studio", **said}).consequences(flows.context))


def test_two_heavy_jobs_at_a_time_are_told_and_noted(flows: Flows):
    said = told(flows, slots=2)
    assert "It takes 2 heavy jobs at a time; now 1." in said
    assert "so each takes longer than alone" in said
    assert "What runs there goes on." in said
    assert "For jobs and endpoints" not in said
    assert "may draw" not in said
    record = flows.done(OfferMachine("studio", 2))
    assert (record.state, record.result) == ("done", "the next decision follows it")
    assert record.title == "Have studio offer 2 heavy slots to jobs"
    found = flows.context.offers.of("studio")
    assert found is not None
    assert (found.gpu_slots, found.memory_bytes, found.by) == (2, None, "owner")
    assert found.at > 0
    assert told(flows, slots=2) == "Nothing changes: studio offers that already."


def test_jobs_that_never_fit_then_are_counted_and_those_that_would(flows: Flows):
    said = told(flows, slots=2, memory_gb=10)
    assert (
        "2 waiting jobs would never start: no machine would fit. LoRA: train needs 20.0 GB." in said
    )
    assert "1 waiting job that no machine fits now would fit. CLIP: train needs 4.0 GB." in said
    assert "For jobs and endpoints it has 10.0 GB; now 30.6 GB." in said
    elsewhere = LORA | {"memory_bytes": 12 * GIB}  # the silent machine has room for it
    decide(flows, elsewhere)
    assert "waiting job" not in told(flows, memory_gb=10)
    power = LORA | {"hosts": ["studio"]}
    decide(flows, power)
    assert "2 waiting jobs would never start" in told(flows, power_w=20)
    assert "All jobs together may draw 20 W; now what they want." in told(flows, power_w=20)


def test_what_is_held_and_what_is_left_is_told(flows: Flows):
    less = told(flows, slots=0, memory_gb=6)
    assert "No heavy job starts there" in less
    assert (
        "hold 8.0 GB of it: nothing that needs memory starts until they hold less than 6.0 GB"
        in less
    )
    more = told(flows, memory_gb=31)
    assert "That leaves 5.0 GB for the system and the platform, where 5.4 GB would be kept" in more
    assert "It takes no job now: it has been silent for 3 min." in told(flows, host="mini", slots=2)
    flows.context.offers.put(Offer("studio", 2))
    assert (
        "1 of its heavy slots is taken: the next heavy job starts when fewer than 1 are."
        in told(flows, slots=1)
    )


def test_it_can_be_taken_back(flows: Flows):
    before = Offer("studio", 3, 10 * GIB, None, "ana", 1.0)
    flows.context.offers.put(before)
    memory: dict[str, object] = {}
    (step,) = OfferMachine("studio", 2).steps(flows.context, Deed(1, OWNER, memory))
    step.do()
    assert flows.context.offers.of("studio") != before
    # After a crash the step is done again: what was before is what it was before the first time.
    (again,) = OfferMachine("studio", 2).steps(flows.context, Deed(1, OWNER, memory))
    again.do()
    assert again.undo is not None
    again.undo()
    assert flows.context.offers.of("studio") == before


def test_as_measured_takes_all_away(flows: Flows):
    assert "Nothing changes" in told(flows)
    flows.context.offers.put(Offer("studio", 2, 10 * GIB, 50.0))
    said = told(flows)
    assert "It takes 1 heavy job at a time; now 2." in said
    assert "it has 30.6 GB; now 10.0 GB" in said
    assert "may draw what they want; now 50 W" in said
    assert flows.done(OfferMachine("studio")).title == "Have studio offer what was measured"
    assert flows.context.offers.read() == ()


def test_a_machine_that_left_can_lose_its_offer(flows: Flows):
    flows.context.offers.put(Offer("sold", 2))
    assert "the queue does not know it any more" in told(flows, host="sold")
    assert flows.done(OfferMachine("sold")).state == "done"
    assert flows.context.offers.read() == ()


@pytest.mark.parametrize(
    ("said", "why", "hint"),
    [
        ({"slots": -1}, "-1 is no number of heavy slots", "0 keeps heavy jobs away"),
        ({"slots": 65}, "a machine offers 0 to 64", ""),
        ({"slots": True}, "True is no number", ""),
        ({"memory_gb": -1.0}, "-1 GB is no amount", "0 GB or more"),
        ({"memory_gb": float("nan")}, "nan GB is no amount", ""),
        ({"memory_gb": float("inf")}, "inf GB is no amount", ""),
        ({"power_w": 0.0}, "0 W is no limit of power", "0 slots"),
        ({"power_w": float("nan")}, "nan W is no limit", ""),
        ({"power_w": 1e300}, "is no limit of power", ""),
        (
            {"memory_gb": 36.0},
            "36.0 GB for jobs are 5.0 GB more than studio can give: it has 36.0 GB, of which the "
            "system and the platform need 5.0 GB",
            "Give 31.0 GB or less",
        ),
        (
            {"host": "mini", "memory_gb": 15.0},
            "15.0 GB for jobs are 1.0 GB more than mini can give: it has 16.0 GB, of which the "
            "system needs 2.0 GB",
            "Give 14.0 GB or less",
        ),
    ],
)
def test_what_no_machine_offers_is_refused(flows: Flows, said: dict[str, Any], why: str, hint: str):
    action = OfferMachine(**{"host": "studio", **said})
    for refused in (flows.submit, lambda one: one.consequences(flows.context)):
        with pytest.raises(InputError) as caught:
            refused(action)
        assert why in caught.value.message
        assert hint in caught.value.hint
    assert flows.context.offers.read() == ()


def test_the_most_it_can_give_is_taken(flows: Flows):
    assert flows.done(OfferMachine("studio", memory_gb=31.0)).state == "done"
    assert flows.done(OfferMachine("mini", 0, 0.0)).state == "done"
    # Nobody knows what it has: what is said counts.
    assert "it has 100.0 GB; now no memory that anybody knows of" in told(
        flows, host="nuc", memory_gb=100
    )


def test_an_unknown_machine_is_refused_with_the_known_ones(flows: Flows):
    with pytest.raises(NotFoundError) as caught:
        flows.submit(OfferMachine("stud", 2))
    assert caught.value.message == "The queue knows no machine 'stud'."
    assert "It knows: studio, mini, nuc." in caught.value.hint


def test_before_the_first_decision_this_machine_is_known(flows: Flows):
    WorkflowStore(flows.context.mirror.engine).write_picture(
        QUEUE, 1, {"rows": [], "hosts": [], "shares": [], "pools": []}
    )
    with pytest.raises(NotFoundError, match="no machine"):
        flows.submit(OfferMachine("studio", 2))
    with flows.context.mirror.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM pictures")
    (own,) = machine_room.standings(flows.context)
    assert own.here
    assert "It takes 2 heavy jobs at a time" in told(flows, host=own.host, slots=2)
    assert flows.done(OfferMachine(own.host, 2)).state == "done"
    assert machine_room.standing(flows.context, own.host).present.gpu_slots == 2


def test_a_launch_is_held_against_what_was_given(flows: Flows):
    flows.contract(limit=3)
    launch = LaunchWorkflow(DAG, "{}", "n")
    launch.consequences(flows.context)
    flows.context.offers.put(Offer(launch_outlook.here(), memory_bytes=GIB))
    with pytest.raises(ConflictError, match=r"1\.8 GB more than the 1\.0 GB"):
        flows.submit(launch)
    flows.context.offers.put(Offer(launch_outlook.here(), memory_bytes=3 * GIB))
    assert flows.submit(launch).state == "pending"


@pytest.mark.parametrize(
    ("role", "projects"),
    [("viewer", None), ("operator", None), ("approver", None), ("admin", ("lora",))],
)
def test_who_may_not(flows: Flows, role: str, projects: tuple[str, ...] | None):
    store.insert(flows.context.journal, "vi", "x", role, projects)  # type: ignore[arg-type]
    with pytest.raises(DeniedError):
        flows.submit(OfferMachine("studio", 2), Actor("vi", role, projects))  # type: ignore[arg-type]
    assert flows.context.offers.read() == ()


def test_an_administrator_may(flows: Flows):
    store.insert(flows.context.journal, "ann", "x", "admin", None)
    assert flows.done(OfferMachine("studio", 2), Actor("ann", "admin")).state == "done"
    assert flows.context.offers.read()[0].by == "ann"


def test_it_is_built_again_from_the_journal():
    action = OfferMachine("studio", 2, 10.5, 60.0)
    assert catalog.load("machine-offer", catalog.dump(action)) == action
    assert action.subject == "machine:studio"
    assert (
        OfferMachine("studio", memory_gb=float("nan")).title == "Have studio offer something else"
    )


def test_what_is_not_said_stays_as_it_was_said():
    before = Offer("studio", 2, 10 * GIB, 50.0)
    assert merged(before, "studio", slots=3) == OfferMachine("studio", 3, 10.0, 50.0)
    assert merged(before, "studio", memory_gb=None) == OfferMachine("studio", 2, None, 50.0)
    assert merged(None, "studio", power_w=9.0) == OfferMachine("studio", power_w=9.0)
