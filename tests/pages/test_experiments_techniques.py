"""Techniques and their trade-offs on the Experiments page, as the app draws them."""

from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.experiments import cost_table, trade_chart
from dashboard.experiments.ways import filter_of
from services.engines.mlflow.models import Metric
from services.mirror.store import Store
from tests import experiments_seed
from tests.economics_seed import SILENT
from tests.pages.conftest import Open, words
from tests.pages.roles import EVERY_ROLE

SIDES = ("Techniques", "Trade-offs")
PROJECT = "lora-finetuning"


def opened(open_page: Open, side: str, **options: Any) -> AppTest:
    app = open_page("experiments", **{"mirror": "economics", "view": side} | options)
    assert not app.exception
    return app


def said(app: AppTest) -> str:
    return words(app).replace("\\", "")


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("mirror", ["full", "empty", "down", "none"])
def test_every_side_draws_for_every_role_whatever_the_engines_do(
    open_page: Open, role: str, mirror: str
):
    app = open_page("experiments", role=role, mirror=mirror, view="Techniques")
    for side in SIDES:
        app.query_params["view"] = side
        app.run()
        assert not app.exception
        assert app.title[0].value == "Experiments"
        assert ("has not answered" in words(app)) == (mirror == "down")


def test_the_table_has_what_each_technique_costs_with_spread_and_quality(open_page: Open):
    table = opened(open_page, "Techniques", project=PROJECT).dataframe[0].value
    rows = {row["technique"]: row for _, row in table.iterrows()}
    assert list(rows) == ["full", "lora-r8", "dora", "lora-r4", "prompt"]
    assert rows["full"]["seconds"].startswith("838 s (")
    assert rows["full"]["peak_bytes"].startswith("6.12 GB (")
    assert rows["full"]["joules"].startswith("15.1 kJ (")
    assert rows["dora"]["joules"].startswith("≈ ")
    assert [row["energy"] for row in rows.values()] == [
        "measured", "measured", "estimated", "measured", "unavailable",
    ]  # fmt: skip
    assert rows["prompt"]["joules"] == rows["prompt"]["per_joule"] == "unavailable"
    assert rows["lora-r8"]["conditions"] == "⚠ unlike"
    assert {row["machines"] for row in rows.values()} == {"Apple M4"}


def test_what_is_missing_and_what_does_not_compare_is_a_sentence(open_page: Open):
    text = said(opened(open_page, "Techniques", project=PROJECT))
    assert f"5 runs of “prompt” have no joules: {SILENT}" in text
    assert "“lora-r8”: its runs were throttled" in text
    other = said(opened(open_page, "Techniques", project="quantized-optimization"))
    assert "Not all techniques ran on the same chips (Apple M2 Ultra, Apple M4)" in other


@pytest.mark.parametrize(
    ("by", "first", "last"),
    [
        ("joules", "lora-r4", "prompt"),
        ("-joules", "full", "prompt"),
        ("per_joule", "lora-r4", "prompt"),
        ("seconds", "lora-r4", "full"),
        ("peak_bytes", "lora-r4", "full"),
        ("nonsense", "full", "prompt"),
    ],
)
def test_the_order_of_the_address_is_drawn(open_page: Open, by: str, first: str, last: str):
    app = opened(open_page, "Techniques", project=PROJECT, by=by)
    order = list(app.dataframe[0].value["technique"])
    assert (order[0], order[-1]) == (first, last)
    known = "quality" if by == "nonsense" else by
    assert f"--sort {known}" in words(app)


def test_a_click_on_a_heading_is_in_the_address_and_a_second_turns_it(
    monkeypatch: pytest.MonkeyPatch,
):
    told: dict[str, object] = {}
    monkeypatch.setattr(cost_table.st, "query_params", FakeParams(told))
    for headings, by in (
        (["joules"], "joules"), (["joules"], "-joules"), ([], "-joules"), (["n"], "runs"),
        (["mean"], None), (["best"], "-quality"), (["machines"], "-quality"),
        (["energy"], "joules"),
    ):  # fmt: skip
        pressed = {"key": {"selection": {"rows": [], "columns": headings}}}
        monkeypatch.setattr(cost_table.st, "session_state", pressed)
        cost_table._clicked("key")
        assert told.get("by") == by


class FakeParams(dict):
    """The address, as far as these callbacks use it."""

    def __init__(self, told: dict[str, object]) -> None:
        super().__init__(told)
        self._told = told

    def update(self, params: dict[str, object]) -> None:  # type: ignore[override]
        for key, value in params.items():
            if value == []:
                self.pop(key, None)
                self._told.pop(key, None)
            else:
                self[key] = self._told[key] = value


