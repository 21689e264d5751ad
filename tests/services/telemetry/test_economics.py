"""What techniques cost, over their repeats."""

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.mirror.models import Run
from services.telemetry.economics import Mean, RunCost, cost_of, front, mean_of, technique_costs
from tests.services.telemetry.recordings import BEGIN


def cost(technique="lora", quality=0.9, joules=1000.0, **changed: Any):
    made = RunCost(
        run_id="r", technique=technique, baseline=False, quality=quality, seconds=60.0,
        peak_bytes=4e9, joules=joules, energy_quality="measured", boundary="cpu+gpu+ane",
        chip="Apple M3 Pro",
    )  # fmt: skip
    return replace(made, **changed)


def test_repeats_are_means_with_students_interval():
    found = mean_of([1.0, 2.0, 3.0, None, math.nan])
    assert (found.runs, found.missing, found.mean) == (3, 2, 2.0)
    # t(0.975, 2) = 4.3027, s = 1, n = 3
    assert found.low == pytest.approx(2 - 4.3027 / math.sqrt(3), abs=1e-4)
    assert found.high == pytest.approx(2 + 4.3027 / math.sqrt(3), abs=1e-4)
    assert mean_of([5.0]) == Mean(1, 0, 5.0, None, None)
    assert mean_of([None]) == Mean(0, 1, None, None, None)


def test_techniques_best_first_with_what_they_cost():
    runs = [
        cost("full", 0.95, 4000.0, seconds=200.0, run_id="a"),
        cost("lora", 0.90, 1000.0, run_id="b"),
        cost("lora", 0.92, 1200.0, run_id="c", energy_quality="estimated"),
        cost("broken", None, None, energy_quality="unavailable"),
    ]
    full, lora, broken = technique_costs(runs, "max")
    assert (full.technique, full.seconds.mean, full.energy_quality) == ("full", 200, "measured")
    assert (lora.joules.mean, lora.energy_quality, lora.run_ids) == (1100, "estimated", ("b", "c"))
    assert lora.quality_per_joule.mean == pytest.approx((0.9 / 1000 + 0.92 / 1200) / 2)
    assert lora.quality_per_joule.low < lora.quality_per_joule.mean
    assert broken.quality.mean is None
    assert (broken.energy_quality, broken.quality_per_joule.mean) == ("unavailable", None)
    assert broken.per_joule_reason == "no energy is known of its runs"
    assert front((full, lora, broken), "max", "joules") == ("full", "lora")
    assert front((full, lora, broken), "max", "peak_bytes") == ("full",)


def test_where_less_is_better_it_is_the_gain_on_the_baseline_by_joule():
    runs = [cost("base", 2.0, 10.0, baseline=True), cost("lora", 0.5, 100.0)]
    lora, base = technique_costs(runs, "min")
    assert lora.quality_per_joule.mean == pytest.approx(1.5 / 100)
    assert base.quality_per_joule.mean == 0
    (alone,) = technique_costs(runs[1:], "min")
    assert alone.quality_per_joule.mean is None
    assert alone.per_joule_reason == "less is better here, and there is no baseline to gain on"


def test_a_quality_below_zero_has_no_quality_per_joule():
    (row,) = technique_costs([cost(quality=-0.2)], "max")
    assert row.quality_per_joule.mean is None
    assert row.per_joule_reason == "its quality is below 0, where more energy would look better"


def test_a_run_without_quality_or_energy_is_counted_as_missing():
    runs = [cost(), cost(joules=None, energy_quality="unavailable"), cost(quality=math.nan)]
    (row,) = technique_costs(runs, "max")
    assert (row.quality_per_joule.runs, row.quality_per_joule.missing) == (1, 2)
    (zero,) = technique_costs([cost(), cost(joules=0.0)], "max")
    assert (zero.quality_per_joule.runs, zero.quality_per_joule.missing) == (1, 1)
    (none,) = technique_costs([cost(quality=None), cost(joules=None)], "max")
    assert none.per_joule_reason == "none of its runs has both a quality and an energy"


def test_repeats_that_do_not_compare_are_said():
    runs = [cost(), cost(boundary="gpu"), cost(chip="Apple M1"), cost(joules=None)]
    (row,) = technique_costs(runs, "max")
    assert row.cautions == (
        "The repeats of “lora” have energy of different things (cpu+gpu+ane, gpu): "
        "their mean mixes them.",
        "The repeats of “lora” have energy on different chips (Apple M1, Apple M3 Pro): "
        "their mean mixes them.",
        "3 of 4 runs of “lora” have an energy: its means are not over the same runs.",
    )
    assert technique_costs([cost(), cost()], "max")[0].cautions == ()


def test_a_run_of_the_mirror_becomes_a_cost():
    run = Run(
        "id", "p", "1", "name", "finished", "", "lora", False, BEGIN, BEGIN + timedelta(seconds=90),
        None, None, False,
        {"acc": 0.9, "system/energy_j": 50.0, "system/peak_memory_bytes": 9.0,
         "system/mlx_peak_bytes": 7.0},
        {},
        {"mlops.energy.quality": "measured", "mlops.energy.boundary": "cpu+gpu", "mlops.chip": "M"},
    )  # fmt: skip
    assert cost_of(run, "acc") == RunCost(
        "id", "lora", False, 0.9, 90.0, 7.0, 50.0, "measured", "cpu+gpu", "M"
    )
    bare = cost_of(replace(run, metrics={}, tags={}), "acc")
    assert bare == RunCost("id", "lora", False, None, 90.0, None, None, "unavailable", "", "")
    odd = replace(run, tags={"mlops.energy.quality": "certain"})
    assert cost_of(odd, "acc").energy_quality == "estimated"  # a tag is anybody's to set
    assert cost_of(replace(run, technique=None), "acc") is None
    assert cost_of(replace(run, status="failed"), "acc") is None
