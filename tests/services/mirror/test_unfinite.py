"""NaN and infinities in the mirror: kept, told apart from what is missing, never best."""

import math

import numpy as np
import pytest

from services.engines.mlflow.models import Metric, Point
from services.errors import FilterError
from services.mirror.curves import thinned
from services.mirror.projects import mean_interval
from services.mirror.queries import Mirror
from services.mirror.store import Store
from tests.services.mirror.conftest import tracked
from tests.services.mirror.test_queries import ids


@pytest.mark.parametrize(("goal", "order"), [("max", [5, 4]), ("min", [4, 5])])
def test_an_infinite_main_metric_is_never_best_and_nan_stands_with_the_missing(
    store: Store, mirror: Mirror, goal: str, order: list[int]
):
    document = {"path": "/p", "primary_metric": "acc", "goal": goal}
    store.write_project("p", "connected", document)
    values = {1: math.nan, 2: math.inf, 3: -math.inf, 4: 0.5, 5: 0.6}
    runs = [tracked(n, metrics={"acc": Metric(v, 1, 0)}) for n, v in values.items()]
    store.write_runs("p", [*runs, tracked(6, metrics={})])
    assert ids(mirror, sort="main_metric") == [*order, 3, 2, 6, 1]
    assert ids(mirror, sort="main_metric", descending=False) == [3, 2, *order[::-1], 6, 1]


def test_nan_and_infinities_are_kept_and_sorted(store: Store, mirror: Mirror):
    values = {1: math.nan, 2: math.inf, 3: -math.inf, 4: 0.5}
    runs = [tracked(n, metrics={"loss": Metric(v, 1, 0)}) for n, v in values.items()]
    store.write_runs("p", runs)
    assert ids(mirror, sort="metrics.loss", descending=False) == [3, 4, 2, 1]
    assert ids(mirror, sort="metrics.loss") == [2, 4, 3, 1]
    found = mirror.run(f"{1:032x}")
    assert math.isnan(found.points["loss"].value)


@pytest.mark.parametrize("descending", [True, False])
def test_nan_and_missing_stand_last_in_both_directions(
    store: Store, mirror: Mirror, *, descending: bool
):
    values = {1: math.nan, 2: 0.5, 4: math.inf, 5: -math.inf}
    runs = [tracked(n, metrics={"loss": Metric(v, 1, 0)}) for n, v in values.items()]
    store.write_runs("p", [*runs, tracked(3, metrics={}), tracked(6, metrics={})])
    found = ids(mirror, sort="metrics.loss", descending=descending)
    assert found == [*((4, 2, 5) if descending else (5, 2, 4)), 6, 3, 1]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("metrics.loss > 0", [4, 2]),
        ("metrics.loss >= 0.5", [4, 2]),
        ("metrics.loss < 0", [3]),
        ("metrics.loss <= inf", [4, 3, 2]),
        ("metrics.loss = nan", [1]),
        ("metrics.loss = inf", [2]),
        ("metrics.loss = -inf", [3]),
        ("metrics.loss != 0.5", [3, 2, 1]),
        ("metrics.loss != nan", [4, 3, 2]),
        ("metrics.loss in (nan, 0.5)", [4, 1]),
        ("metrics.loss not in (nan, 0.5)", [5, 3, 2]),
        ("metrics.loss exists", [4, 3, 2, 1]),
        ("metrics.loss missing", [5]),
        ("not metrics.loss > 0", [5, 3, 1]),
    ],
)
def test_filters_know_nan_infinities_and_missing_apart(
    store: Store, mirror: Mirror, query: str, found: list[int]
):
    values = {1: math.nan, 2: math.inf, 3: -math.inf, 4: 0.5}
    runs = [tracked(n, metrics={"loss": Metric(v, 1, 0)}) for n, v in values.items()]
    store.write_runs("p", [*runs, tracked(5, metrics={})])
    assert ids(mirror, filter=query) == found


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">="])
def test_a_bound_that_is_nan_is_refused_with_the_way_to_ask(
    store: Store, mirror: Mirror, sign: str
):
    store.write_runs("p", [tracked(1)])
    with pytest.raises(FilterError, match="No number is above or below NaN") as error:
        ids(mirror, filter=f"metrics.loss {sign} nan")
    assert error.value.hint == "metrics.loss = nan finds the runs that logged it."


