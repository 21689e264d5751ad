"""The known traps of the tools that read Apple's chips, each with the tests that hold it."""

import importlib
from collections.abc import Sequence

import pytest

from services.engines.silicon import chain, machine
from services.engines.silicon.commands import MacCommands
from services.engines.silicon.macmon import INTERVAL_S, Macmon
from services.settings import Settings
from tests.services.engines.silicon import macs
from tests.services.engines.silicon.replay import MAC, programs

_HERE = "tests.services.engines.silicon"
MACMON, COMMANDS, RECORDED, SHARED = (
    f"{_HERE}.test_macmon",
    f"{_HERE}.test_commands",
    f"{_HERE}.test_recorded",
    f"{_HERE}.test_recorded_shared",
)
CHAIN, MACHINE, TRAPS = f"{_HERE}.test_chain", f"{_HERE}.test_machine", f"{_HERE}.test_traps"
OTHERS, PRESENCE = f"{_HERE}.test_nvidia_and_actop", "tests.services.telemetry.test_presence"

HELD = {
    "macmon's sys_power 0.0 means unreadable": [(MACMON, "test_no_system_power_is_no_reading")],
    "a busy CPU at 0 W means unavailable (macOS 27)": [
        (MACMON, "test_a_busy_cpu_without_power_makes_all_power_unavailable"),
        (MACMON, "test_a_busy_cpu_without_power_is_seen_in_the_older_layout_too"),
        (MACMON, "test_a_busy_gpu_without_power_makes_its_power_and_the_sum_unavailable"),
        (OTHERS, "test_actops_busy_cpu_without_power_is_unavailable"),
    ],
    "an idle CPU may use nothing": [(MACMON, "test_an_idle_cpu_may_use_nothing")],
    "psutil raises in virtual_memory() on macOS 27": [
        (CHAIN, "test_psutil_that_raises_costs_only_its_own_figures"),
        (COMMANDS, "test_a_mac_whose_psutil_fails_still_tells_all_of_its_memory"),
    ],
    "energy counters are published every 2.1 s": [
        (MACMON, "test_it_is_asked_no_more_often_than_the_counters_are_published"),
        (TRAPS, "test_nobody_can_have_this_machine_sampled_faster_than_the_counters_move"),
    ],
    "there is no use of the Neural Engine, only its power": [
        (MACMON, "test_no_use_of_the_neural_engine_is_told")
    ],
    "M5 Pro and Max have super and performance cores and no efficiency cores": [
        (MACMON, "test_the_lower_cores_of_an_m5_pro_are_no_efficiency_cores"),
        (MACMON, "test_of_three_kinds_of_cores_the_two_that_are_put_together_are_told_of_neither"),
        (RECORDED, "test_the_slower_clusters_of_an_m5_pro_are_its_performance_cores"),
        (MACHINE, "test_a_mac_with_super_and_performance_cores"),
    ],
    "ioreg has a decoy: In use system memory (driver)": [
        (COMMANDS, "test_the_drivers_own_memory_is_not_the_gpus")
    ],
    "the GPU may vanish over ssh": [(COMMANDS, "test_a_gpu_that_vanished_says_why")],
    "powermetrics' freq_hz is Hz for the CPU and MHz for the GPU": [
        (RECORDED, "test_the_clock_of_the_cpu_is_in_hz_and_that_of_the_gpu_in_mhz")
    ],
    "notifyutil prints 0 for a key that does not exist": [
        (COMMANDS, "test_what_is_no_thermal_level_is_none")
    ],
    "NSProcessInfo merges thermal levels 1 and 2; pmset -g therm says little": [
        (COMMANDS, "test_every_thermal_level_is_read"),
        (TRAPS, "test_no_command_needs_sudo_and_none_is_one_that_says_little"),
    ],
    "mactop's thermal_state is not a reading": [
        (SHARED, "test_recorded_mactop_replays_without_its_thermal_state"),
        (RECORDED, "test_mactop_zeros_that_are_no_readings"),
    ],
    "macmon before 0.8.2 misreads newer chips": [
        (MACMON, "test_a_macmon_that_is_too_old_is_not_used")
    ],
    "a sensor that reads 0 degrees, a fan that is not there": [
        (MACMON, "test_a_sensor_that_reads_zero_degrees_is_missing"),
        (MACMON, "test_a_machine_without_fans_says_so"),
    ],
    "67 or 75 % of memory are not the recommended working set": [
        (MACHINE, "test_what_may_be_wired_is_set_by_a_person_or_said_by_metal"),
        (TRAPS, "test_no_share_of_memory_stands_in_for_what_metal_recommends"),
    ],
    "MLX memory is of a process, and old words about it are not told on": [
        (PRESENCE, "test_old_words_about_mlx_memory_are_not_told_on"),
        (f"{_HERE}.test_uses", "test_the_time_of_children_belongs_to_their_owner"),
    ],
    "ioreg prints a client's use before its creator": [
        (COMMANDS, "test_gpu_time_is_summed_by_process_though_its_creator_is_printed_after_it")
    ],
}  # fmt: skip


@pytest.mark.parametrize("trap", HELD)
def test_each_trap_has_its_tests(trap: str):
    for module, name in HELD[trap]:
        assert callable(getattr(importlib.import_module(module), name)), name


def test_no_command_needs_sudo_and_none_is_one_that_says_little():
    ran: list[str] = []
    answer = programs(MAC)

    def ask(arguments: Sequence[str], timeout_s: float) -> bytes:
        ran.append(" ".join(arguments))
        return answer(arguments, timeout_s)

    commands = MacCommands(ask)
    commands.preflight()
    commands.readings()
    Macmon(ask=ask).preflight()
    machine.apple("book", ask)
    assert len(ran) > 8
    assert not [one for one in ran if "sudo" in one or "powermetrics" in one or "therm" in one[:13]]
    assert "notifyutil -g com.apple.system.thermalpressurelevel" in ran


def test_nobody_can_have_this_machine_sampled_faster_than_the_counters_move(monkeypatch):
    assert INTERVAL_S >= 2.0
    monkeypatch.setenv("MLOPS_TELEMETRY_INTERVAL_S", "1.5")
    with pytest.raises(ValueError, match="telemetry_interval_s"):
        Settings()


def test_no_share_of_memory_stands_in_for_what_metal_recommends():
    without_mlx = {key: said for key, said in MAC.items() if "python" not in key}
    said = machine.apple("book", programs(without_mlx | {"sysctl": "hw.memsize: 38654705664\n"}))
    assert said.memory_bytes == 38_654_705_664
    assert said.recommended_working_set_bytes is None


def test_a_mac_is_asked_in_the_order_of_the_chain(monkeypatch, tmp_path):
    described = macs.M3_PRO
    monkeypatch.setattr(chain, "describe", lambda _kept: described)
    names = [state.name for state in chain.Host.here(tmp_path).providers()]
    assert names == ["macmon", "actop", "macOS commands", "psutil", "NVIDIA"]
