"""The page of one run, as the app draws it."""

import json
import math
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from dashboard.experiments import content, run_artifacts
from dashboard.experiments.content import Content
from dashboard.experiments.run_curves import redraw_s
from services.engines.mlflow.models import Metric
from services.home import Home
from services.mirror.store import Store
from services.reading import Down, Live
from tests import experiments_seed, seed
from tests.experiments_seed import run_id
from tests.pages.conftest import Open, words
from tests.pages.roles import EVERY_ROLE


def opened(open_page: Open, run: str = run_id(0, 0), **options: str) -> AppTest:
    return open_page("run", mirror="mine", run=run, **options)


def charts(app: AppTest) -> int:
    return len(app.get("echarts_chart"))


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("mirror", ["full", "empty", "down", "none"])
def test_the_page_draws_for_every_role_whatever_the_engines_do(
    open_page: Open, role: str, mirror: str
):
    app = open_page("run", role=role, mirror=mirror, run=seed.run_id(1, 0))
    assert not app.exception
    known = mirror in {"full", "down"}
    assert ("baseline\\-0" in words(app)) == known


@pytest.mark.parametrize("part", ["Curves", "Metrics", "Parameters", "Artifacts", "Environment"])
@pytest.mark.parametrize("status", [0, 90, 91, 92, 93])
def test_every_part_draws_for_a_run_in_every_state(
    store: Store, open_page: Open, part: str, status: int
):
    app = opened(open_page, run_id(1, status), part=part)
    assert not app.exception
    assert not app.error


def test_an_unknown_run_is_a_sentence_with_the_way_back(store: Store, open_page: Open):
    app = opened(open_page, "f" * 32)
    assert not app.exception
    assert "There is no run" in words(app)
    assert "All runs" in [link.value for link in app.page_link]


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "<script>", "x" * 10_000])
def test_an_id_that_cannot_be_is_a_sentence(store: Store, open_page: Open, name: str):
    app = opened(open_page, name)
    assert not app.exception
    assert app.error


def test_a_run_of_another_project_is_as_good_as_none(store: Store, open_page: Open):
    app = open_page("run", mirror="mine", run=run_id(0, 0), projects=("clip-finetuning",))
    assert "seed0" not in words(app)
    assert "in your projects" in words(app)


def test_a_lost_run_says_why_it_is_not_running(store: Store, open_page: Open):
    said = words(opened(open_page, run_id(1, 90)))
    assert "lost" in said
    assert "process 4711 is gone" in said.replace("\\", "")


def test_the_main_figure_stands_against_the_projects_best(store: Store, open_page: Open):
    app = opened(open_page)
    (main, *_) = app.metric
    assert main.label.replace("\\", "") == "val_accuracy"
    assert main.delta.startswith(("-", "−"))


def test_curves_are_drawn_and_the_missing_ones_asked_for(store: Store, open_page: Open):
    app = opened(open_page)
    assert charts(app) == 2
    wanted = {subject for _, _, subject in state.journal().wanted()}
    assert wanted == {f"{run_id(0, 0)}/mlx_peak_bytes", f"{run_id(0, 0)}/step_time_ms"}


def test_a_running_run_is_drawn_again_by_itself_and_an_ended_one_is_not():
    assert redraw_s(running=True, waiting=False) == 1.5
    assert redraw_s(running=False, waiting=True) == 1.0
    assert redraw_s(running=False, waiting=False) is None


def test_smoothing_and_the_time_axis_can_be_chosen(store: Store, open_page: Open):
    app = opened(open_page)
    app.slider(key="run-smooth").set_value(0.6).run()
    app.get_by_key("run-x").set_value("time").run()
    assert not app.exception
    assert "seconds since the first point" in app.get("echarts_chart")[0].proto.spec


def test_points_that_are_no_numbers_are_gaps_a_reader_is_told_of(store: Store, open_page: Open):
    from services.engines.mlflow.models import Point

    at = 1_790_000_000_000
    odd = [Point(v, s, at + s) for s, v in enumerate((1.0, math.nan, math.inf, 2.0))]
    store.extend_curve(run_id(0, 0), "loss", odd)
    app = opened(open_page)
    assert not app.exception
    assert "2 points of 60 NaN or infinite" in words(app)


