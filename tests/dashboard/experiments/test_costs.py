"""What techniques cost, in words: units, spread, quality, reasons; no page."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.experiments import cost_text, trade_chart, trade_text
from dashboard.experiments.conditions import conditions_of
from dashboard.experiments.ways import filter_of
from services.telemetry.economics import SORTS, Spread, technique_costs
from services.telemetry.trades import trade
from tests.dashboard.experiments.examples import technique
from tests.services.telemetry.repeated import cost, ran, repeats


def weighed(folder: Path, *runs: Any, goal: Any = "max", x: Any = "joules", y: Any = "quality"):
    return trade(repeats(folder, runs, goal), x, y)


FEW = (
    cost("lora", 0.90, 1000.0, under=ran()),
    cost("lora", 0.92, 1200.0, under=ran(), energy="estimated"),
    cost("full", 0.95, 4000.0, seconds=200, under=ran()),
    cost("waste", 0.91, 5000.0, seconds=300, role="baseline", under=ran()),
    cost("dark", 0.80, None, energy="unavailable", reason="Nothing was sampled.", under=ran()),
)


@pytest.mark.parametrize(
    ("axis", "spread", "total", "told"),
    [
        ("seconds", Spread(5, 838.2, 827.0, 863.7), 5, "838 s (827–864)"),
        ("seconds", Spread(1, 0.042, None, None), 1, "0.0420 s"),
        ("peak_bytes", Spread(3, 1.6e9, 1.59e9, 1.61e9), 3, "1.60 GB (1.59–1.61)"),
        ("joules", Spread(3, 15_100.0, 14_800.0, 15_120.0), 5, "15.1 kJ (14.8–15.1) · 3 of 5"),
        ("joules", Spread(1, 0.0, None, None), 1, "0 J"),
        ("joules", Spread(0, None, None, None, (("x", 5),)), 5, "unavailable"),
        ("joules", Spread(2, 2.0, 2.0, 2.0), 2, "2 J (2)"),
    ],
)
def test_a_figure_has_unit_spread_and_how_many_runs_it_stands_on(axis, spread, total, told):
    assert cost_text.spread_text(axis, spread, total) == told


def test_quality_per_joule_is_in_the_unit_that_fits_its_column(tmp_path: Path):
    costs = technique_costs(repeats(tmp_path, FEW))
    times, unit = cost_text.per_unit(costs)
    assert (times, unit) == (1e6, "MJ")
    row = {row.technique: row for row in costs.rows}
    assert cost_text.per_text(row["full"].per_joule, times, 1) == "238"
    assert cost_text.per_text(row["dark"].per_joule, times, 1) == "unavailable"
    none = technique_costs(repeats(tmp_path, [cost(joules=None)]))
    assert cost_text.per_unit(none) == (1.0, "J")


def test_an_estimate_has_its_sign_and_its_word(tmp_path: Path):
    rows = {row.technique: row for row in technique_costs(repeats(tmp_path, FEW)).rows}
    assert cost_text.energy_text(rows["lora"]) == "≈ 1.10 kJ (1–1.20)"
    assert cost_text.quality_word(rows["lora"]) == "1 measured, 1 estimated"
    assert cost_text.quality_word(rows["full"]) == "measured"
    assert cost_text.energy_text(rows["dark"]) == "unavailable"
    assert cost_text.quality_word(rows["dark"]) == "unavailable"


@pytest.mark.parametrize(
    ("by", "order"),
    [
        ("quality", ["full", "lora", "waste", "dark"]),
        ("-quality", ["dark", "waste", "lora", "full"]),
        ("joules", ["lora", "full", "waste", "dark"]),
        ("-joules", ["waste", "full", "lora", "dark"]),
        ("per_joule", ["lora", "full", "waste", "dark"]),
        ("seconds", ["dark", "lora", "full", "waste"]),
        ("technique", ["dark", "full", "lora", "waste"]),
        ("runs", ["lora", "dark", "full", "waste"]),
    ],
)
def test_each_column_sorts_best_first_and_what_is_missing_last(tmp_path: Path, by, order):
    costs = technique_costs(repeats(tmp_path, FEW))
    means = [
        technique("lora", [0.90, 0.92]), technique("full", [0.95]), technique("waste", [0.905]),
        technique("dark", [0.80]),
    ]  # fmt: skip
    assert [line.cost.technique for line in cost_text.lines(means, costs, by)] == order


@pytest.mark.full
@given(
    st.text(max_size=20) | st.sampled_from(SORTS).flatmap(lambda s: st.sampled_from([s, f"-{s}"]))
)
def test_any_address_gives_an_order_and_two_clicks_turn_it(text):
    by = cost_text.read_sort(text)
    assert by.removeprefix("-") in SORTS
    once = cost_text.turned(by, "joules")
    assert once.removeprefix("-") == "joules"
    assert cost_text.turned("joules", "joules") == "-joules"
    assert cost_text.turned("-joules", "joules") == "joules"


def test_reasons_are_said_once_with_who_and_how_many(tmp_path: Path):
    said = cost_text.missing(technique_costs(repeats(tmp_path, [*FEW, cost("", 0.5)])))
    assert said == (
        "1 run of “dark” has no joules: Nothing was sampled.",
        "1 finished run names no technique: in no row.",
    )


def test_what_does_not_compare_is_said(tmp_path: Path):
    runs = [cost(under=ran()), cost(under=ran(low_power=1.0)), cost("full", chip="Apple M1")]
    said = cost_text.warnings(technique_costs(repeats(tmp_path, runs)))
    assert "same chips (Apple M1, Apple M4)" in said[0]
    assert said[1] == "“lora”: its runs were in Low Power Mode for 0 % to 100 % of their time."
    assert said[2].startswith("What 1 of 3 runs ran under")


def test_long_lists_are_cut_and_say_so(tmp_path: Path):
    runs = [cost(f"t{i}", chip=f"chip {i % 2} {j}") for i in range(12) for j in range(2)]
    said = cost_text.warnings(technique_costs(repeats(tmp_path, runs)))
    assert len(said) == 8
    assert "left out" in said[-1]


def test_the_front_in_a_sentence_and_each_step_of_it(tmp_path: Path):
    found = weighed(tmp_path, *FEW)
    assert trade_text.lead(found) == (
        "Nothing beats “lora” (0.9100 at ≈ 1.10 kJ), “full” (0.9500 at 4 kJ) in both acc and "
        "joules; 1 other is beaten."
    )
    assert trade_text.steps(found) == {
        "lora": "the least of the front",
        "full": "+0.0400 for 2.90 kJ more (3.64×)",
    }
    assert trade_text.left_out(found) == ("1 run has no joules: Nothing was sampled.",)
    standing = {p.technique: trade_text.standing(p) for p in found.points}
    assert standing["waste"] == "beaten by “full”, “lora”"


def test_a_step_within_the_spread_says_so(tmp_path: Path):
    runs = [cost("a", q, 1.0) for q in (0.5, 0.7)] + [cost("b", q, 2.0) for q in (0.6, 0.65)]
    assert trade_text.steps(weighed(tmp_path, *runs))["b"].endswith("(within spread)")


def test_one_technique_or_one_that_beats_all_are_other_sentences(tmp_path: Path):
    assert "the only technique" in trade_text.lead(weighed(tmp_path, cost()))
    found = weighed(tmp_path, cost("a", 0.9, 1.0), cost("b", 0.8, 2.0))
    assert trade_text.lead(found) == (
        "“a” (0.9000 at 1 J) beats every other technique in acc and joules."
    )


def test_where_less_is_better_a_step_falls(tmp_path: Path):
    found = weighed(tmp_path, cost("a", 0.9, 1.0), cost("b", 0.8, 2.0), goal="min")
    assert trade_text.steps(found)["b"].startswith("−0.100 for 1 J more (2×)")
    assert trade_text.axis_title("quality", found, "") == "acc, less is better"
    assert trade_text.axis_title("joules", found, "kJ") == "joules, less is better [kJ]"


def test_techniques_of_several_projects_are_counted_by_how_often_they_are_on_a_front(
    tmp_path: Path,
):
    first = weighed(tmp_path, cost("lora", 0.9, 1.0), cost("full", 0.8, 2.0))
    second = weighed(tmp_path, cost("lora", 0.9, 1.0), cost("full", 0.95, 2.0), cost("own"))
    assert trade_text.across([first, second], {"p": "P"}) == (
        "“lora” is on the front in 2 of 2 projects (P, P).",
        "“full” is on the front in 1 of 2 projects (P).",
    )


def test_costs_far_apart_are_drawn_by_powers_of_ten_and_quality_never():
    far = [Spread(1, 1.0, None, None), Spread(1, 50.0, None, None)]
    assert trade_chart.scale_of("joules", far) == trade_chart.Scale(1.0, "J", log=True)
    assert not trade_chart.scale_of("joules", [*far, Spread(1, 0.0, None, None)]).log
    assert not trade_chart.scale_of("quality", far).log
    assert trade_chart.scale_of("peak_bytes", [Spread(1, 2e9, None, None)]).unit == "GB"


def test_a_technique_leads_to_a_flat_filter_that_finds_its_runs_and_is_said_once():
    once = filter_of("metrics.acc > 0.5", "p", 'odd "name"')
    assert filter_of(once, "p", 'odd "name"') == once
    fields = [(c.field, c.values) for c in conditions_of(once) or ()]
    assert fields == [
        ("metrics.acc", ("0.5",)), ("project", ("p",)), ("technique", ('odd "name"',)),
        ("status", ("finished",)),
    ]  # fmt: skip
