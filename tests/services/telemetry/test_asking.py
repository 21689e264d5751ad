"""From a run to its machine, its time and its steps."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.errors import InputError, NotFoundError
from services.mirror.models import Curve, Run
from services.telemetry.asking import (
    LONGEST,
    explain,
    host_of,
    meant_for_gpu,
    points_of,
    question_of_run,
    samples_for,
)
from services.telemetry.models import HostState
from services.telemetry.speed import Point
from tests.services.telemetry.recordings import BUSY, HOST, MAC, Kept, at, recording, use

STATES = tuple(
    HostState(replace(MAC, host=host), None, ())
    for host in (HOST, "mac-mini-11111111", "mac-mini-22222222", "mac-33333333")
)


def run(**changed: object) -> Run:
    made = Run(
        "abc", "p", "1", "n", "finished", "", "lora", False, at(0), at(100), None, "Studio.local",
        False, {}, {}, {"mlops.backend": "mlx-metal"},
    )  # fmt: skip
    return replace(made, **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("Studio.local", HOST),
        ("STUDIO", HOST),
        (HOST, HOST),
        ("mac-mini-11111111", "mac-mini-11111111"),
        ("mac", "mac-33333333"),
    ],
)
def test_a_run_is_found_on_the_machine_whose_name_it_tells(name: str, host: str):
    assert host_of(STATES, run(host=name)).machine.host == host


def test_a_name_of_several_machines_is_asked_back():
    with pytest.raises(InputError, match="several machines have that name") as told:
        host_of(STATES, run(host="mac-mini.local"))
    assert told.value.hint == "Say which with --host: mac-mini-11111111, mac-mini-22222222."
    asked = question_of_run(STATES, run(host="mac-mini"), (), at(500), host="mac-mini-22222222")
    assert asked.host == "mac-mini-22222222"


def test_a_run_without_telemetry_is_told_so():
    with pytest.raises(NotFoundError, match="ran on studio-x, which sends no telemetry"):
        host_of(STATES, run(host="studio-x"))
    with pytest.raises(NotFoundError, match="names no machine"):
        host_of(STATES, run(host=None))
    with pytest.raises(NotFoundError) as told:
        host_of((), run())
    assert "`mlops up` starts the sampler" in told.value.hint


def test_the_question_about_a_run():
    asked = question_of_run(STATES, run(), (), at(500))
    assert (asked.host, asked.start, asked.end) == (HOST, at(0), at(100))
    assert (asked.owner, asked.meant_for_gpu) == ("run:abc", True)
    running = question_of_run(STATES, run(ended_at=None), (), at(50))
    assert running.end == at(50)
    part = question_of_run(STATES, run(), (), at(500), start=at(-9), end=at(60))
    assert (part.start, part.end) == (at(0), at(60))
    with pytest.raises(InputError, match="has not begun"):
        question_of_run(STATES, run(started_at=None), (), at(500))


def test_the_question_about_a_run_begun_offline_is_about_all_its_processes():
    key = "0123456789abcdef01234567"
    tagged = run(tags={"mlops.local_id": key})
    asked = question_of_run(STATES, tagged, (), at(500))
    assert asked.also == (f"run:offline-{key}",)
    before = recording(50, BUSY, (use(f"run:offline-{key}"),))
    after = recording(50, BUSY, (use("run:abc"),), begin_s=50)
    telemetry = Kept(*STATES, samples=(*before, *after))
    owners = {p.owner for s in samples_for(telemetry, asked) for p in s.processes}
    assert owners == {"run:abc"}
    assert "contention" in explain(telemetry, asked).clear


def test_of_a_run_of_days_the_last_one_is_looked_at():
    end = at(0) + timedelta(days=3)
    asked = question_of_run(STATES, run(ended_at=end), (), end)
    assert (asked.start, asked.end) == (end - LONGEST, end)


@pytest.mark.parametrize(
    ("backend", "expected"),
    [("mlx-metal", True), ("torch-mps", True), ("mlx-cpu", False), ("cpu", False), ("tpu", None)],
)
def test_what_a_run_was_meant_for_is_its_backend(backend: str, expected: bool | None):
    assert meant_for_gpu({"mlops.backend": backend}) is expected
    assert meant_for_gpu({}) is None


def test_the_steps_of_a_run_are_those_of_its_curve_by_step():
    def curve(key: str, *steps: int, total: int = 3) -> Curve:
        return Curve("abc", key, steps, tuple(map(float, steps)), tuple(map(at, steps)), total, 0)

    found = points_of([curve("val_loss", 0, 1, total=999), curve("loss", 0, 10, 20)])
    assert found == (Point(at(0), 0), Point(at(10), 10), Point(at(20), 20))
    assert points_of([curve("accuracy", 1, 2)]) == (Point(at(1), 1), Point(at(2), 2))
    assert points_of([curve("loss", 7)]) == ()
    assert points_of([]) == ()