def test_bytes_are_drawn_in_the_unit_that_fits_them(store: Store, open_page: Open):
    from services.engines.mlflow.models import Point

    points = [Point(v, s, s) for s, v in enumerate((2_500_000.0, math.nan, 3_000_000.0))]
    store.extend_curve(run_id(0, 0), "mlx_peak_bytes", points)
    specs = (json.loads(c.proto.spec) for c in opened(open_page).get("echarts_chart"))
    drawn = next(spec for spec in specs if spec["series"][0]["name"] == "mlx_peak_bytes")
    assert drawn["yAxis"]["name"] == "MB"
    assert [y for _, y in drawn["series"][0]["data"]] == [2.5, None, 3.0]


def test_the_gaps_of_a_long_curve_are_told_and_drawn(store: Store, open_page: Open):
    from services.engines.mlflow.models import Point

    odd = {2_345: math.nan, 6_789: -math.inf, 6_790: math.nan}
    store.extend_curve(run_id(0, 0), "loss", [Point(odd.get(s, 1.0), s, s) for s in range(9_000)])
    app = opened(open_page)
    assert "3 points of 9,000 NaN or infinite, drawn as gaps" in words(app)
    (drawn,) = (c.proto.spec for c in app.get("echarts_chart") if '"loss"' in c.proto.spec)
    assert drawn.count("null") == 2


@pytest.mark.full
def test_five_thousand_metrics_are_searched_and_cut(store: Store, open_page: Open):
    run = experiments_seed.example(6, 1, project="clip-finetuning", metric="recall_at_1")
    many = {f"layer_{i}/norm": Metric(float(i), 5, run.started_ms or 0) for i in range(5_000)}
    store.write_runs("clip-finetuning", [replace(run, metrics=many)])
    app = opened(open_page, run.run_id, part="Metrics")
    assert len(app.dataframe[0].value) == 200
    app.text_input(key="run-find-metric").set_value("4999").run()
    assert list(app.dataframe[0].value["metric"]) == ["layer_4999/norm"]
    app = opened(open_page, run.run_id, part="Curves")
    assert len(app.multiselect(key="run-curves").options) <= 110


def test_what_is_no_number_stands_last_among_the_metrics(store: Store, open_page: Open):
    app = opened(open_page, run_id(0, 92), part="Metrics")
    table = app.dataframe[0].value
    assert list(table["last"])[-2:] == ["∞", "NaN"]
    assert list(table["metric"])[-2:] == ["grad_norm", "loss"]


def test_figures_have_their_units(store: Store, open_page: Open):
    table = opened(open_page, part="Metrics").dataframe[0].value
    figures = dict(zip(table["metric"], table["last"], strict=True))
    assert figures["mlx_peak_bytes"] == "410 MB"
    assert figures["step_time_ms"].endswith(" ms")


def test_a_hostile_name_is_text(store: Store, open_page: Open):
    app = opened(open_page, run_id(0, 92))
    title = app.title[0].value
    assert "&lt;img" in title
    assert "\\*\\*bold" in title
    assert ":material/home:" not in title


def test_the_environment_names_machine_code_data_and_packages(store: Store, open_page: Open):
    app = opened(open_page, part="Environment")
    facts = str(app.table[0].value.to_dict())
    for part in ("mac\\\\-mini", "Apple M4", "34\\\\.4 GB", "MLX on the CPU", "clean"):
        assert part in facts
    assert dict(app.dataframe[0].value.values)["mlx"] == "0.31.2"


# Files


def test_files_are_listed_with_their_sizes(store: Store, open_page: Open):
    table = opened(open_page, part="Artifacts").dataframe[0].value
    sizes = dict(zip(table["path"], table["size"], strict=True))
    assert sizes["model/model.safetensors"] == "1.84 MB"
    assert "model" not in sizes


