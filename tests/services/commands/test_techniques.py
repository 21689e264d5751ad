"""``mlops runs techniques``: figures, orders, trade-offs, and what is missing."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.cli import mlops
from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.settings import Settings
from tests import economics_seed
from tests.economics_seed import SILENT

PROJECT = "lora-finetuning"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    Home.locate().create()
    engine, _ = schema.prepare(Settings().mirror_url)
    economics_seed.fill(Store(engine), repeats=2)
    engine.dispose()


def run(*words: str, code: int = 0) -> Result:
    done = CliRunner().invoke(mlops, ("runs", "techniques", *words))
    assert done.exit_code == code, done.output
    return done


def document(*words: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(run(*words, "--json").stdout)["projects"]
    return found


def test_json_has_every_figure_with_its_spread_runs_and_reasons():
    (project,) = document("--project", PROJECT)
    assert (project["metric"], project["goal"], project["memory_of"]) == (
        "val_accuracy", "max", "mlx",
    )  # fmt: skip
    rows = {row["technique"]: row for row in project["techniques"]}
    full, prompt = rows["full"], rows["prompt"]
    assert full["mean_low"] < full["mean"] < full["mean_high"]
    for key in ("quality", "seconds", "peak_memory_bytes", "energy_j", "quality_per_joule"):
        assert full[key]["low"] <= full[key]["median"] <= full[key]["high"]
        assert full[key]["runs"] == 2
    assert full["quality_per_joule"]["median"] == pytest.approx(0.91 / 15_400, rel=0.1)
    assert prompt["energy_j"] == {
        "median": None, "low": None, "high": None, "runs": 0, "missing": {SILENT: 2},
    }  # fmt: skip
    assert (prompt["energy_quality"], rows["dora"]["energy_quality"]) == (
        "unavailable", "estimated",
    )  # fmt: skip
    assert rows["lora-r8"]["conditions"] == "unlike"
    assert full["machines"] == {"Apple M4": 2}


def test_all_projects_each_by_its_own_metric():
    found = document()
    assert [one["project"] for one in found] == [one[0] for one in economics_seed.PROJECTS]
    assert [one["goal"] for one in found] == ["max", "max", "min", "max"]


@pytest.mark.parametrize(
    ("order", "first", "last"),
    [("joules", "lora-r4", "prompt"), ("-joules", "full", "prompt"), ("quality", "full", "prompt")],
)
def test_the_order_is_best_first_and_what_is_missing_last(order: str, first: str, last: str):
    lines = run("--project", PROJECT, "--sort", order).stdout.splitlines()
    assert [line.split("\t")[1].split(" ")[0] for line in (lines[0], lines[-1])] == [first, last]


def test_what_is_missing_and_unlike_is_told_beside_the_table():
    done = run("--project", PROJECT)
    assert f"2 of 2 runs of “prompt” have no joules: {SILENT}." in done.stderr
    assert "The runs of “lora-r8” were throttled" in done.stderr
    assert all(line.startswith(PROJECT) for line in done.stdout.splitlines())


def test_trade_offs_say_who_is_beaten_by_whom_and_who_is_left_out():
    found = {one["project"]: one for one in document("--pareto", "joules,quality")}
    points = {p["technique"]: p for p in found["self-improving-diffusion"]["points"]}
    assert points["lora-r8"]["front"] is True
    assert points["once"] == points["once"] | {"front": False, "beaten_by": ["lora-r8"]}
    assert found[PROJECT]["left_out"] == [{"figure": "joules", "reason": SILENT, "runs": 2}]
    done = run("--pareto", "joules,quality")
    assert "self-improving-diffusion\tonce\tbeaten by lora-r8" in done.stdout
    assert f"{PROJECT}: 2 runs have no joules: {SILENT}." in done.stderr


def test_the_filter_is_heeded():
    (project,) = document("--project", PROJECT, "--filter", "technique = full")
    assert [row["technique"] for row in project["techniques"]] == ["full"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--sort", "price"), 2, "Error: 'price' is no order."),
        (("--pareto", "joules"), 2, "Error: --pareto wants two different figures"),
        (("--pareto", "joules,joules"), 2, "Error: --pareto wants two different figures"),
        (("--pareto", "joules,quality,seconds"), 2, "Error: --pareto wants two different figures"),
        (("--metric", "loss"), 2, "Error: --metric is of one project."),
        (("--project", "nobody"), 1, "Error: There is no project"),
        (("--filter", "technique ="), 2, "Error:"),
    ],
)
def test_what_cannot_be_is_a_sentence(words: tuple[str, ...], code: int, said: str):
    done = run(*words, code=code)
    assert done.stdout == ""
    assert done.stderr.startswith(said)


def test_a_metric_nobody_logged_is_missing_for_all():
    (project,) = document("--project", PROJECT, "--metric", "nothing")
    assert all(row["quality"]["missing"] == {"no nothing was logged": 2}
               for row in project["techniques"])  # fmt: skip
