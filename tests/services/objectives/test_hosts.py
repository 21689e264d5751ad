"""Latency by the state of the machine, and energy, of a real log."""

from typing import Any

from services.home import Home
from services.objectives import hosts
from services.objectives.hosts import AtLevel, Efficiency
from tests.services.predictions.records import NOON, compacted, record, written

CLIP = ("clip-finetuning", "clip")


def asked(ago_s: float, ms: float, state: Any, **changes: Any):
    said = {"inputs": None, "outputs": None, "host_state": state, "latency_ms": ms, **changes}
    return record(NOON - ago_s, **said)


HOT = {"thermal_level": 2.0, "memory_pressure": 1, "low_power_mode": 0.0}
COOL = {"thermal_level": 0, "memory_pressure": 1, "low_power_mode": 0}


def test_latency_is_split_by_each_factor(home: Home):
    written(home, *(asked(600, ms, COOL) for ms in (10.0, 20.0)))
    compacted(home)
    written(
        home,
        *(asked(60, ms, HOT, energy_j=2.0, rows=1) for ms in (40.0, 60.0, 80.0)),
        asked(60, 5000.0, HOT, status=500),
        asked(60, 7000.0, HOT, shadow=True),
        asked(60, 7000.0, HOT, model="other"),
        asked(60, 5.0, {"thermal_level": None, "odd": "x"}, version=4),
        asked(60, 5.0, None),
    )
    found = hosts.by_state(home, *CLIP)
    assert found.requests == 7
    assert found.of("thermal_level") == (
        AtLevel("thermal_level", 0, 2, 15.0, 19.5, 0.0625),
        AtLevel("thermal_level", 2, 3, 60.0, 78.0, 2.0),
    )
    assert [one.word for one in found.of("thermal_level")] == ["nominal", "heavy"]
    (pressure,) = found.of("memory_pressure")
    assert (pressure.level, pressure.requests, pressure.word) == (1, 5, "normal")
    assert [one.word for one in found.of("low_power_mode")] == ["off"]
    assert found.why_none("thermal_level") == ""
    assert hosts.by_state(home, *CLIP, since=NOON - 100).of("thermal_level")[0].level == 2
    assert hosts.by_state(home, *CLIP, version=4).requests == 1


def test_what_no_machine_says_is_said_to_be_so(home: Home):
    assert "nobody asked it" in hosts.by_state(home, *CLIP).why_none("thermal_level")
    written(home, asked(60, 5.0, None), asked(60, 5.0, {"thermal_level": 1}))
    found = hosts.by_state(home, *CLIP)
    assert found.why_none("thermal_level") == ""
    assert found.why_none("memory_pressure").startswith("none of the 2 answers")


def test_energy_is_of_the_predictions_that_have_some(home: Home):
    written(
        home,
        asked(600, 1.0, COOL, rows=10, energy_j=None),
        asked(590, 1.0, COOL, rows=10, energy_j=5.0),
        asked(60, 1.0, COOL, rows=4, energy_j=None),
    )
    first, second = hosts.efficiency(home, *CLIP, NOON - 600, NOON, 60.0)
    assert first == Efficiency(NOON - 600, 20, 5.0, 10)
    assert (first.per_thousand_j, first.per_watt) == (500.0, 2.0)
    assert (second.at, second.per_thousand_j, second.per_watt) == (NOON - 60, None, None)
    assert Efficiency(0.0, 5, 0.0, 5).per_watt is None, "nothing divided by no energy"
