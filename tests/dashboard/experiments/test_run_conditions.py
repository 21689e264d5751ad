"""What runs used and ran under, in words, and on which machine they were."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dashboard.experiments import run_conditions
from dashboard.experiments.comparison import compare
from dashboard.experiments.run_machine import interval, machine_of
from services.engines.silicon.models import Machine
from services.mirror.models import MetricPoint
from services.telemetry.conditions import Conditions, Neighbour
from services.telemetry.models import HostState
from tests.dashboard.experiments.examples import START, detail, run
from tests.hardware_seed import HEAT, RUNNER, STUDIO, USED

COOL = replace(
    HEAT, thermal_max=0, thermal_mean=0.0, thermal_s={"0": 1440.0}, low_power=0.0, pressure=0.0,
    pressure_max=1, swap_in_bytes=0.0, neighbours=(),
)  # fmt: skip


def under(found: Conditions) -> dict[str, str]:
    return {run_conditions.TAG: found.to_json()}


@pytest.mark.parametrize(
    ("joules", "told"), [(0.0, "0 J"), (812.4, "812 J"), (73_400.0, "73.4 kJ"), (1.31e6, "1.31 MJ")]
)
def test_joules_are_told_in_the_unit_that_fits(joules: float, told: str):
    assert run_conditions.energy(joules) == told


def test_energy_has_its_quality_and_boundary():
    tags = {"mlops.energy.quality": "measured", "mlops.energy.boundary": "cpu+gpu+ane"}
    told, why = run_conditions.energy_of(run(metrics=USED, tags=tags))
    assert told == "73.4 kJ"
    assert why == (
        "Measured, of CPU + GPU + Neural Engine. That is 20.4 W·h; idle power is not taken off."
    )


def test_estimated_energy_is_marked_and_says_what_it_rests_on():
    tags = {
        "mlops.energy.quality": "estimated",
        "mlops.energy.boundary": "gpu",
        "mlops.energy.reason": "allocated by busy time",
    }
    told, why = run_conditions.energy_of(run(metrics=USED, tags=tags))
    assert told == "≈ 73.4 kJ"
    assert why.startswith("Estimated, of GPU.")
    assert why.endswith("Allocated by busy time.")


@pytest.mark.parametrize(
    ("status", "tags", "why"),
    [
        (
            "finished",
            {"mlops.energy.reason": "the power of the CPU was not reported"},
            "the power of the CPU was not reported.",
        ),
        ("finished", {}, "Nothing was sampled, or it was not worked out yet."),
        ("running", {}, "It is worked out when the run has ended."),
    ],
)
def test_no_energy_is_unavailable_with_the_reason_never_zero(status: Any, tags: Any, why: str):
    assert run_conditions.energy_of(run(status=status, tags=tags)) == ("unavailable", why)


def test_what_a_run_used_is_told_with_units_and_what_is_not_known_says_so():
    told = {name: figure for name, figure, _ in run_conditions.uses(run(metrics=USED))}
    assert told == {
        "Mean power": "51 W", "CPU time": "38 min 30 s", "GPU time": "18 min 40 s",
        "Peak memory": "9.40 GB", "MLX peak": "8.10 GB",
    }  # fmt: skip
    assert {figure for _, figure, _ in run_conditions.uses(run())} == {"unavailable"}


def test_conditions_are_sentences():
    told = list(
        run_conditions.sentences(HEAT, {"run:" + "504".ljust(32, "a"): "run b"}.__getitem__)
    )
    assert told == [
        "Samples speak for 97 % of its 24 min on studio-1a2b3c4d.",
        "It was throttled for 31 % of the time, at worst at thermal level 2 (heavy).",
        "It was in Low Power Mode for 11 % of the time.",
        "It was short of memory (pressure 2 or more) for 13 % of the time.",
        "290 MB were read back from swap.",
        "Beside it, run b used 5 % of the cores and 5 % of the GPU's time.",
    ]


def test_a_cool_run_says_that_it_was_not_throttled():
    assert list(run_conditions.sentences(COOL))[1:] == [
        "It was not throttled: the thermal level stayed at 0."
    ]


def test_what_is_not_known_is_said_and_not_taken_for_fine():
    told = list(run_conditions.sentences(Conditions("runner", 60.0, 1.0)))
    assert told[1:] == [
        "Not known: thermal level, Low Power Mode, memory pressure, who else used the machine."
    ]


def test_a_hot_run_against_a_cool_one_is_warned_of():
    pair = [detail("a", tags=under(COOL)), detail("b", tags=under(HEAT))]
    told = compare(pair, 0).warnings
    assert any(
        "run b was throttled (thermal level 1 or more) for 31 % of its time" in sentence
        for sentence in told
    ), told


def test_neighbours_are_called_by_their_names():
    busy = replace(COOL, neighbours=(Neighbour("run:b", 0.9, None), Neighbour("", 0.05, None)))
    pair = [detail("a", tags=under(COOL)), detail("b", tags=under(busy))]
    told = compare(pair, 0, named={"run:b": "the long run"}.__getitem__).warnings
    assert told == (
        "Beside run b, the long run and others had 95 % of the CPU; beside run a it was 0 %.",
    )


def test_runs_under_like_conditions_are_not_warned_of_and_runs_that_say_nothing_neither():
    assert compare([detail("a", tags=under(COOL)), detail("b", tags=under(COOL))], 0).warnings == ()
    assert compare([detail("a"), detail("b")], 0).warnings == ()


def test_unknown_conditions_beside_known_ones_are_told_once_for_all_runs():
    three = [
        detail("a", tags=under(COOL)),
        detail("b"),
        detail("c", tags={"mlops.conditions": "{"}),
    ]
    told = compare(three, 0).warnings
    assert len(told) == 1
    assert told[0].startswith("What 2 of 3 runs ran under")


def test_many_differences_are_cut_with_their_number():
    runs = [detail(f"r{n}", tags=under(HEAT if n else COOL)) for n in range(12)]
    told = compare(runs, 0).warnings
    assert len(told) == 7
    assert "more differences" in told[-1]


def test_runs_of_one_name_are_told_apart():
    pair = [
        detail("a" * 32, name="twin", tags=under(COOL)),
        detail("b" * 32, name="twin", tags=under(HEAT)),
    ]
    assert any("twin bbbbbb was throttled" in one for one in compare(pair, 0).warnings)


def hosts(*machines: Machine) -> tuple[HostState, ...]:
    return tuple(HostState(machine, START, ()) for machine in machines)


def test_a_run_is_found_on_its_machine_by_the_name_the_system_gives():
    one = run(tags={"mlops.host": "Studio.local"})
    assert machine_of(one, hosts(RUNNER, STUDIO)).host == hosts(STUDIO)[0]
    exact = run(tags={"mlops.host": STUDIO.host})
    assert machine_of(exact, hosts(RUNNER, STUDIO)).host == hosts(STUDIO)[0]


def test_of_two_machines_of_one_name_the_chip_decides():
    other = replace(STUDIO, host="studio-ffffffff", chip="Apple M1 Ultra")
    told = run(tags={"mlops.host": "studio", "mlops.chip": "Apple M1 Ultra"})
    assert machine_of(told, hosts(STUDIO, other)).host == hosts(other)[0]
    silent = machine_of(run(tags={"mlops.host": "studio"}), hosts(STUDIO, other))
    assert silent.host is None
    assert silent.reason.startswith("Several machines are called studio")


def test_a_machine_that_never_reported_is_told_with_what_to_do():
    away = machine_of(run(tags={"mlops.host": "gpu-box"}), hosts(STUDIO))
    assert away.host is None
    assert "gpu-box, which has sent no telemetry here" in away.reason
    assert "mlops agent" in away.hint
    nobody = machine_of(run(tags={"mlops.host": "gpu-box"}), ())
    assert nobody.reason == "No machine has ever been sampled here."
    nameless = machine_of(run(host=None), hosts(STUDIO))
    assert "does not say on which machine" in nameless.reason


def test_a_run_without_an_end_lasted_until_its_last_metric_or_still_does():
    now = START + timedelta(hours=2)
    lost = detail("a", ended_at=None, status="lost")
    last = START + timedelta(minutes=9)
    lost = replace(lost, points={"loss": MetricPoint(0.1, 3, last)})
    assert interval(lost, now) == (START, last)
    assert interval(detail("a", ended_at=None, status="running"), now) == (START, now)
    assert interval(detail("a", started_at=None), now) is None
    begun, ended = interval(detail("a", ended_at=START), now) or (now, now)
    assert ended > begun
