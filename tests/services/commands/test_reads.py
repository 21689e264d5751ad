"""What commands say of names nobody knows, and of numbers that are none."""

import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.cli import mlops
from services.engines.mlflow.models import Metric
from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.settings import Settings
from tests import seed
from tests.services.mirror.conftest import tracked

LONG = "x" * 10_000


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    Home.locate().create()
    return Settings().mirror_url


def run(*words: str, code: int = 0) -> Result:
    done = CliRunner().invoke(mlops, words)
    assert done.exit_code == code, done.output
    return done


MODEL = "lora-finetuning"
UNKNOWN = (
    (("models", "promote", MODEL, "99", "--yes"), 1, f"Error: {MODEL} has no version 99."),
    (("models", "promote", MODEL, "99"), 1, f"Error: {MODEL} has no version 99."),
    (("models", "show", "nobody"), 1, "Error: There is no model 'nobody'."),
    (("models", "show", LONG), 1, f"Error: There is no model {LONG[:80]!r}."),
    (("runs", "show", "f" * 32), 1, f"Error: There is no run '{'f' * 32}'."),
    (("runs", "show", LONG), 1, "Error: There is no run"),
    (("projects", "show", "../x"), 2, "Error: '../x' is no project id."),
    (("projects", "show", LONG), 2, f"Error: '{LONG[:40]}…' is no project id."),
    (("projects", "show", "nobody"), 1, "Error: There is no project"),
    (("runs", "list", "--project", LONG), 1, "Error: There is no project"),
    (("models", "list", "--project", LONG), 1, "Error: There is no project"),
)


@pytest.mark.parametrize(("words", "code", "said"), UNKNOWN)
def test_a_name_nobody_knows_is_a_short_sentence(
    url: str, words: tuple[str, ...], code: int, said: str
):
    seed.fill(url)
    done = run(*words, code=code)
    assert done.stdout == ""
    first, *hint = done.stderr.splitlines()
    assert first.startswith(said)
    assert len(first) < 200
    assert len(hint) <= 1


def written(url: str, *values: float | None, **changes: object) -> list[str]:
    """Write finished runs that logged these (None: nothing), the first the oldest."""
    engine, _ = schema.prepare(url)
    metrics = [{} if v is None else {"acc": Metric(v, 1, 1)} for v in values]
    given = {"params": {}, **changes}
    runs = [tracked(i, metrics=m, **given) for i, m in enumerate(metrics, 1)]
    Store(engine).write_runs("p", runs)
    engine.dispose()
    return [one.run_id for one in runs]


def compared(url: str, *values: float | None) -> dict[str, object]:
    """Compare finished runs that logged these; None: nothing."""
    done = run("runs", "compare", *written(url, *values), "--json")
    return {n: list(c.values()) for n, c in json.loads(done.output)["differences"].items()}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.5])
def test_a_number_does_not_differ_from_itself(url: str, value: float):
    assert compared(url, value, value) == {}


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ((math.nan, 0.5), ["nan", 0.5]),
        ((math.nan, None), ["nan", None]),
        ((math.inf, -math.inf), ["inf", "-inf"]),
        ((0.5, math.nan, math.nan), [0.5, "nan", "nan"]),
    ],
)
def test_numbers_that_are_none_differ_from_others(
    url: str, values: tuple[float | None, ...], shown: list[object]
):
    assert compared(url, *values) == {"metrics.acc": shown}


@pytest.mark.parametrize(
    ("order", "shown"),
    [
        ((), ["inf", "0.5", "-inf", "–", "nan"]),
        (("--ascending",), ["-inf", "0.5", "inf", "–", "nan"]),
    ],
)
def test_a_list_sorted_by_a_metric_shows_what_is_no_number_and_missing_last(
    url: str, order: tuple[str, ...], shown: list[str]
):
    written(url, math.nan, 0.5, math.inf, -math.inf, None)
    done = run("runs", "list", "--sort", "metrics.acc", *order)
    assert [line.split("\t")[-1] for line in done.stdout.splitlines()] == shown


@pytest.mark.parametrize("field", ["metrics.acc", "params.lr", "tags.team"])
def test_a_list_shows_what_it_is_sorted_by(url: str, field: str):
    written(url, 0.25, params={"lr": "0.25"}, tags={"team": "0.25"})
    assert run("runs", "list", "--sort", field).stdout.rstrip().endswith("\t0.25")


def test_a_list_by_main_metric_shows_which_it_is_and_its_value(url: str):
    written(url, 0.25, None, 0.75)
    engine, _ = schema.prepare(url)
    Store(engine).write_project("p", "connected", {"primary_metric": "acc", "goal": "max"})
    engine.dispose()
    lines = run("runs", "list", "--sort", "main_metric").stdout.splitlines()
    assert [line.split("\t")[-2:] for line in lines] == [
        ["acc", "0.75"],
        ["acc", "0.25"],
        ["acc", "–"],
    ]


def test_a_row_is_one_line_whatever_a_run_logged(url: str):
    (one,) = written(url, 0.5, params={"a\tb": "x\ny\x1b[31m\rz"})
    lines = run("runs", "show", one).stdout.splitlines()
    assert "param a b\tx y [31m z" in lines
    assert all(line.count("\t") == 1 for line in lines)
    found = json.loads(run("runs", "show", one, "--json").stdout)
    assert found["params"] == {"a\tb": "x\ny\x1b[31m\rz"}
