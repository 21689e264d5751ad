"""Which machine a run ran on, and which processes were its own."""

from dataclasses import replace

import pytest

from services.mirror.models import Run
from services.telemetry.identity import (
    earlier_owners,
    gathered,
    local_key,
    machines_of,
    name_of,
    owner_of,
)
from services.telemetry.models import HostState
from tests.services.telemetry.recordings import MAC, OTHER_RUN, RUN, at, sample, use

KEY = "0123456789abcdef01234567"
OFFLINE = f"run:offline-{KEY}"


def states(*hosts: str) -> tuple[HostState, ...]:
    return tuple(HostState(replace(MAC, host=host), None, ()) for host in hosts)


def run(host: str | None = "Studio.local", **tags: str) -> Run:
    named = {name.replace("__", "."): value for name, value in tags.items()}
    return Run(
        "abc", "p", "1", "n", "finished", "", "lora", False, at(0), at(100), None, host, False, {},
        {}, named,
    )  # fmt: skip


def found(known: tuple[HostState, ...], one: Run) -> list[str]:
    return [state.machine.host for state in machines_of(known, one)]


TWINS = states("studio-11111111", "studio-22222222")


def test_of_two_machines_of_one_name_the_id_tells_which():
    assert found(TWINS, run(mlops__host_id="studio-22222222")) == ["studio-22222222"]
    assert found(TWINS, run(mlops__host_id="studio-11111111")) == ["studio-11111111"]


def test_a_run_without_an_id_fits_both_of_them_unless_the_chip_tells():
    assert found(TWINS, run()) == ["studio-11111111", "studio-22222222"]
    other = HostState(replace(MAC, host="studio-22222222", chip="Apple M2"), None, ())
    assert found((TWINS[0], other), run(mlops__chip="Apple M2")) == ["studio-22222222"]


def test_a_machine_that_is_called_otherwise_today_is_known_by_its_digits():
    assert found(TWINS, run("Atelier.local", mlops__host_id="atelier-22222222")) == [
        "studio-22222222"
    ]


def test_one_that_is_not_here_is_not_taken_for_another_of_its_name():
    assert found(TWINS, run(mlops__host_id="studio-33333333")) == []
    assert found(TWINS[:1], run(mlops__host_id="studio-22222222")) == []


def test_one_that_was_given_a_name_by_hand_is_found_by_it():
    by_hand = states("Studio", "studio-11111111")
    assert found(by_hand, run(mlops__host_id="studio-33333333")) == ["Studio"]


@pytest.mark.parametrize("odd", ["", "studio", "../../etc-12345678x", "-12345678"])
def test_an_id_that_is_none_leaves_it_to_the_name(odd: str):
    assert found(TWINS[:1], run(mlops__host_id=odd)) == ["studio-11111111"]


def test_a_run_that_tells_nothing_is_nowhere():
    assert found(TWINS, run(None)) == []
    assert name_of(run(None)) == ""
    assert name_of(run(None, mlops__host_id="studio-22222222")) == "studio-22222222"


def test_a_name_with_signs_is_found_as_telemetry_writes_it():
    assert found(states("mira-s-macbook-11111111"), run("Mira’s MacBook.local")) == [
        "mira-s-macbook-11111111"
    ]


def test_the_processes_of_a_run_begun_offline_are_under_one_name():
    assert earlier_owners({"mlops.local_id": KEY}) == (OFFLINE,)
    assert earlier_owners({}) == ()
    assert (local_key(f"offline-{KEY}"), local_key("abc")) == (KEY, "")
    before = sample(2.0, {}, use(OFFLINE, pid=1), use(OTHER_RUN, pid=2))
    after = sample(4.0, {}, use(RUN, pid=1))
    one, two = gathered((before, after), RUN, (OFFLINE,))
    assert [p.owner for p in one.processes] == [RUN, OTHER_RUN]
    assert two is after
    assert gathered((before,), RUN, ()) == (before,)
    assert owner_of("aaaa") == RUN
