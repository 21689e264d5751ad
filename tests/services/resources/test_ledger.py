"""What is promised of a machine, and what one job more gets to hear."""

from hypothesis import given
from hypothesis import strategies as st

from services.resources.ledger import Ledger, cost
from services.resources.models import GIB, Fits, Needs, Never, Waits
from tests.services.resources.machines import lease, mac, needs


def test_a_job_fits_where_the_least_stays_free():
    ledger = Ledger((mac("large", 60), mac("small", 12)))
    assert ledger.admit(needs(8)).host == "small"
    assert ledger.admit(needs(20)).host == "large"


def test_to_the_last_byte_and_not_beyond():
    ledger = Ledger((mac(memory_gb=30),), (lease("task:a", 20, 0),))
    assert isinstance(ledger.admit(Needs(10 * GIB, 0)), Fits)
    assert ledger.admit(Needs(10 * GIB + 1, 0)).missing == 1


def test_what_can_never_fit_is_told_by_how_much():
    answer = Ledger((mac("a", 10), mac("b", 30))).admit(needs(42))
    assert answer == Never(
        "memory",
        12 * GIB,
        "It can never fit: it needs 42.0 GB of memory, 12.0 GB more than the 30.0 GB that b has "
        "for jobs, the machine where the least is missing.",
    )


def test_what_others_hold_never_makes_a_job_too_large():
    full = Ledger((mac(memory_gb=10),), (lease("deployment:chat", 10, 0),))
    assert isinstance(full.admit(needs(10)), Waits)


def test_a_job_waits_for_memory_and_hears_who_has_it():
    ledger = Ledger(
        (mac(),), (lease("task:clip.train/1/train", 16), lease("deployment:chat", 8, 0))
    )
    assert ledger.admit(Needs(8 * GIB, 0, said="8.0 GB is its last run and 25 %")) == Waits(
        "studio",
        "memory",
        2 * GIB,
        ("task:clip.train/1/train", "deployment:chat"),
        "It lacks 2.0 GB of memory on studio, held by the job clip.train/1/train and the endpoint "
        "chat; 8.0 GB is its last run and 25 %.",
    )


def test_a_second_heavy_job_waits_for_the_slot():
    ledger = Ledger((mac(),), (lease("task:a", 4), lease("deployment:chat", 4, 0)))
    answer = ledger.admit(needs(4))
    assert answer == Waits(
        "studio", "slots", 1, ("task:a",), "It needs the heavy slot of studio, taken by the job a."
    )
    assert isinstance(ledger.admit(needs(4, slots=0)), Fits)


def test_power_counts_only_where_it_is_limited_and_known():
    limited = Ledger((mac(power_w=40.0),), (lease("task:a", 4, 0, needs=needs(4, 0, 30.0)),))
    answer = limited.admit(needs(4, 0, 15.0))
    assert isinstance(answer, Waits)
    assert (answer.short, answer.missing) == ("power", 5.0)
    assert answer.said == "It lacks 5 W of power on studio, drawn by the job a."
    assert isinstance(limited.admit(needs(4, 0)), Fits)
    assert isinstance(Ledger((mac(),)).admit(needs(4, 0, 500.0)), Fits)
    assert limited.admit(needs(4, 0, 50.0)).said == (
        "It can never fit: it needs 50 W, 10 W more than the 40 W of studio."
    )


def test_memory_that_others_really_have_is_not_promised():
    ledger = Ledger((mac(available_bytes=6 * GIB),))
    answer = ledger.admit(needs(8))
    assert isinstance(answer, Waits)
    assert (answer.short, answer.missing) == ("others", 2 * GIB)
    assert "programs without a lease" in answer.said


def test_what_a_lease_does_not_use_yet_is_kept_free_for_it():
    # 10 GB are free now, of which the lease of 8 GB, using 1, will take 7.
    ledger = Ledger((mac(available_bytes=10 * GIB),), (lease("task:a", 8, 0, used_bytes=1 * GIB),))
    assert isinstance(ledger.admit(needs(3, 0)), Fits)
    assert isinstance(ledger.admit(needs(4, 0)), Waits)


def test_nothing_is_promised_of_a_machine_nobody_knows():
    unknown = mac(memory_gb=0, said="its telemetry does not tell")
    unknown = type(unknown)("studio", None, said="its telemetry does not tell")
    answer = Ledger((unknown,)).admit(needs(1))
    assert answer == Never(
        "memory", 0, "It can be promised nothing on studio: its telemetry does not tell."
    )


