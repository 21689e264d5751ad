import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from services.engines.silicon.chain import Host
from services.engines.silicon.commands import MacCommands
from services.engines.silicon.macmon import Macmon
from services.engines.silicon.models import METRICS, CoreTier, Machine, ProviderState, Reading
from services.engines.silicon.provider import measured
from services.engines.silicon.system import Rates, System
from services.errors import EngineProtocolError, EngineUnreachableError
from tests.services.engines.silicon.replay import MAC, of, programs, recorded

AT = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
M3 = Machine("bob", "Apple M3 Pro", apple_silicon=True, os="macOS 27.0",
             tiers=(CoreTier("performance", 6), CoreTier("efficiency", 6)))  # fmt: skip
LINUX = Machine("ci", "AMD EPYC", apple_silicon=False, os="Linux", tiers=(CoreTier("all", 2),))


class Said:
    """A provider with prepared answers."""

    def __init__(self, name: str, *answers: tuple[Reading, ...] | Exception) -> None:
        self.name = name
        self.answers = list(answers)
        self.asked = 0
        self.closed = 0
        self.state = ProviderState(name, "1.0", usable=True)

    def preflight(self) -> ProviderState:
        return self.state

    def readings(self) -> tuple[Reading, ...]:
        self.asked += 1
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(said, Exception):
            raise said
        return said

    def close(self) -> None:
        self.closed += 1


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_every_metric_is_told_or_says_why_not():
    sample = Host(M3, [Said("a", (measured("cpu_ratio", 0.5, "a"),))]).sample(AT)
    assert [r.metric for r in sample.readings] == list(METRICS)
    for reading in sample.readings:
        assert (reading.value is None) == bool(reading.reason), reading


def test_the_first_that_has_a_figure_wins_and_a_measured_zero_is_one():
    first = Said("a", (measured("gpu_w", 0.0, "a"), measured("gpu_ratio", None, "a")))
    second = Said("b", (measured("gpu_w", 9.0, "b"), measured("gpu_ratio", 0.25, "b")))
    host = Host(M3, [first, second])
    sample = host.sample(AT)
    assert sample.reading("gpu_w") == measured("gpu_w", 0.0, "a")
    assert sample.reading("gpu_ratio") == measured("gpu_ratio", 0.25, "b")
    assert [state.gives for state in host.providers()] == [("gpu_w",), ("gpu_ratio",)]


def test_what_no_linux_machine_has_is_not_apple_silicon():
    sample = Host(LINUX, [Said("a", ())]).sample(AT)
    assert of(sample.readings, "ane_w").reason == "not Apple Silicon"
    assert of(sample.readings, "gpu_ratio").reason == "no NVIDIA GPU here"
    assert of(sample.readings, "system_w").reason == "this machine does not report it"


def test_cores_a_chip_does_not_have_are_no_fault():
    m5 = replace(M3, tiers=(CoreTier("super", 5), CoreTier("performance", 10)))
    sample = Host(m5, [Said("a", ())]).sample(AT)
    assert of(sample.readings, "cpu_efficiency_ratio").reason == "this chip has no such cores"


def test_a_missing_provider_is_named_with_what_to_do():
    missing = Said("macmon", ())
    missing.state = ProviderState("macmon", reason="It is not there.", hint="brew install macmon")
    sample = Host(M3, [missing]).sample(AT)
    assert missing.asked == 0
    assert "brew install macmon" in of(sample.readings, "cpu_w").reason


def test_a_dying_provider_is_said_rested_and_asked_again():
    clock = Clock()
    answer = (measured("cpu_w", 3.0, "macmon"),)
    dying = Said("macmon", answer, EngineUnreachableError("macmon ended with -9."), answer)
    host = Host(M3, [dying], now=clock)
    assert of(host.sample(AT).readings, "cpu_w").value == 3.0
    clock.now += 2
    assert "ended with -9" in of(host.sample(AT).readings, "cpu_w").reason
    assert dying.closed == 1
    assert host.providers()[0].reason == "macmon ended with -9."
    clock.now += 2
    host.sample(AT)
    assert dying.asked == 2  # it rests
    clock.now += 10
    assert of(host.sample(AT).readings, "cpu_w").value == 3.0
    assert host.providers()[0].reason == ""


def test_one_damaged_line_costs_one_sample_and_ends_nothing():
    answer = (measured("cpu_w", 3.0, "macmon"),)
    damaged = EngineProtocolError("macmon printed a line that cannot be read.")
    provider = Said("macmon", answer, damaged, damaged, answer, damaged, answer)
    clock = Clock()
    host = Host(M3, [provider], now=clock)
    told = []
    for _ in range(6):
        told.append(of(host.sample(AT).readings, "cpu_w").value)
        clock.now += 2
    assert told == [3.0, None, None, 3.0, None, 3.0]
    assert provider.closed == 0
    assert host.providers()[0].reason == ""