def test_a_listing_not_fetched_yet_is_asked_for(store: Store, open_page: Open):
    app = opened(open_page, run_id(0, 1), part="Artifacts")
    assert "is being fetched" in words(app)
    assert (run_id(0, 1)) in {s for _, kind, s in state.journal().wanted() if kind == "artifacts"}


@pytest.mark.parametrize(
    ("path", "data", "said"),
    [
        ("model/config.json", b'{"a": 1}', '{"a": 1}'),
        ("model/MLmodel", b"<script>", "<script>"),
        ("plots/confusion.png", b"no image at all", "not an image"),
        ("model/model.safetensors", b"", "not shown here"),
    ],
)
def test_a_chosen_file_is_shown_as_what_it_is(
    store: Store,
    open_page: Open,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    data: bytes,
    said: str,
):
    now = state.datetime.now(state.UTC)
    monkeypatch.setattr(run_artifacts, "content_of", lambda *_: Content(Live(data, now)))
    app = choose(open_page, monkeypatch, path)
    assert not app.exception
    assert said in words(app)


def test_a_file_that_cannot_be_fetched_says_why(
    store: Store, open_page: Open, monkeypatch: pytest.MonkeyPatch
):
    now = state.datetime.now(state.UTC)
    down = Down("MLflow", "Nothing listens.", "Run `mlops up`.", now)
    monkeypatch.setattr(run_artifacts, "content_of", lambda *_: Content(down))
    app = choose(open_page, monkeypatch, "model/config.json")
    assert "Nothing listens" in words(app).replace("\\", "")


def test_an_mlflow_that_does_not_answer_is_a_reading_not_an_exception(
    home: Home, monkeypatch: pytest.MonkeyPatch
):
    (home.secrets / "mlflow-platform.token").write_text("t")
    monkeypatch.setenv("MLOPS_MLFLOW_URL", "http://127.0.0.1:9")
    found = content.content_of("p", "r", "a.txt")
    assert isinstance(found.reading, Down)
    assert found.value_or_sentence().startswith(b"MLflow: ")


def choose(open_page: Open, monkeypatch: pytest.MonkeyPatch, path: str) -> AppTest:
    """Open the part with a file chosen: AppTest has no clicks for tables."""
    from dashboard.components import tables

    drawn = tables.table

    def chosen(rows: object, columns: object, *, key: str, **options: object) -> int | None:
        drawn(rows, columns, key=key, **options)  # type: ignore[arg-type]  # passed on as given
        paths = [row["path"] for row in rows]  # type: ignore[attr-defined]  # the rows of the listing
        return paths.index(path)

    monkeypatch.setattr(tables, "table", chosen)
    return opened(open_page, part="Artifacts")


# Actions


def test_a_viewer_may_neither_tag_nor_archive(store: Store, open_page: Open):
    app = opened(open_page)
    assert app.button(key="run-tag").disabled
    assert app.button(key="run-archive").disabled


def test_an_operator_may_do_both_but_not_archive_what_runs(store: Store, open_page: Open):
    app = opened(open_page, role="operator")
    assert not app.button(key="run-tag").disabled
    assert not app.button(key="run-archive").disabled
    app = opened(open_page, run_id(0, 90), role="operator")
    assert app.button(key="run-archive").disabled


def test_an_archived_run_can_be_brought_back(store: Store, open_page: Open):
    run = experiments_seed.example(7, 1, project="clip-finetuning", metric="recall_at_1")
    store.write_runs("clip-finetuning", [replace(run, deleted=True)])
    app = opened(open_page, run.run_id, role="operator")
    assert app.button(key="run-archive").label == "Restore"


def test_archiving_is_asked_with_its_consequences_and_journalled(
    store: Store, open_page: Open, dialog_open: object
):
    dialog_open("run-archive")  # type: ignore[operator]  # the fixture is a function
    app = opened(open_page, role="operator")
    assert "leaves the tables" in words(app)
    app.button(key="acting-do").click().run()
    (record,) = state.executor().history()
    assert record.kind == "archive-run"
    assert record.params["run_id"] == run_id(0, 0)