def test_a_silent_machine_gets_no_job_and_is_waited_for():
    ledger = Ledger((mac("a", absent="it has been silent for 5 min"), mac("b", 4)))
    answer = ledger.admit(needs(8))
    assert isinstance(answer, Waits)
    assert answer.said == "It would fit on a silent machine (a: it has been silent for 5 min)."
    assert ledger.admit(needs(2)).host == "b"


def test_of_many_holders_a_few_are_named():
    held = tuple(lease(f"task:{name}", 6 - n, 0) for n, name in enumerate("abcde"))
    answer = Ledger((mac(memory_gb=20),), held).admit(needs(4, 0))
    assert "held by the job a and the job b and the job c and 2 more" in answer.said


def test_without_a_machine_nothing_fits():
    assert Ledger(()).admit(needs()) == Never("host", 0, "No machine may take it.")


# Room is made of training alone


def test_room_is_made_of_the_fewest_training_jobs():
    ledger = Ledger(
        (mac(memory_gb=30),),
        (lease("task:a", 6, 0), lease("task:b", 12, 0), lease("deployment:chat", 12, 0)),
    )
    assert [one.id for one in ledger.to_pause(needs(10, 0), "studio")] == ["task:b"]
    assert [one.id for one in ledger.to_pause(needs(16, 0), "studio")] == ["task:b", "task:a"]


def test_no_endpoint_is_pushed_out_for_anything():
    ledger = Ledger((mac(memory_gb=30),), (lease("task:a", 6, 0), lease("deployment:chat", 20, 0)))
    assert ledger.to_pause(needs(12, 0), "studio") == ()


def test_pausing_gives_back_what_is_really_used():
    ledger = Ledger(
        (mac(memory_gb=30, available_bytes=1 * GIB),),
        (lease("task:a", 20, 0, used_bytes=20 * GIB),),
    )
    assert [one.id for one in ledger.to_pause(needs(15, 0), "studio")] == ["task:a"]


sizes = st.integers(0, 40)
some_leases = st.lists(st.tuples(sizes, st.integers(0, 2), st.booleans()), max_size=6)


@given(sizes, some_leases, st.lists(st.tuples(sizes, st.integers(0, 2)), max_size=8))
def test_no_machine_is_ever_promised_twice(memory, held, asked):
    ledger = Ledger((mac("a", memory), mac("b", 20)))
    for number, (gb, slots, serving) in enumerate(held):
        name = f"{'deployment' if serving else 'task'}:{number}"
        answer = ledger.admit(needs(gb, slots))
        if isinstance(answer, Fits):
            ledger = ledger.with_lease(lease(name, gb, slots, host=answer.host))
    for number, (gb, slots) in enumerate(asked):
        answer = ledger.admit(needs(gb, slots))
        if isinstance(answer, Fits):
            ledger = ledger.with_lease(lease(f"task:more{number}", gb, slots, host=answer.host))
        assert answer.said.endswith(".")
    for host in ledger.hosts:
        free = ledger.free(host)
        assert free.memory_bytes >= 0
        assert free.gpu_slots >= 0


@given(sizes, some_leases, st.integers(1, 40))
def test_endpoints_are_never_among_what_pauses(memory, held, wanted):
    leases = tuple(
        lease(f"{'deployment' if serving else 'task'}:{number}", gb, slots)
        for number, (gb, slots, serving) in enumerate(held)
    )
    ledger = Ledger((mac(memory_gb=memory),), leases)
    paused = ledger.to_pause(needs(wanted, 0), "studio")
    assert all(one.kind == "training" for one in paused)
    if paused:
        left = ledger.without({one.id for one in paused})
        assert isinstance(left.admit(needs(wanted, 0)), Fits)


def test_a_job_costs_its_larger_share():
    hosts = (mac("a", 20), mac("b", 20))
    assert cost(needs(4, 1), hosts) == 1.0  # one of two slots
    assert cost(needs(40, 0), hosts) == 2.0  # all memory is as much as both slots
    assert cost(needs(10, 0), hosts) == 0.5
    assert cost(needs(10, 0), ()) == 0.0


def test_what_a_need_rests_on_is_told_where_it_is_too_much():
    asked = Needs(40 * GIB, 0, said="40.0 GB is its last run (32.0 GB) and 25 %")
    assert Ledger((mac(),)).admit(asked).said == (
        "It can never fit: it needs 40.0 GB of memory, 10.0 GB more than the 30.0 GB that studio "
        "has for jobs. (40.0 GB is its last run (32.0 GB) and 25 %.)"
    )
