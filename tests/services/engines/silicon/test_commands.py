import pytest

from services.engines.silicon import commands
from services.engines.silicon.commands import MacCommands
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


def test_gpu_time_is_summed_by_process():
    assert commands.gpu_times(recorded("ioreg_user_clients.txt")) == {4242: 3.0, 431: 0.75}


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
    clock = iter([100.0, 102.0])
    provider = MacCommands(programs(MAC), now=lambda: next(clock))
    assert provider.preflight().version == "27.0"
    first = provider.readings()
    assert of(first, "thermal_level").value == 2
    assert of(first, "swap_in_bytes_s").reason == "needs two samples"
    again = of(provider.readings(), "swap_in_bytes_s")
    assert (again.value, again.window_s) == (0.0, 2.0)


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
