from collections import Counter
from datetime import UTC, datetime

import psutil
import pytest

from services.engines.silicon import commands
from services.engines.silicon.chain import Host
from services.engines.silicon.commands import MacCommands
from services.engines.silicon.models import Machine
from services.engines.silicon.system import System
from services.errors import EngineProtocolError, EngineRefusedError, EngineUnreachableError
from tests.services.engines.silicon.replay import MAC, of, programs, recorded, values


@pytest.mark.parametrize("level", range(5))
def test_every_thermal_level_is_read(level):
    reading = commands.thermal(f"com.apple.system.thermalpressurelevel {level}\n")
    assert (reading.value, reading.quality) == (level, "measured")


@pytest.mark.parametrize(
    "said",
    ["com.apple.system.thermalpressurelevel: Failed with code 9", "com.apple.other 0", "", "7",
     "com.apple.system.thermalpressurelevel 9"],
)  # fmt: skip
def test_what_is_no_thermal_level_is_none(said):
    reading = commands.thermal(said)
    assert reading.value is None
    assert reading.reason.startswith("notifyutil said")


def test_the_drivers_own_memory_is_not_the_gpus():
    said = values(commands.accelerator(recorded("ioreg_accelerator.txt")))
    assert said == {"gpu_ratio": 0.71, "gpu_memory_used_bytes": 5368709120}
    assert commands.gpu_core_count(recorded("ioreg_accelerator.txt")) == 18


def test_a_gpu_that_vanished_says_why():
    for reading in commands.accelerator(""):
        assert reading.value is None
        assert "ssh" in reading.reason


def test_gpu_time_is_summed_by_process_though_its_creator_is_printed_after_it():
    said = commands.gpu_times(recorded("ioreg_user_clients.txt"))
    assert said == {77: 0.0, 4242: 4.0, 431: 0.75}
    assert commands.gpu_times("") == {}


def test_swap_and_pressure():
    said = values(commands.kernel(recorded("sysctl_warning.txt")))
    assert said == {"swap_used_bytes": 1.5 * 2**30, "memory_pressure": 2}
    assert values(commands.kernel("")) == {"swap_used_bytes": None, "memory_pressure": None}


def test_a_limit_of_zero_is_the_systems_own():
    assert commands.wired_limit_bytes("iogpu.wired_limit_mb: 0") is None
    assert commands.wired_limit_bytes("iogpu.wired_limit_mb: 40960") == 40960 * 2**20


def test_memory_is_counted_as_activity_monitor_does():
    said = values(commands.memory(commands.pages(recorded("vm_stat_macos_27.txt"))))
    assert said == {
        "memory_used_bytes": (501000 - 1000 + 200000 + 50000) * 16384,
        "memory_available_bytes": (10000 + 300000 + 2000) * 16384,
        "memory_wired_bytes": 200000 * 16384,
        "memory_compressed_bytes": 50000 * 16384,
    }
    with pytest.raises(EngineProtocolError):
        commands.pages("no pages")


def test_low_power_mode_and_battery():
    assert commands.power_mode(recorded("pmset_g.txt")).value == 1
    assert commands.power_mode(" displaysleep 10").value is None
    assert values(commands.battery(recorded("pmset_batt.txt"))) == {
        "on_battery": 1.0,
        "battery_ratio": 0.85,
    }
    desktop = commands.battery("Now drawing from 'AC Power'\n")
    assert of(desktop, "on_battery").value == 0.0
    assert of(desktop, "battery_ratio").reason == "this machine has no battery"


def test_all_commands_together_and_swap_ins_from_the_second_time():
    now = [100.0]
    provider = MacCommands(programs(MAC), now=lambda: now[0])
    assert provider.preflight().version == "27.0"
    first = provider.readings()
    assert of(first, "thermal_level").value == 2
    assert of(first, "swap_in_bytes_s").reason == "needs two samples"
    now[0] += 4
    again = of(provider.readings(), "swap_in_bytes_s")
    assert (again.value, again.window_s) == (0.0, 4.0)


def test_programs_whose_answer_hardly_changes_are_run_less_often():
    now, ran = [0.0], Counter()
    answer = programs(MAC)

    def counting(arguments, timeout_s):
        ran[" ".join(arguments[:3])] += 1
        return answer(arguments, timeout_s)

    provider = MacCommands(counting, now=lambda: now[0])
    for _ in range(15):  # 30 s
        readings = provider.readings()
        now[0] += 1.99  # a little early, as timers are
        assert of(readings, "battery_ratio").value == 0.85
    thermal = ran["notifyutil -g com.apple.system.thermalpressurelevel"]
    assert (thermal, ran["ioreg -r -d"]) == (15, 15)
    assert (ran["vm_stat"], ran["pmset -g"], ran["pmset -g batt"]) == (8, 3, 3)
    assert sum(ran.values()) <= 52  # 3.5 programs a sample


def test_a_program_that_failed_is_asked_again_at_once():
    answers = dict(MAC) | {"pmset -g batt": EngineUnreachableError("pmset did not answer.")}
    provider = MacCommands(programs(answers), now=lambda: 0.0)
    assert of(provider.readings(), "battery_ratio").value is None
    answers["pmset -g batt"] = MAC["pmset -g batt"]
    assert of(provider.readings(), "battery_ratio").value == 0.85


def test_a_mac_whose_psutil_fails_still_tells_all_of_its_memory(monkeypatch):
    def broken() -> None:
        raise RuntimeError("host_statistics64(HOST_VM_INFO64) syscall failed")

    monkeypatch.setattr(psutil, "virtual_memory", broken)
    answer = programs(MAC)

    def ask(arguments, timeout_s):
        more = b"hw.memsize: 51539607552\n" if "hw.memsize" in arguments else b""
        return more + answer(arguments, timeout_s)

    mac = Machine("m5", "Apple M5 Pro", apple_silicon=True, os="macOS 27.0")
    sample = Host(mac, [MacCommands(ask), System()]).sample(datetime.now(UTC))
    for metric, value in (
        ("memory_total_bytes", 51539607552),
        ("memory_used_bytes", (501000 - 1000 + 200000 + 50000) * 16384),
        ("memory_available_bytes", (10000 + 300000 + 2000) * 16384),
    ):
        reading = sample.reading(metric)
        assert reading is not None
        assert (reading.value, reading.quality) == (value, "measured")


def test_vm_stat_that_fails_costs_all_of_its_figures():
    error = EngineRefusedError("vm_stat ended with 1.")
    readings = MacCommands(programs(MAC | {"vm_stat": error})).readings()
    assert of(readings, "memory_used_bytes").reason == error.message
    assert of(readings, "memory_compressed_bytes").reason == error.message


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("Currently in use:\n lowpowermode         0\n powermode            2\n", 0.0),
        ("Currently in use:\n powermode            1\n womp 1\n", 1.0),
        ("Currently in use:\n powermode            0\n", 0.0),
        ("Currently in use:\n powermode            2\n", 0.0),
        ("Currently in use:\n powermode            7\n", None),
    ],
)
def test_low_power_is_one_end_of_the_newer_dial(said, value):
    assert commands.power_mode(said).value == value


@pytest.mark.parametrize(
    "error", [EngineUnreachableError("pmset did not answer."), EngineRefusedError("pmset: no.")]
)
def test_one_command_that_fails_costs_only_its_own_figures(error):
    provider = MacCommands(programs(MAC | {"pmset -g": error}))
    readings = provider.readings()
    assert of(readings, "low_power_mode").reason == error.message
    assert of(readings, "battery_ratio").value == 0.85


def test_this_is_no_mac():
    assert not MacCommands(programs({})).preflight().usable
