"""What techniques cost, over their repeats in a real mirror."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import FilterError
from services.mirror.main_metric import Primary
from services.mirror.queries import Mirror
from services.telemetry import repeats as reading
from services.telemetry.economics import ProjectCosts, Spread, spread, technique_costs
from services.telemetry.repeats import repeats_of
from tests.services.telemetry.repeated import cost, ran, repeats, written


def costs(folder: Path, *runs: Any, goal: Any = "max") -> ProjectCosts:
    return technique_costs(repeats(folder, runs, goal))


def test_few_repeats_are_median_and_ends_and_four_or_more_median_and_quartiles():
    assert spread(np.array([])) == Spread(0, None, None, None)
    assert spread(np.array([5.0])) == Spread(1, 5, None, None)
    assert spread(np.array([1.0, 9.0, 2.0])) == Spread(3, 2, 1, 9)
    assert spread(np.array([1.0, 2.0, 3.0, 4.0, 100.0])) == Spread(5, 3, 2, 4)


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=50))
def test_the_spread_lies_around_the_median_and_within_what_was_measured(values):
    found = spread(np.array(values))
    assert found.runs == len(values)
    low, high = (found.low, found.high) if len(values) > 1 else (found.median, found.median)
    assert min(values) <= low <= found.median <= high <= max(values)


def test_techniques_best_first_with_what_they_cost(tmp_path: Path):
    found = costs(
        tmp_path,
        cost("full", 0.95, 4000.0, seconds=200),
        cost("lora", 0.90, 1000.0),
        cost("lora", 0.92, 1200.0, energy="estimated"),
        cost("broken", None, None, energy="unavailable", reason="nothing was sampled"),
    )
    full, lora, broken = found.rows
    assert (full.technique, full.seconds, full.energy_quality) == (
        "full", Spread(1, 200.0, None, None), "measured",
    )  # fmt: skip
    assert lora.joules == Spread(2, 1100.0, 1000.0, 1200.0)
    assert lora.energy == (("measured", 1), ("estimated", 1))
    assert lora.energy_quality == "estimated"
    assert lora.per_joule.median == pytest.approx((0.9 / 1000 + 0.92 / 1200) / 2)
    assert broken.quality == Spread(0, None, None, None, (("no acc was logged", 1),))
    assert broken.joules == Spread(0, None, None, None, (("nothing was sampled", 1),))
    assert (broken.energy_quality, broken.per_joule.median) == ("unavailable", None)
    assert broken.per_joule.reason == "nothing was sampled"


def test_where_less_is_better_it_is_the_gain_on_the_baselines_by_joule(tmp_path: Path):
    runs = [
        cost("base", 2.5, 10.0, role="baseline"),
        cost("base", 1.5, 10.0, role="baseline"),
        cost("lora", 0.5, 100.0),
        cost("worse", 3.0, 10.0),
    ]
    lora, base, worse = costs(tmp_path, *runs, goal="min").rows
    assert lora.per_joule.median == pytest.approx(1.5 / 100)
    assert base.per_joule.median == pytest.approx(0)
    assert worse.per_joule.median == pytest.approx(-0.1)  # it cost energy and made it worse
    assert (base.baseline, lora.baseline) == (True, False)


def test_without_a_baseline_less_is_better_has_no_quality_per_joule(tmp_path: Path):
    (row,) = costs(tmp_path, cost("lora", 0.5), goal="min").rows
    assert (row.per_joule.median, row.per_joule.lacking) == (None, 1)
    assert row.per_joule.reason == "less is better here, and there is no baseline to gain on"


def test_a_quality_below_zero_has_no_quality_per_joule(tmp_path: Path):
    (row,) = costs(tmp_path, cost(quality=-0.2), cost(quality=0.2)).rows
    assert row.per_joule.median is None
    assert row.per_joule.reason == "its quality is below 0, where more energy would look better"


def test_nothing_is_divided_by_no_joule(tmp_path: Path):
    (row,) = costs(tmp_path, cost(joules=0.0), cost(), cost(quality=None), cost(joules=None)).rows
    assert row.joules.runs == 3  # a measured 0 is a figure
    assert row.per_joule.runs == 1
    assert dict(row.per_joule.missing) == {
        "it used 0 J, by which nothing is divided": 1,
        "no acc was logged": 1,
        reading.NO_ENERGY: 1,
    }


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -5.0])
def test_an_energy_that_is_none_is_missing_with_the_reason(tmp_path: Path, value: float):
    (row,) = costs(tmp_path, cost(joules=value)).rows
    assert row.joules == Spread(0, None, None, None, ((reading.NO_NUMBER, 1),))
    assert row.energy_quality == "unavailable"


def test_a_run_without_end_or_with_a_clock_set_back_has_no_seconds(tmp_path: Path):
    (row,) = costs(tmp_path, cost(seconds=None), cost(seconds=-3), cost(seconds=60)).rows
    assert (row.seconds.runs, row.seconds.median, row.seconds.lacking) == (1, 60, 2)
    assert reading.NO_TIME in dict(row.seconds.missing)


def test_peaks_of_one_project_are_of_one_kind(tmp_path: Path):
    found = costs(
        tmp_path,
        cost("a", mlx=2e9), cost("a", mlx=3e9), cost("b", mlx=None, processes=5e9),
        cost("b", mlx=None, processes=5e9),
    )  # fmt: skip
    assert found.memory == "processes"  # four tell it, two tell MLX's
    assert {row.technique: row.peak_bytes.median for row in found.rows} == {"a": 4e9, "b": 5e9}


def test_where_as_many_tell_mlx_it_is_mlx_and_the_others_are_missing(tmp_path: Path):
    runs = [cost("a", mlx=2e9, processes=None), cost("b", mlx=None, processes=5e9)]
    found = costs(tmp_path, *runs)
    assert found.memory == "mlx"
    rows = {row.technique: row.peak_bytes for row in found.rows}
    assert rows["a"].median == 2e9
    assert rows["b"].median is None
    assert "what whole processes take is not the same" in rows["b"].reason


def test_without_any_peak_nobody_has_one(tmp_path: Path):
    found = costs(tmp_path, cost(processes=None), cost(processes=0.0))
    assert found.memory == "none"
    assert found.rows[0].peak_bytes.reason == reading.NO_PEAK


def test_only_finished_training_runs_with_a_technique_are_counted(tmp_path: Path):
    found = costs(
        tmp_path, cost(), cost(status="failed"), cost(status="running"), cost(role="evaluation"),
        cost(technique=""),
    )  # fmt: skip
    assert [(row.technique, row.runs) for row in found.rows] == [("lora", 1)]
    assert found.unnamed == 1


def test_repeats_on_other_chips_or_of_other_parts_are_unlike(tmp_path: Path):
    (row,) = costs(
        tmp_path, cost(under=ran()), cost(boundary="gpu", under=ran()), cost(chip="Apple M1"),
    ).rows  # fmt: skip
    assert row.standing == "unlike"
    assert row.unlike == (
        "on different chips (Apple M4: 2, Apple M1: 1)",
        "measured in different parts of the chip (cpu+gpu+ane: 2, gpu: 1)",
    )
    assert row.machines == (("Apple M4", 2), ("Apple M1", 1))


def test_the_host_stands_where_no_chip_is_named(tmp_path: Path):
    found = costs(tmp_path, cost(chip="", host="linux-1"), cost("full", chip="", host=""))
    assert {row.technique: row.machines for row in found.rows} == {
        "lora": (("linux-1", 1),),
        "full": (),
    }
    assert found.cautions == ()  # nobody knows where one of them ran


def test_techniques_on_different_chips_or_of_other_parts_are_said(tmp_path: Path):
    found = costs(tmp_path, cost(), cost("full", chip="Apple M1", boundary="gpu"))
    chips, parts = found.cautions
    assert "same chips (Apple M1, Apple M4)" in chips
    assert "(cpu+gpu+ane, gpu)" in parts


def test_techniques_on_one_chip_are_warned_of_nothing(tmp_path: Path):
    assert costs(tmp_path, cost(), cost("full")).cautions == ()


def test_the_filter_and_the_time_are_heeded_and_damaged_filters_raise(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'mirror.sqlite'}"
    written(url, [cost(), cost("full")])
    judged = [Primary("p", "acc", "max"), Primary("nobody", "acc", "max")]
    mirror = Mirror(url)
    own, nobody = repeats_of(mirror, judged, "technique = full")
    assert [row.technique for row in technique_costs(own).rows] == ["full"]
    assert technique_costs(nobody).rows == ()
    assert repeats_of(mirror, []) == ()
    with pytest.raises(FilterError):
        repeats_of(mirror, judged, "technique =")


def test_each_project_has_its_own_metric_and_runs(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'mirror.sqlite'}"
    written(url, [cost("lora", 0.9)], "p")
    written(url, [cost("lora", 0.1, metric="loss"), cost("full", 0.2, metric="loss")], "q")
    judged = [Primary("p", "acc", "max"), Primary("q", "loss", "min")]
    p, q = (technique_costs(found) for found in repeats_of(Mirror(url), judged))
    assert [(row.technique, row.quality.median) for row in p.rows] == [("lora", 0.9)]
    assert [(row.technique, row.quality.median) for row in q.rows] == [("lora", 0.1), ("full", 0.2)]


def test_a_run_that_comes_later_is_in_the_next_answer(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'mirror.sqlite'}"
    written(url, [cost(under=ran())])
    mirror = Mirror(url)
    judged = [Primary("p", "acc", "max")]
    reading.read_ahead(mirror)
    assert technique_costs(repeats_of(mirror, judged)[0]).rows[0].standing == "alike"
    written(url, [cost(under=ran()), cost(under=ran(low_power=1.0))])
    row = technique_costs(repeats_of(mirror, judged)[0]).rows[0]
    assert (row.runs, row.standing) == (2, "unlike")
