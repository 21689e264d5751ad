"""Techniques against each other by two figures."""

from itertools import pairwise
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.telemetry import repeats as reading
from services.telemetry.trades import Trade, goals, trade
from tests.services.telemetry.repeated import cost, repeats


def names(found: Trade) -> list[str]:
    return [point.technique for point in found.front]


def test_the_front_is_from_the_cheapest_to_the_best(tmp_path: Path):
    made = repeats(
        tmp_path,
        [cost("full", 0.95, 4000.0), cost("lora", 0.90, 1000.0), cost("lora", 0.92, 1200.0),
         cost("waste", 0.91, 5000.0, role="baseline"), cost("tie", 0.90, 4000.0)],
    )  # fmt: skip
    found = trade(made, "joules", "quality")
    assert [point.technique for point in found.points] == ["lora", "full", "tie", "waste"]
    assert names(found) == ["lora", "full"]
    waste, tie = found.points[3], found.points[2]
    assert (waste.baseline, waste.beaten_by) == (True, ("full", "lora"))
    assert tie.beaten_by == ("full", "lora")
    assert found.points[0].beaten_by == ()
    assert (found.points[0].x.median, found.points[0].runs) == (1100, 2)


def test_where_less_is_better_the_front_falls(tmp_path: Path):
    made = repeats(
        tmp_path,
        [cost("a", 0.5, 10.0), cost("b", 0.2, 90.0), cost("c", 0.6, 90.0)],
        goal="min",
    )
    assert names(trade(made, "joules", "quality")) == ["a", "b"]
    assert goals("min", ("quality", "joules")) == ("min", "min")
    assert goals("max", ("seconds", "quality")) == ("min", "max")


def test_runs_that_lack_a_figure_are_in_no_point_and_counted_with_the_reason(tmp_path: Path):
    made = repeats(
        tmp_path,
        [cost("lora"), cost("lora", joules=None, reason="nothing was sampled"),
         cost("lora", joules=None), cost("full", quality=None, joules=None), cost("")],
    )  # fmt: skip
    found = trade(made, "joules", "quality")
    (point,) = found.points
    assert (point.technique, point.runs) == ("lora", 1)
    assert found.left_out == (
        ("quality", "no acc was logged", 1),
        ("joules", "nothing was sampled", 1),
        ("joules", reading.NO_ENERGY, 1),
    )
    assert found.unnamed == 1


def test_without_any_energy_there_is_no_point(tmp_path: Path):
    found = trade(repeats(tmp_path, [cost(joules=None)]), "joules", "quality")
    assert (found.points, found.front) == ((), ())
    assert sum(runs for _, _, runs in found.left_out) == 1


_runs = st.lists(
    st.tuples(
        st.sampled_from("abcdef"),
        st.none() | st.sampled_from([0.1, 0.2, 0.3, 0.4]),
        st.none() | st.sampled_from([1.0, 2.0, 3.0, 4.0]),
    ),
    min_size=1,
    max_size=12,
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(_runs, st.sampled_from(["max", "min"]))
def test_the_front_is_a_front_and_no_run_is_lost(tmp_path: Path, runs, goal):
    found = trade(repeats(tmp_path, [cost(*run) for run in runs], goal), "joules", "quality")
    sign = -1 if goal == "max" else 1
    told = {p.technique: (p.x.median, sign * p.y.median) for p in found.points}
    for point in found.points:
        own = told[point.technique]
        beaten = [
            name
            for name, other in told.items()
            if other != own and other[0] <= own[0] and other[1] <= own[1]
        ]
        assert point.front == (not beaten)
        assert set(point.beaten_by) <= set(beaten)
        assert bool(point.beaten_by) == bool(beaten)
    front = [told[point.technique] for point in found.front]
    assert front == sorted(front)
    assert all(a[1] >= b[1] for a, b in pairwise(front))
    assert sum(p.runs for p in found.points) + sum(n for _, _, n in found.left_out) == len(runs)
