"""Who took the cores of a Linux machine: on recordings of a crowded and of a quiet one.

The recordings are the sampler's own, of a machine with two cores. Crowded: ``train`` is a run that
wants a whole core, ``mlflow`` an engine that wants half of one, ``ffmpeg`` a stranger that wants
one too, and other programs were at work as well. Quiet: the run takes half a core, the engine a
little.
"""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from services.engines.silicon.models import ProcessUse
from services.telemetry import batches
from services.telemetry.batches import Batch
from services.telemetry.beside import takers, with_strangers
from services.telemetry.diagnosis import Diagnosis, why_slow
from services.telemetry.spans import spans
from tests.services.telemetry.recordings import LINUX, PSUTIL, at, recording, use

FIXTURES = Path(__file__).parent / "fixtures"
OWNER = "run:r1"


def replayed(name: str) -> Batch:
    head, *samples = (FIXTURES / f"linux_2_cores_{name}.jsonl").read_bytes().splitlines()
    document = orjson.loads(head) | {"samples": [orjson.loads(one) for one in samples]}
    return batches.unpack(orjson.dumps(document), compressed=False)


def why(batch: Batch, owner: str = OWNER, *, meant_for_gpu: bool | None = None) -> Diagnosis:
    start = batch.samples[0].at - timedelta(seconds=batch.samples[0].window_s)
    return why_slow(
        batch.samples,
        start,
        batch.samples[-1].at,
        machine=batch.machine,
        owner=owner,
        meant_for_gpu=meant_for_gpu,
    )


@pytest.mark.parametrize("meant_for_gpu", [None, False, True])
def test_on_the_crowded_machine_those_who_took_the_cores_are_named(meant_for_gpu: bool | None):
    found = why(replayed("crowded"), meant_for_gpu=meant_for_gpu)
    (cause,) = found.causes
    assert cause.kind == "contention"
    assert cause.title.startswith("python and ffmpeg used the CPU at the same time: 85 % of it")
    said = [one.said for one in cause.evidence]
    assert said[1] == "All 2 cores were busy for over 99 % then: none was left over."
    assert "ffmpeg had 14 % of the CPU then (0.3 cores)." in said
    assert "The engine MLflow had 6 % of the CPU then (0.1 cores)." in said
    shares = [one.value for one in cause.evidence[2:]]
    assert sum(shares) == pytest.approx(cause.evidence[0].value, abs=0.02)
    assert not any("run:r1" in one for one in said)


def test_the_crowded_machine_as_a_whole_tells_the_run_among_the_others():
    (cause,) = why(replayed("crowded"), owner="").causes
    said = " ".join(one.said for one in cause.evidence)
    assert "run:r1 (cpu-compression) had 15 % of the CPU" in said
    assert "The engine MLflow had 6 %" in said


@pytest.mark.parametrize("owner", [OWNER, ""])
@pytest.mark.parametrize("meant_for_gpu", [None, False, True])
def test_on_the_quiet_machine_nobody_is_blamed_and_it_was_looked_for(
    owner: str, meant_for_gpu: bool | None
):
    found = why(replayed("quiet"), owner, meant_for_gpu=meant_for_gpu)
    assert found.causes == ()
    assert "contention" in found.clear


# What the recordings cannot hold still


def _crowd(moment: float) -> tuple[ProcessUse, ...]:
    """An engine in every sample, and a stranger that took three times as much, in each fifth."""
    looked = moment % 10 == 0
    stranger = (use("", pid=9, name="ffmpeg", gpu_s=None, cpu_s=1.5),) if looked else ()
    engine = use("engine:mlflow", pid=8, name="python", project="", gpu_s=None, cpu_s=0.5)
    return (use(gpu_s=None, cpu_s=1.8), engine, *stranger)


def test_a_stranger_that_is_seldom_looked_at_counts_for_all_it_took():
    samples = recording(600, PSUTIL, _crowd, machine=LINUX)
    (cause,) = why_slow(samples, at(0), at(600), machine=LINUX, owner="run:aaaa").causes
    assert cause.title.startswith("ffmpeg and the engine MLflow used the CPU at the same time")
    by_name = {one.said.partition(" had")[0]: one.value for one in cause.evidence[2:]}
    assert by_name["ffmpeg"] == pytest.approx(1.5 / 4, abs=0.01)
    assert by_name["The engine MLflow"] == pytest.approx(0.5 / 4, abs=0.01)


def test_one_stranger_alone_on_the_machine_is_no_contention_between_looks():
    """Between the looks only the engine is listed; that is not all that others had."""

    def alone(moment: float) -> tuple[ProcessUse, ...]:
        looked = moment % 10 == 0
        stranger = (use("", pid=9, name="ffmpeg", gpu_s=None, cpu_s=3.6),) if looked else ()
        return (use("engine:mlflow", pid=8, project="", gpu_s=None, cpu_s=0.1), *stranger)

    samples = recording(600, PSUTIL, alone, machine=LINUX)
    found = why_slow(samples, at(0), at(600), machine=LINUX, owner="")
    assert found.causes == ()


def test_a_look_speaks_for_the_samples_around_it_and_no_further():
    samples = recording(60, PSUTIL, lambda s: _crowd(s) if s == 30 else _crowd(31), machine=LINUX)
    found = with_strangers(spans(samples, at(0), at(60)))
    told = [span.end - at(0).timestamp() for span in found if span.owned("")]
    assert told == [22, 24, 26, 28, 30, 32, 34, 36, 38]


def test_strangers_together_never_had_more_than_was_left():
    greedy = (
        use(gpu_s=None, cpu_s=2.0),
        use("", pid=9, name="ffmpeg", gpu_s=None, cpu_s=9.0),
        use("", pid=10, name="tar", gpu_s=None, cpu_s=3.0),
    )
    found = spans(recording(60, PSUTIL, greedy, machine=LINUX), at(0), at(60))
    told = {one.name: one.ratio for one in takers(found, "run:aaaa", "cpu", 2)}
    assert sum(told.values()) == pytest.approx(0.95 - 0.5)
    assert told["ffmpeg"] == pytest.approx(3 * told["tar"])


def test_a_machine_with_a_gpu_still_needs_to_know_of_it():
    machine = replace(LINUX, gpu="NVIDIA L4")
    samples = recording(600, PSUTIL, (use(gpu_s=None, cpu_s=3.7),), machine=machine)
    found = why_slow(samples, at(0), at(600), machine=machine, owner="run:aaaa")
    assert "contention" in {one.kind for one in found.unknown}


def test_others_that_nobody_listed_are_said_to_be_unlisted():
    samples = recording(600, PSUTIL, (use(gpu_s=None, cpu_s=1.0),), machine=LINUX)
    (cause,) = why_slow(samples, at(0), at(600), machine=LINUX, owner="run:aaaa").causes
    assert cause.title.startswith("Others, which were not listed, used the CPU")
    assert "Processes that were not listed had 70 % of it" in cause.evidence[-1].said
