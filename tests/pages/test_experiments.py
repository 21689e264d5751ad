"""The table of all runs, as the app draws it."""

import math
from dataclasses import replace
from typing import Any

import pytest

from dashboard import state
from dashboard.components import several
from dashboard.experiments import bulk, table
from services.actions.journal import Journal
from services.engines.mlflow.models import Metric
from services.mirror.store import Store
from tests import experiments_seed
from tests.experiments_seed import run_id
from tests.pages.conftest import Open, rows, words
from tests.pages.roles import EVERY_ROLE


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("mirror", ["full", "empty", "down", "none"])
def test_the_page_draws_for_every_role_whatever_the_engines_do(
    open_page: Open, role: str, mirror: str
):
    app = open_page("experiments", role=role, mirror=mirror)
    assert not app.exception
    assert app.title[0].value == "Experiments"


def test_fifty_rows_are_drawn_and_the_number_of_all_is_said(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine")
    assert len(rows(app)) == 50
    assert "1–50 of 89 runs" in words(app)


def test_the_page_of_the_address_is_drawn(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", p="2")
    assert len(rows(app)) == 39
    assert "51–89 of 89 runs" in words(app)


def test_a_page_past_the_end_shows_the_last_one(store: Store, open_page: Open):
    assert "51–89 of 89 runs" in words(open_page("experiments", mirror="mine", p="77"))


def test_status_is_shape_and_word_and_lost_runs_are_not_running(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", q="status in (lost, failed)", sort="status")
    assert {cell[0] for cell in rows(app)["status"]} == {"? lost", "✕ failed"}


def test_only_what_varies_and_the_primary_metric_are_columns(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", project="lora-finetuning")
    shown = list(rows(app).columns)
    assert "metrics.val_accuracy" in shown
    assert "params.rank" in shown
    assert "params.epochs" not in shown
    assert "metrics.loss" not in shown
    assert "project" not in shown


def test_over_all_projects_each_row_has_its_projects_main_metric(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", q="project = self-improving-diffusion")
    assert all(cell.startswith("val_loss 0.") for cell in rows(app)["main_metric"])


def test_sorting_by_the_main_metric_puts_each_projects_best_first(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", project="self-improving-diffusion")
    app.query_params["sort"] = "-main_metric"
    app.run()
    losses = [float(cell) for cell in rows(app)["metrics.val_loss"]]
    assert losses == sorted(losses)

    app = open_page("experiments", mirror="mine", sort="-main_metric")
    shown = list(rows(app)["project"])
    assert shown == sorted(shown, key=[p[0] for p in experiments_seed.PROJECTS].index)
    assert "--sort main_metric" in words(app)


def test_the_columns_of_the_address_are_drawn_in_its_order(store: Store, open_page: Open):
    app = open_page(
        "experiments", mirror="mine", project="lora-finetuning", cols="metrics.loss,technique"
    )
    assert list(rows(app).columns) == ["name", "status", "metrics.loss", "curve", "technique"]


def test_rows_have_their_main_curve(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", project="lora-finetuning")
    curves = rows(app)["curve"]
    assert all(2 <= len(curve) <= 34 for curve in curves)


def test_a_curve_the_mirror_does_not_hold_is_asked_for_once(store: Store, open_page: Open):
    run = experiments_seed.example(9, 1, project="clip-finetuning", metric="recall_at_1")
    store.write_runs("clip-finetuning", [run])
    app = open_page("experiments", mirror="mine", project="clip-finetuning")
    wanted = [subject for _, kind, subject in state.journal().wanted() if kind == "curve"]
    assert f"{run.run_id}/recall_at_1" in wanted
    app.run()
    assert len(state.journal().wanted()) == len(wanted)


def test_not_a_number_and_infinity_are_shown_and_sorted_last(store: Store, open_page: Open):
    for number, value in enumerate((math.nan, math.inf, 0.5)):
        run = experiments_seed.example(8, number, project="clip-finetuning", metric="odd")
        metrics = {"odd": Metric(value, 1, run.started_ms or 0)}
        store.write_runs("clip-finetuning", [replace(run, metrics=metrics, name=f"odd{number}")])
    app = open_page(
        "experiments", mirror="mine", q="metrics.odd exists", sort="metrics.odd", cols="metrics.odd"
    )
    assert list(rows(app)["metrics.odd"]) == ["0.5000", "∞", "NaN"]


def test_a_run_name_is_text_whatever_is_in_it(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", q="name ~ onerror")
    assert next(iter(rows(app)["name"])).startswith("<img src=x")


# Filter


def test_a_broken_filter_points_at_the_character_and_keeps_the_text(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", q="metrics.loss < and name ~ a")
    assert not app.exception
    assert "^" in app.code[0].value
    assert app.text_input(key="experiments:q").value == "metrics.loss < and name ~ a"
    app.button(key="exp-fix").click().run()
    assert "q" not in app.query_params
    assert "of 89 runs" in words(app)


def test_comparing_a_metric_with_a_word_is_a_sentence(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", q="metrics.loss < much")
    assert not app.exception
    assert "is a number and 'much' is none" in words(app).replace("\\", "")


def test_typing_a_filter_writes_the_address_and_begins_at_the_first_page(
    store: Store, open_page: Open
):
    app = open_page("experiments", mirror="mine", p="2")
    app.text_input(key="experiments:q").set_value("technique = lora-r8").run()
    assert app.query_params["q"] == "technique = lora-r8"
    assert "p" not in app.query_params
    assert set(rows(app)["technique"]) == {"lora-r8"}


def test_a_chip_removes_its_condition(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", q="status = finished and technique = lora-r8")
    assert app.button(key="experiments:chip:0").label.startswith("status is finished")
    app.button(key="experiments:chip:0").click().run()
    assert app.query_params["q"] == "technique = lora-r8"


def test_a_filter_of_ten_thousand_characters_is_left_out_with_a_notice(
    store: Store, open_page: Open
):
    app = open_page("experiments", mirror="mine", q="x" * 10_001)
    assert not app.exception
    assert "10,001 characters" in words(app)


def test_no_match_says_so_and_offers_the_way_out(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", q="name = nothing")
    assert "No run matches" in words(app)
    app.button(key="exp-none").click().run()
    assert "of 89 runs" in words(app)


def test_an_empty_platform_says_how_the_first_run_comes(open_page: Open):
    said = words(open_page("experiments", mirror="empty"))
    assert "No run yet" in said
    assert "mlops up --demo" in said


# Order, pages, choice


def test_the_order_can_be_chosen_and_turned_without_the_table(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", project="lora-finetuning")
    app.selectbox(key="experiments:sort").select("metrics.val_accuracy").run()
    assert app.query_params["sort"] == "-metrics.val_accuracy"
    values = [float(cell) for cell in rows(app)["metrics.val_accuracy"]]
    assert values == sorted(values, reverse=True)
    app.button(key="experiments:turn").click().run()
    assert app.query_params["sort"] == "metrics.val_accuracy"


def test_chosen_runs_are_ticked_in_the_table(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", sort="name")
    ids = app.session_state["experiments:ids"]
    app = open_page("experiments", mirror="mine", sort="name", sel=f"{ids[3]},{ids[1]}")
    assert app.session_state[table.KEY]["selection"]["rows"] == [1, 3]
    assert "2 runs chosen" in words(app)


def test_two_to_twenty_chosen_runs_can_be_compared(store: Store, open_page: Open):
    ids = [experiments_seed.run_id(0, index) for index in range(3)]
    app = open_page("experiments", mirror="mine", sel=",".join(ids))
    assert "Compare" in [link.value for link in app.page_link]
    app = open_page("experiments", mirror="mine", sel=ids[0])
    assert app.button(key="exp-compare").disabled


def test_a_viewer_may_not_archive_and_is_told_why(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", sel=experiments_seed.run_id(0, 0))
    assert app.button(key="exp-bulk-archive").disabled
    assert "takes the role operator" in app.button(key="exp-bulk-archive").help


def test_an_operator_may_archive(store: Store, open_page: Open):
    app = open_page(
        "experiments", role="operator", mirror="mine", sel=experiments_seed.run_id(0, 0)
    )
    assert not app.button(key="exp-bulk-archive").disabled


def test_nothing_can_be_done_while_mlflow_is_down(open_page: Open):
    from tests import seed

    app = open_page("experiments", role="admin", mirror="down", sel=seed.run_id(0, 0))
    assert app.button(key="exp-bulk-archive").disabled
    assert "MLflow" in words(app)
    assert len(rows(app)) > 0


def test_a_person_sees_the_runs_of_their_projects_only(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", projects=("clip-finetuning",))
    assert "14 runs" in words(app)


def test_archived_runs_are_another_table(store: Store, open_page: Open):
    run = experiments_seed.example(7, 1, project="clip-finetuning", metric="recall_at_1")
    store.write_runs("clip-finetuning", [replace(run, deleted=True, name="put away")])
    app = open_page("experiments", mirror="mine", archived="1")
    assert list(rows(app)["name"]) == ["put away"]


def test_malformed_parts_of_the_address_are_left_out_with_a_notice(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", sort="-no.such", p="zero", cols="<b>", sel="../x")
    assert not app.exception
    assert len(app.info) == 4
    assert len(rows(app)) == 50


def test_an_unknown_project_in_the_address_is_a_sentence(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", project="no/../such")
    assert not app.exception


def test_the_last_view_is_found_again_after_another_page(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", q="technique = lora-r8")
    app.switch_page("../pages/projects.py").run()
    app.query_params.pop("q", None)
    app.switch_page("../pages/experiments.py").run()
    assert app.query_params["q"] == "technique = lora-r8"
    assert set(rows(app)["technique"]) == {"lora-r8"}


def test_clearing_the_filter_is_not_undone_by_coming_back(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", q="technique = lora-r8")
    app.button(key="experiments:clear").click().run()
    assert "q" not in app.query_params
    assert "of 89 runs" in words(app)


# The drawer, the dialogs


def test_the_drawer_shows_the_gist_of_a_run(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine")
    app.session_state[table.PEEK] = experiments_seed.run_id(0, 0)
    app.run()
    assert not app.exception
    assert "full\\-seed0" in words(app)
    assert "Open the run’s page" in [link.value for link in app.page_link]


def test_the_drawer_of_a_run_out_of_scope_shows_nothing_of_it(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine", projects=("clip-finetuning",))
    app.session_state[table.PEEK] = experiments_seed.run_id(0, 0)
    app.run()
    assert "seed0" not in words(app)


def test_the_builder_writes_a_condition(store: Store, open_page: Open):
    app = open_page("experiments", mirror="mine")
    app.button(key="exp-builder").click().run()
    assert not app.exception
    assert app.selectbox(key="exp-b-field").options[0].startswith("name, technique")


@pytest.mark.full
def test_the_chooser_sends_a_few_of_five_thousand_metrics(store: Store, open_page: Open):
    run = experiments_seed.example(6, 1, project="clip-finetuning", metric="recall_at_1")
    many = {f"layer_{i}/norm": Metric(1.0, 1, run.started_ms or 0) for i in range(5_000)}
    store.write_runs("clip-finetuning", [replace(run, metrics={**run.metrics, **many})])
    app = open_page("experiments", mirror="mine", project="clip-finetuning")
    assert not any("layer_" in name for name in rows(app).columns)
    app.button(key="exp-columns").click().run()
    assert not app.exception
    offered = [b for b in app.button if str(b.key).startswith("exp-c-add-")]
    assert len(offered) == 12
    assert len(app.selectbox(key="exp-c-curve").options) <= 103


# Several runs at once


def test_each_chosen_run_becomes_an_action_of_its_own_and_one_that_runs_is_refused(
    store: Store, open_page: Open
):
    open_page("experiments", role="operator", mirror="mine")
    chosen = (run_id(0, 0), run_id(0, 1), run_id(0, 90))
    made = bulk._archive(back=False).make()
    assert made is not None
    held: dict[str, Any] = {"key": "k"}
    several.submit(made, bulk._those(chosen), held)
    several.submit(made, bulk._those(chosen), held)  # pressed twice: done once
    records = state.executor().history()
    assert {record.params["run_id"] for record in records} == {run_id(0, 0), run_id(0, 1)}
    assert len(records) == 2
    (refused,) = held["refused"]
    assert "still runs" in refused


def test_a_viewers_bulk_action_is_refused_whatever_the_browser_sends(store: Store, open_page: Open):
    open_page("experiments", role="viewer", mirror="mine")
    made = bulk._archive(back=False).make()
    assert made is not None
    held: dict[str, Any] = {"key": "k"}
    several.submit(made, bulk._those((run_id(0, 0),)), held)
    assert held["ids"] == []
    assert "takes the role operator" in held["refused"][0]


def test_a_missing_curve_is_wanted_with_one_write_however_often_it_is_looked_for(
    store: Store, open_page: Open, monkeypatch: pytest.MonkeyPatch
):
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(Journal, "want", lambda _, kind, *subjects: asked.append(subjects))
    app = open_page("run", mirror="mine", run=run_id(0, 0))
    for _ in range(3):
        app.run()
    (together,) = asked
    assert sorted(together) == [f"{run_id(0, 0)}/mlx_peak_bytes", f"{run_id(0, 0)}/step_time_ms"]
