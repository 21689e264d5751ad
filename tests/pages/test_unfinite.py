"""NaN and infinities on the pages, in the file, and among the versions of a model."""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from dashboard.experiments import toolbar
from services.engines.mlflow.models import Metric, Version
from services.mirror.store import Store
from tests import experiments_seed
from tests.experiments_seed import run_id
from tests.pages.conftest import Open, words

PROJECT = "clip-finetuning"
METRIC = "recall_at_1"
ODD: Mapping[str, float | None] = {
    "is-nan": math.nan,
    "is-plus": math.inf,
    "is-minus": -math.inf,
    "is-good": 0.995,
    "is-none": None,
}


@pytest.fixture
def odd(store: Store) -> dict[str, str]:
    """Finished runs whose main metric is no number, one that has none, one good one: name → id."""
    made = {}
    for index, (name, value) in enumerate(ODD.items()):
        run = experiments_seed.example(6, index, project=PROJECT, metric=METRIC)
        metrics = {**run.metrics, METRIC: Metric(value or 0.0, 59, run.started_ms or 0)}
        if value is None:
            del metrics[METRIC]
        tags = {**run.tags, "odd": "yes"}
        store.write_runs(PROJECT, [replace(run, name=name, metrics=metrics, tags=tags)])
        made[name] = run.run_id
    return made


def shown(app: AppTest, column: str) -> dict[str, str]:
    table = app.dataframe[0].value
    return dict(zip(table["name"], table[column], strict=True))


def test_the_table_tells_nan_infinite_and_missing_apart(odd: dict[str, str], open_page: Open):
    app = open_page("experiments", mirror="mine", project=PROJECT, q="tags.odd = yes")
    assert shown(app, f"metrics.{METRIC}") == {
        "is-nan": "NaN",
        "is-plus": "∞",
        "is-minus": "−∞",
        "is-good": "0.9950",
        "is-none": "",
    }


@pytest.mark.parametrize(
    ("sort", "ends"),
    [
        (f"metrics.{METRIC}", ["is-minus", "is-good", "is-plus", "is-none", "is-nan"]),
        (f"-metrics.{METRIC}", ["is-plus", "is-good", "is-minus", "is-none", "is-nan"]),
        ("-main_metric", ["is-good", "is-minus", "is-plus", "is-none", "is-nan"]),
    ],
)
def test_nan_and_missing_stand_last_whichever_way_the_table_is_sorted(
    odd: dict[str, str], open_page: Open, sort: str, ends: list[str]
):
    query = {"project": PROJECT, "q": "tags.odd = yes", "sort": sort}
    assert list(shown(open_page("experiments", mirror="mine", **query), "status")) == ends


def test_the_file_of_the_table_tells_them_apart(
    odd: dict[str, str], open_page: Open, monkeypatch: pytest.MonkeyPatch
):
    rows = downloaded(open_page, monkeypatch, q="tags.odd = yes", project=PROJECT)
    assert {row["name"]: row[f"metrics.{METRIC}"] for row in rows} == {
        "is-nan": "NaN",
        "is-plus": "inf",
        "is-minus": "-inf",
        "is-good": "0.995",
        "is-none": "",
    }
    read = {row["name"]: float(row[f"metrics.{METRIC}"] or 0) for row in rows}
    assert math.isnan(read["is-nan"])
    assert read["is-minus"] == -math.inf


def test_the_file_over_all_projects_has_each_projects_main_metric(
    odd: dict[str, str], open_page: Open, monkeypatch: pytest.MonkeyPatch
):
    rows = downloaded(open_page, monkeypatch)
    own = {project: metric for project, _, metric, _, _ in experiments_seed.PROJECTS}
    for row in rows:
        if row["status"] == "finished" and row["run_id"] not in odd.values():
            assert float(row[f"metrics.{own[row['project']]}"]) > 0
    assert {r["name"]: r[f"metrics.{METRIC}"] for r in rows}["is-nan"] == "NaN"