def test_one_that_says_nothing_but_nonsense_begins_afresh():
    damaged = EngineProtocolError("macmon printed a line that cannot be read.")
    provider = Said("macmon", damaged)
    clock = Clock()
    host = Host(M3, [provider], now=clock)
    for _ in range(5):
        assert "cannot be read" in of(host.sample(AT).readings, "cpu_w").reason
        clock.now += 2
    assert (provider.asked, provider.closed) == (3, 1)


def test_actop_takes_over_while_macmon_does_not_answer():
    clock = Clock()
    first = (measured("cpu_w", 3.0, "macmon"),)
    macmon = Said("macmon", first, EngineUnreachableError("macmon ended with 1."), first)
    actop = Said("actop", (measured("cpu_w", 4.0, "actop"),))
    host = Host(M3, [macmon, actop], now=clock)
    assert of(host.sample(AT).readings, "cpu_w").source == "macmon"
    assert actop.asked == 0
    clock.now += 2
    assert of(host.sample(AT).readings, "cpu_w").source == "actop"
    assert [p.gives for p in host.providers()] == [(), ("cpu_w",)]
    clock.now += 11
    assert of(host.sample(AT).readings, "cpu_w").source == "macmon"
    assert actop.closed == 1
    assert [p.gives for p in host.providers()] == [("cpu_w",), ()]


def test_one_that_is_installed_later_is_found():
    clock = Clock()
    late = Said("macmon", (measured("cpu_w", 3.0, "macmon"),))
    late.state = ProviderState("macmon", reason="It is not there.")
    host = Host(M3, [late], now=clock)
    assert of(host.sample(AT).readings, "cpu_w").value is None
    late.state = ProviderState("macmon", "0.8.2", usable=True)
    clock.now += 601
    assert of(host.sample(AT).readings, "cpu_w").value == 3.0


def test_a_whole_mac_replayed():
    class Line:
        def newest(self, within_s: float) -> bytes:
            return recorded("macmon_0.8.2_m3_pro.json").encode()

        def close(self) -> None:
            pass

    macmon = Macmon(ask=programs(MAC), open_stream=lambda _: Line())  # type: ignore[arg-type, return-value]
    host = Host(M3, [macmon, MacCommands(programs(MAC))])
    said = {r.metric: r.value for r in host.sample(AT).readings if r.value is not None}
    assert said["gpu_ratio"] == 0.93  # macmon's comes before ioreg's
    assert said["memory_used_bytes"] == 20000000000
    assert said["memory_wired_bytes"] == 200000 * 16384
    assert said["thermal_level"] == 2
    assert said["low_power_mode"] == 1
    assert said["gpu_memory_used_bytes"] == 5368709120


def test_this_machine_answers(tmp_path: Path):
    host = Host.here(tmp_path)
    host.sample(AT)
    sample = host.sample(AT)
    assert of(sample.readings, "memory_total_bytes").value == psutil.virtual_memory().total
    cpu = of(sample.readings, "cpu_ratio")
    assert cpu.value is not None
    assert 0 <= cpu.value <= 1
    assert of(sample.readings, "disk_free_bytes").quality == "measured"
    host.close()


def test_psutil_that_raises_costs_only_its_own_figures(monkeypatch):
    def broken() -> None:
        raise RuntimeError("host_statistics64(HOST_VM_INFO64) syscall failed")

    monkeypatch.setattr(psutil, "virtual_memory", broken)
    readings = System().readings()
    assert "syscall failed" in of(readings, "memory_used_bytes").reason
    assert of(readings, "disk_free_bytes").value is not None


def test_the_first_share_of_the_cpu_means_nothing():
    system = System()
    assert of(system.readings(), "cpu_ratio").reason == "needs two samples"
    assert of(system.readings(), "cpu_ratio").value is not None


def test_a_mac_does_not_tell_its_clock_through_psutil(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "macmon" in of(System().readings(), "cpu_mhz").reason


def test_a_desktop_has_no_battery(monkeypatch):
    monkeypatch.setattr(psutil, "sensors_battery", lambda: None)
    assert of(System().readings(), "battery_ratio").reason == "this machine has no battery"
    charged = SimpleNamespace(power_plugged=False, percent=40.0)
    monkeypatch.setattr(psutil, "sensors_battery", lambda: charged)
    assert of(System().readings(), "on_battery").value == 1.0


@pytest.mark.parametrize("second", [50.0, None])
def test_a_counter_that_fell_gives_no_rate(second):
    times = iter([1.0, 3.0, 5.0])
    rates = Rates(lambda: next(times))
    assert rates.rate("x", 100.0, "s").reason == "needs two samples"
    assert rates.rate("x", second, "s").value is None
    if second is not None:
        again = rates.rate("x", 70.0, "s")
        assert (again.value, again.window_s) == (10.0, 2.0)
