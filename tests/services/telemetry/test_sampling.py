import json
import os
import time
from pathlib import Path

import psutil
import pytest

from services.engines.silicon.provider import measured
from services.engines.silicon.uses import Uses
from services.errors import EngineUnreachableError
from services.telemetry.heartbeat import Heartbeat
from services.telemetry.sampling import Sampling, Schedule, gpu_teller
from tests.services.telemetry.machines import BEGIN, Clocks, Prepared, host

WATTS = measured("cpu_w", 4.0, "macmon 0.8.2", window_s=2.0)


class Lab:
    def __init__(self, folder: Path) -> None:
        self.clocks = Clocks()
        self.provider = Prepared(WATTS)
        self.sampling = Sampling(
            host(self.provider, clocks=self.clocks), folder, 2.0,
            uses=Uses(now=self.clocks.now), clock=self.clocks.wall, now=self.clocks.now,
        )  # fmt: skip

    def next(self, seconds: float = 2.0, *, asleep_s: float = 0.0):
        self.clocks.on(seconds, asleep_s=asleep_s)
        return self.sampling.take()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_the_first_look_only_says_where_the_counters_stand(lab):
    assert lab.sampling.take() is None
    second = lab.next()
    assert (second.window_s, (second.at - BEGIN).total_seconds()) == (2.0, 2.0)
    assert second.reading("cpu_w") == WATTS


@pytest.mark.parametrize(
    ("seconds", "asleep_s"), [(60.0, 0.0), (5.1, 0.0), (2.0, 3600.0), (0.3, 3600.0)]
)
def test_a_closed_lid_or_a_stop_is_a_gap_and_no_long_window(lab, seconds, asleep_s):
    lab.sampling.take()
    lab.next()
    assert lab.next(seconds, asleep_s=asleep_s) is None
    after = lab.next()
    assert after.window_s == 2.0
    assert (after.at - BEGIN).total_seconds() == 2 + seconds + asleep_s + 2


def test_a_sample_a_little_late_is_kept_with_its_true_window(lab):
    lab.sampling.take()
    assert lab.next(4.9).window_s == pytest.approx(4.9)


def test_a_provider_that_is_always_slow_costs_one_sample(lab):
    lab.sampling.take()
    lab.provider.on_reading = lambda: lab.clocks.on(7.0)
    taken = [lab.next(1.0) for _ in range(4)]
    assert [one.window_s if one else None for one in taken] == [None, 8.0, 8.0, 8.0]


def test_a_stop_in_the_middle_of_the_asking_is_a_gap_as_well(lab):
    lab.sampling.take()
    lab.provider.on_reading = lambda: lab.clocks.on(60.0)
    assert lab.next() is None
    lab.provider.on_reading = lambda: None
    assert lab.next().window_s == 2.0


def test_a_clock_set_forward_or_back_costs_one_sample_at_most(lab):
    lab.sampling.take()
    assert lab.next(2.0, asleep_s=-7200.0) is not None
    assert lab.next(2.0, asleep_s=7200.0) is None
    assert lab.next() is not None


def test_what_a_tagged_process_used_is_in_the_sample(lab, tmp_path):
    (tmp_path / "processes").mkdir()
    began = psutil.Process().create_time()
    said = {"pid": os.getpid(), "started_at": began, "owner": "run:r1", "project": "clip",
            "mlx": {"active_bytes": 7, "peak_bytes": 9, "cache_bytes": 1}}  # fmt: skip
    (tmp_path / "processes" / f"{os.getpid()}.json").write_text(json.dumps(said))
    lab.sampling.take()
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    own = next(p for p in lab.next().processes if p.pid == os.getpid())
    assert (own.owner, own.project, own.mlx_peak_bytes) == ("run:r1", "clip", 9)
    assert own.cpu_s >= 0.03  # counted in ticks of the system
    assert own.memory_bytes > 1 << 20


def test_a_provider_that_fails_is_a_sentence_and_the_sample_says_so(lab):
    lab.sampling.take()
    lab.provider.readings_now = EngineUnreachableError("macmon has printed nothing for 4 s.")
    sample = lab.next()
    assert sample.reading("cpu_w").reason.endswith("macmon has printed nothing for 4 s.")
    assert lab.sampling.troubles() == ("macmon: macmon has printed nothing for 4 s.",)
    lab.provider.readings_now = (WATTS,)
    lab.next(2.0)
    assert [lab.next(2.0) for _ in range(6)][-1].reading("cpu_w") == WATTS
    assert lab.sampling.troubles() == ()


def test_a_damaged_presence_file_is_a_sentence(lab, tmp_path):
    (tmp_path / "processes").mkdir()
    (tmp_path / "processes" / f"{os.getpid()}.json").write_text("{")
    lab.sampling.take()
    (said,) = lab.sampling.troubles()
    assert "cannot be used" in said


def test_the_schedule_does_not_drift_and_leaves_out_what_was_missed():
    clocks = Clocks()
    schedule = Schedule(2.0, clocks.now)
    assert schedule.wait_s() == 0.0
    due = []
    for late in (0.0, 0.3, 0.1, 5.0, 0.2):
        clocks.seconds += schedule.wait_s() + late
        due.append(round(clocks.seconds - late - 100.0, 6))
        schedule.advance()
    assert due == [0.0, 2.0, 4.0, 6.0, 12.0]  # 8 and 10 passed while the third was 5 s late


def test_gpu_time_of_processes_is_asked_of_macos_alone(monkeypatch):
    assert gpu_teller(apple_silicon=False) is None
    monkeypatch.setattr("sys.platform", "linux")
    assert gpu_teller(apple_silicon=True) is None
    monkeypatch.setattr("sys.platform", "darwin")
    asked = []

    def ask(arguments, timeout_s):
        asked.append(arguments)
        if len(asked) > 1:
            raise EngineUnreachableError("ioreg did not answer within 3 s.")
        return (
            b"+-o AGXDeviceUserClient  <class AGXDeviceUserClient>\n"
            b'  "AppUsage" = ({"accumulatedGPUTime"=5000000000})\n'
            b'  "IOUserClientCreator" = "pid 7, x"\n'
        )

    told = gpu_teller(True, ask)
    assert told() == {7: 5.0}
    assert told() == {}
    assert asked[0][0] == "ioreg"


def test_a_heartbeat_is_whole_and_goes_with_the_process(tmp_path):
    heart = Heartbeat(tmp_path / "telemetry.json")
    heart.beat("x" * 5000)
    heart.beat("all well")
    said = json.loads((tmp_path / "telemetry.json").read_bytes())
    assert (said["pid"], said["detail"]) == (os.getpid(), "all well")
    assert abs(said["at"] - time.time()) < 5
    assert [path.name for path in tmp_path.iterdir()] == ["telemetry.json"]
    heart.end()
    assert not [*tmp_path.iterdir()]
    heart.end()


def test_a_heartbeat_that_cannot_be_replaced_is_written_over(tmp_path, monkeypatch):
    heart = Heartbeat(tmp_path / "telemetry.json")
    heart.beat("a longer sentence than the next one")

    def full(**_: object):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", full)
    heart.beat("the disk is full")
    assert json.loads((tmp_path / "telemetry.json").read_bytes())["detail"] == "the disk is full"