def downloaded(
    open_page: Open, monkeypatch: pytest.MonkeyPatch, **query: str
) -> list[dict[str, str]]:
    """Return the file behind the button: AppTest clicks none of these."""
    files = []

    def button(label: str, data: object, **_: object) -> None:
        assert label == "CSV"
        files.append(data())  # type: ignore[operator]  # made when it is clicked

    monkeypatch.setattr(toolbar.st, "download_button", button)
    assert not open_page("experiments", mirror="mine", **query).exception
    return list(csv.DictReader(io.StringIO(files[-1].decode())))


@pytest.mark.parametrize(("name", "word"), [("is-nan", "NaN"), ("is-plus", "∞")])
def test_a_main_metric_that_is_none_is_named_on_the_runs_page_and_is_never_the_best(
    odd: dict[str, str], open_page: Open, name: str, word: str
):
    app = open_page("run", mirror="mine", run=odd[name])
    (main, *_) = app.metric
    assert (main.value, main.delta) == (word, "")
    best = state.mirror().project(PROJECT).best
    assert best is not None
    assert best.run_id == odd["is-good"]


def test_the_runs_page_says_how_many_metrics_are_no_numbers(odd: dict[str, str], open_page: Open):
    said = words(open_page("run", mirror="mine", run=odd["is-nan"], part="Metrics"))
    assert "1 metric is NaN or infinite" in said
    assert "infinite" not in words(
        open_page("run", mirror="mine", run=odd["is-good"], part="Metrics")
    )


@pytest.mark.parametrize("base", ["is-nan", "is-good"])
def test_a_comparison_has_no_difference_to_nan_says_so_and_calls_it_never_best(
    odd: dict[str, str], open_page: Open, base: str
):
    runs = ",".join(odd[name] for name in ("is-nan", "is-plus", "is-good"))
    app = open_page("compare", mirror="mine", runs=runs, base=odd[base])
    row = app.dataframe[0].value.iloc[0]
    assert row["metric"] == f"{METRIC} ↑"
    cells = {str(head).removesuffix(" · base"): cell for head, cell in row.items()}
    assert (cells["is-nan"], cells["is-plus"], cells["is-good"]) == ("NaN", "∞", "0.9950 ★")
    assert "NaN and infinite values have no difference" in words(app)
    alike = ",".join(run_id(3, index) for index in range(2))
    assert "NaN and infinite" not in words(open_page("compare", mirror="mine", runs=alike))


@pytest.fixture
def model(store: Store, odd: dict[str, str]) -> None:
    """A model whose champion is a usual run, with a version of each odd one."""
    from services.engines.mlflow.models import Model

    document = experiments_seed._document(3, "CLIP", METRIC, "max") | {"gates": {METRIC: ">= 0.5"}}
    store.write_project(PROJECT, "connected", document)
    runs = [run_id(3, 0), *(odd[name] for name in ("is-nan", "is-plus", "is-minus", "is-none"))]
    versions = [Version("m", n, run, n, "READY", "", "", {}) for n, run in enumerate(runs, 1)]
    store.write_registry(PROJECT, [Model("m", "", 0, 0, {"champion": 1}, {})], versions)


@pytest.mark.parametrize(
    ("version", "told"),
    [("2", "**NaN**"), ("3", "**∞**"), ("4", "**−∞**"), ("5", "**was not logged**")],
)
def test_a_version_without_a_number_fails_its_gate_by_name_value_and_bound(
    model: None, open_page: Open, version: str, told: str
):
    app = open_page("model", mirror="mine", role="approver", of=PROJECT, model="m", version=version)
    assert not app.exception
    assert f"{METRIC} {told} :gray[wants >= 0.5]" in words(app).replace("\\", "").replace(
        "&gt;", ">"
    )


def test_versions_without_a_number_are_never_better_than_the_champion(model: None, open_page: Open):
    app = open_page("model", mirror="mine", role="approver", of=PROJECT, model="m")
    table = app.dataframe[0].value
    assert [list(cell) for cell in table["gates"]] == [["✕ failed"]] * 4 + [["✓ passed"]]
    assert [list(cell) for cell in table["change"]] == [[]] * 5
    assert list(table[f"m:{METRIC}"])[1:4] == ["−∞", "∞", "NaN"]
    listing = open_page("registry", mirror="mine", role="approver")
    assert "better version" not in words(listing)
