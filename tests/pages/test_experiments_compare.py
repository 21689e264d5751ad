"""The comparison of runs, as the app draws it."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from dashboard.experiments.compare_address import Compared, read_compared
from dashboard.experiments.compare_tables import labels
from services.engines.mlflow.models import Metric
from services.mirror import schema
from services.mirror.store import Store
from tests import experiments_seed, seed
from tests.dashboard.experiments.examples import run as a_run
from tests.experiments_seed import run_id
from tests.pages.conftest import Open, words
from tests.pages.roles import EVERY_ROLE

SIDES = ("Metrics", "Curves", "Parameters", "Environment", "Parallel", "Techniques")
PROJECT = "lora-finetuning"
FOUR = ",".join((run_id(0, 0), run_id(0, 5), run_id(0, 11), run_id(0, 12)))
RUN_IDS = st.from_regex(r"[0-9a-f]{32}", fullmatch=True)


def opened(open_page: Open, runs: str = FOUR, **options: Any) -> AppTest:
    return open_page("compare", mirror="mine", runs=runs, **options)


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("mirror", ["full", "empty", "down", "none"])
def test_the_page_draws_for_every_role_whatever_the_engines_do(
    open_page: Open, role: str, mirror: str
):
    runs = f"{seed.run_id(0, 0)},{seed.run_id(0, 1)}"
    app = open_page("compare", role=role, mirror=mirror, runs=runs)
    assert not app.exception
    assert app.title[0].value == "Compare runs"


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("count", [2, 20])
def test_every_side_draws(store: Store, open_page: Open, side: str, count: int):
    many = [run_id(p, i) for p in range(6) for i in range(8)][:count]
    app = opened(open_page, ",".join(many), side=side)
    assert not app.exception
    assert not app.error


def test_the_base_is_marked_and_deltas_are_judged_by_the_goal(store: Store, open_page: Open):
    app = opened(open_page, base=run_id(0, 5))
    table = app.dataframe[0].value
    assert list(table.columns)[2] == "lora-r4-seed0 · base"
    accuracy = dict(zip(table.columns, table.iloc[0], strict=True))
    assert accuracy["metric"] == "val_accuracy ↑"
    assert "✕ −" in accuracy["full-seed0"]
    assert "✓ +" in accuracy["lora-r8-seed1"]
    assert accuracy["lora-r4-seed0 · base"].replace(".", "").isdigit()


def test_choosing_another_base_is_in_the_address(store: Store, open_page: Open):
    app = opened(open_page)
    app.selectbox(key="cmp-base").set_value(run_id(0, 11)).run()
    assert app.query_params["base"] == run_id(0, 11)
    assert list(app.dataframe[0].value.columns)[3].endswith("· base")


def test_a_run_is_taken_out_and_the_rest_stays(store: Store, open_page: Open):
    app = opened(open_page)
    app.button(key=f"cmp-drop-{run_id(0, 5)}").click().run()
    assert run_id(0, 5) not in app.query_params["runs"]
    assert len(app.dataframe[0].value.columns) == 4


def test_only_differences_are_shown_unless_all_are_asked_for(store: Store, open_page: Open):
    app = opened(open_page, side="Parameters")
    assert "epochs" not in list(app.dataframe[0].value["parameter"])
    app.toggle(key="differences").set_value(False).run()
    names = list(app.dataframe[0].value["parameter"])
    assert "epochs" in names
    assert "≠ rank" in names


def test_package_versions_that_differ_are_listed(store: Store, open_page: Open):
    table = opened(open_page, side="Environment").dataframe[0].value
    names = list(table["surrounding"])
    assert "package mlx" in names
    assert "package numpy" not in names
    assert "data revision" in names


def test_runs_that_are_not_like_for_like_are_warned_of(store: Store, open_page: Open):
    said = " ".join(warning.value for warning in opened(open_page).warning)
    for what in ("data revisions", "backends", "hosts"):
        assert f"2 different {what}" in said


def test_curves_of_all_runs_lie_over_each_other(store: Store, open_page: Open):
    app = opened(open_page, side="Curves")
    charts = app.get("plotly_chart")
    assert len(charts) == 2
    assert charts[0].proto.spec.count('"mode":"lines"') == 4


def test_a_metric_without_any_curve_is_a_sentence_and_no_empty_chart(store: Store, open_page: Open):
    with store.engine.begin() as connection:
        connection.execute(schema.curves.delete())
    app = opened(open_page, side="Curves")
    assert not app.get("plotly_chart")
    assert "None of these runs has such a curve" in words(app)


def test_twenty_runs_with_smoothing_stay_within_the_wire(store: Store, open_page: Open):
    many = ",".join(run_id(p, i) for p in range(6) for i in range(8))
    app = opened(open_page, many[: 33 * 20 - 1], side="Curves")
    app.slider(key="cmp-smooth").set_value(0.9).run()
    sent = sum(len(chart.proto.spec) for chart in app.get("plotly_chart"))
    assert 0 < sent < 150_000


def test_the_techniques_side_has_table_intervals_and_a_verdict(store: Store, open_page: Open):
    app = opened(open_page, side="Techniques")
    table = app.dataframe[0].value
    assert list(table["technique"]) == ["lora-r8", "lora-r4", "full"]
    assert list(table["n"]) == ["5", "5", "5"]
    assert table["role"].iloc[2] == "baseline"
    assert "excludes zero" in words(app)
    assert len(app.get("plotly_chart")) == 1


def test_repeats_that_are_no_number_are_said_on_the_techniques_side(store: Store, open_page: Open):
    for index, (technique, value) in enumerate(
        (("lora-r8", math.nan), ("lora-r8", math.inf), ("burst", math.nan))
    ):
        made = experiments_seed.example(0, 50 + index, project=PROJECT, metric="val_accuracy")
        odd = made.metrics | {"val_accuracy": Metric(value, 59, made.started_ms or 0)}
        tags = made.tags | {"mlops.technique": technique}
        store.write_runs(PROJECT, [replace(made, metrics=odd, tags=tags)])
    app = opened(open_page, side="Techniques")
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["technique"]) == ["lora-r8", "lora-r4", "full", "burst"]
    assert list(table["n"]) == ["5 of 7", "5", "5", "0 of 1"]
    assert list(table["mean"])[-1] == "NaN"
    assert list(table["interval"])[-1] == "no finite value"
    said = words(app).replace("\\", "")
    assert "2 of 7 runs of “lora-r8” ended with val_accuracy NaN or infinite" in said
    assert "“burst” has no finite val_accuracy" in said
    assert "burst" not in app.get("plotly_chart")[0].proto.spec


def test_without_runs_the_page_says_how_and_compares_techniques(store: Store, open_page: Open):
    app = opened(open_page, "")
    assert "Choose two to twenty runs" in words(app)
    assert app.dataframe


def test_unknown_runs_are_named_and_the_others_compared(store: Store, open_page: Open):
    app = opened(open_page, f"{FOUR},{'f' * 32},../x")
    assert not app.exception
    assert len(app.dataframe[0].value.columns) == 5
    said = words(app)
    assert "There is no run" in said
    assert "cannot exist" in said


def test_more_than_twenty_runs_are_cut_with_a_notice(store: Store, open_page: Open):
    many = ",".join(run_id(p, i) for p in range(6) for i in range(8))
    app = opened(open_page, many)
    assert "the first 20 are used" in words(app)
    assert not app.exception


def test_runs_of_other_projects_are_not_compared(store: Store, open_page: Open):
    app = opened(open_page, projects=("clip-finetuning",))
    assert "seed0" not in words(app)
    assert "Choose two to twenty runs" in words(app)


@given(st.lists(RUN_IDS, max_size=20, unique=True), st.data())
def test_the_address_reproduces_the_comparison(runs: list[str], data: st.DataObject):
    base = data.draw(st.sampled_from(runs[1:])) if len(runs) > 1 else ""
    compared = Compared(tuple(runs), base)
    assert read_compared(compared.to_params()) == (compared, ())


@given(st.dictionaries(st.sampled_from(["runs", "base"]), st.text(max_size=200)))
def test_any_address_gives_a_comparison(params: dict[str, str]):
    compared, _ = read_compared(params)
    assert read_compared(compared.to_params()) == (compared, ())


def test_headings_of_runs_of_one_name_differ():
    runs = [a_run(f"{i}" * 32, name="same") for i in range(3)]
    found = labels(runs, 1)
    assert len(set(found)) == 3
    assert found[1].endswith("· base")
    twins = [a_run("a" * 32, name="same"), a_run("a" * 31 + "b", name="same")]
    assert len(set(labels(twins, 0))) == 2