@pytest.mark.parametrize("size", [50, 51, 1_000, 100_000])
def test_a_thinned_curve_keeps_its_gaps_and_the_extremes_between_them(size: int):
    values = np.linspace(0.0, 1.0, size)
    values[[size // 3, size // 2, size // 2 + 1]] = math.nan, math.inf, -math.inf
    values[[size // 3 + 1, size // 2 + 2]] = 9.0, -9.0
    keep = thinned(values, 50)
    assert len(keep) <= 50
    assert list(keep) == sorted(set(keep))
    assert (keep[0], keep[-1]) == (0, size - 1)
    assert {size // 3, size // 2, size // 3 + 1, size // 2 + 2} <= set(keep.tolist())
    values[::7] = math.nan
    assert len(thinned(values, 50)) <= 50


def test_a_curve_tells_how_many_of_all_its_points_are_no_numbers(store: Store, mirror: Mirror):
    run_id = f"{1:032x}"
    odd = {100: math.nan, 101: math.inf, 102: -math.inf, 5_000: math.nan}
    store.extend_curve(run_id, "loss", [Point(odd.get(s, 0.5), s, s) for s in range(9_000)])
    (curve,) = mirror.curves([run_id], ["loss"], max_points=100)
    assert (curve.points_total, curve.unfinite) == (9_000, 4)
    assert sum(not math.isfinite(value) for value in curve.values) == 2


@pytest.mark.parametrize("goal", ["max", "min"])
def test_repeats_that_are_no_number_are_counted_on_the_leaderboard_and_never_best(
    store: Store, mirror: Mirror, goal: str
):
    store.write_project("p", "connected", {"title": "P", "primary_metric": "acc", "goal": goal})
    values = (
        ("lora", 0.5), ("lora", math.nan), ("lora", math.inf), ("lora", -math.inf),
        ("full", math.nan), ("full", math.inf), ("odd", 0.5),
    )  # fmt: skip
    for number, (technique, value) in enumerate(values, 1):
        tags = {"mlops.technique": technique}
        metrics = {"acc": Metric(value, 1, 0)}
        store.write_runs("p", [tracked(number, tags=tags, metrics=metrics)])
    store.write_runs("p", [tracked(8, tags={"mlops.technique": "odd"}, metrics={})])
    rows = {row.technique: row for row in mirror.leaderboard("p")}
    assert list(rows)[-1] == "full"
    told = {name: (row.runs, row.unfinite) for name, row in rows.items()}
    assert told == {"lora": (1, 3), "odd": (1, 0), "full": (0, 2)}
    assert (rows["lora"].mean, rows["lora"].best) == (0.5, 0.5)
    assert math.isnan(rows["full"].mean)
    assert math.isnan(rows["full"].best)
    assert rows["full"].best_run_id == f"{6:032x}"
    best = mirror.project("p").best
    assert best is not None
    assert best.value == 0.5


def test_a_project_of_nothing_but_nan_has_no_best(store: Store, mirror: Mirror):
    store.write_project("p", "connected", {"primary_metric": "acc", "goal": "max"})
    for number, value in enumerate((math.nan, math.inf), 1):
        store.write_runs("p", [tracked(number, metrics={"acc": Metric(value, 1, 0)})])
    summary = mirror.project("p")
    assert summary.best is None
    assert summary.trend == ()


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e160, 1e307])
def test_means_of_values_of_any_size_are_numbers(size: float):
    mean, low, high = mean_interval(np.array([0.8, 0.9, 1.0]) * size)
    wanted = mean_interval(np.array([0.8, 0.9, 1.0]))
    assert low is not None
    assert high is not None
    assert (mean / size, low / size, high / size) == pytest.approx(wanted)