def test_project_and_metric_are_in_the_address(open_page: Open):
    app = opened(open_page, "Techniques")
    app.selectbox(key="board-project-None").set_value("self-improving-diffusion").run()
    assert app.query_params["of"] == "self-improving-diffusion"
    assert app.dataframe[0].value["technique"].iloc[0] == "loop"
    app.selectbox(key="board-metric-self-improving-diffusion").set_value("system/energy_j").run()
    assert app.query_params["metric"] == "system/energy_j"
    assert app.dataframe[0].value["technique"].iloc[0] == "lora-r8"
    assert "below the baselines" in words(app)
    assert "--metric system/energy_j" in words(app)


def test_a_filter_holds_and_a_damaged_one_leaves_the_page_standing(open_page: Open):
    app = opened(open_page, "Techniques", project=PROJECT, q="technique ~ lora")
    assert list(app.dataframe[0].value["technique"]) == ["lora-r8", "lora-r4"]
    for side in SIDES:
        app = opened(open_page, side, project=PROJECT, q="technique =")
        assert "A value is missing" in app.error[0].value
        app.button(key="sides-fix").click().run()
        assert app.dataframe


def test_one_project_has_its_front_as_a_line_and_in_words(open_page: Open):
    app = opened(open_page, "Trade-offs", project=PROJECT, x="joules")
    table = app.dataframe[0].value
    assert list(table["technique"]) == ["lora-r4", "lora-r8", "dora", "full"]
    assert list(table["step"])[1].startswith("+0.0241 for 452 J more")
    assert list(table["energy"]) == ["measured", "measured", "estimated", "measured"]
    text = said(app)
    assert "Nothing beats “lora-r4”" in text
    assert f"5 runs have no joules: {SILENT}." in text
    spec = app.get("plotly_chart")[0].proto.spec
    assert '"shape":"hv"' in spec
    assert "--pareto joules,quality" in text


def test_what_is_beaten_is_faint_and_says_by_whom(open_page: Open):
    app = opened(open_page, "Trade-offs", project=PROJECT, x="seconds")
    table = app.dataframe[0].value
    assert list(table["standing"])[-1] == "beaten by “lora-r4”, “lora-r8”"
    spec = app.get("plotly_chart")[0].proto.spec
    assert f'"opacity":{trade_chart._FAINT}' in spec


def test_the_axes_are_in_the_address_and_never_the_same_twice(open_page: Open):
    app = opened(open_page, "Trade-offs", project=PROJECT)
    app.segmented_control(key="x").set_value("peak_bytes").run()
    assert app.query_params["x"] == "peak_bytes"
    app.segmented_control(key="y").set_value("joules").run()
    assert app.query_params["y"] == "joules"
    assert "--pareto peak_bytes,joules" in words(app)
    app.segmented_control(key="x").set_value("joules").run()
    assert app.segmented_control(key="y").value == "quality"
    assert not app.exception


def test_projects_stand_side_by_side_on_axes_of_their_own(open_page: Open):
    app = opened(open_page, "Trade-offs", x="joules")
    assert len(app.get("plotly_chart")) == 3
    text = said(app)
    assert "“lora-r8” is on the front in 2 of 2 projects" in text
    assert "axes of its own" in text
    assert "CLIP fine-tuning: 5 runs have no joules" in text
    assert "Not all runs of LoRA fine-tuning, Quantized optimization ran on like machines" in text
    assert set(app.dataframe[0].value["project"]) == {
        "LoRA fine-tuning", "Quantized optimization", "Self-improving diffusion",
    }  # fmt: skip


def test_without_the_figure_the_page_says_what_is_missing(open_page: Open):
    app = opened(open_page, "Trade-offs", project="clip-finetuning", x="joules")
    assert not app.get("plotly_chart")
    text = said(app)
    assert "Nothing to weigh" in text
    assert f"5 runs have no joules: {SILENT}." in text


def test_other_peoples_projects_are_not_weighed(open_page: Open):
    app = opened(open_page, "Trade-offs", projects=(PROJECT,))
    assert len(app.get("plotly_chart")) == 1
    assert "Quantized" not in words(app)


def test_the_filter_a_click_on_a_technique_leaves_finds_its_runs(open_page: Open):
    app = opened(open_page, "Runs", q=filter_of("", PROJECT, "dora"))
    assert "1–5 of 5 runs" in words(app)


def test_energy_that_is_no_number_is_said_and_never_0(store: Store, open_page: Open):
    made = experiments_seed.example(0, 60, project=PROJECT, metric="val_accuracy")
    odd = made.metrics | {"system/energy_j": Metric(float("nan"), 1, made.started_ms or 0)}
    store.write_runs(PROJECT, [replace(made, metrics=odd)])
    app = opened(open_page, "Techniques", project=PROJECT, mirror="mine")
    assert set(app.dataframe[0].value["joules"]) == {"unavailable"}
    assert "the energy they carry is no number" in said(app)
