"""``mlops data`` from end to end, without a controller."""

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.cli import mlops
from services.home import Home
from services.mirror import schema
from services.predictions.log import PredictionLog
from services.settings import Settings
from tests.services.data.conftest import content, contract, put
from tests.services.predictions.records import record

pytestmark = pytest.mark.engine  # DVC itself works


def run(*words: str, code: int = 0) -> Result:
    done = CliRunner().invoke(mlops, ["data", *words])
    assert done.exit_code == code, done.output
    return done


def read(*words: str) -> object:
    return json.loads(run(*words, "--json").stdout)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLOPS_PROJECTS_ROOT", str(tmp_path / "root"))
    Home.locate().create()
    schema.prepare(Settings().mirror_url)[0].dispose()
    folder = tmp_path / "root" / "one"
    folder.mkdir(parents=True)
    contract(folder, "one", ["data/"], ["models/"])
    put(folder, data__a="first")
    return folder


def test_the_whole_way(project: Path):
    (added,) = read("add", "one")
    assert (added["kind"], added["state"]) == ("data-add", "done")
    put(project, data__a="second", data__b="new")
    run("add", "one")
    versions = read("versions", "one")
    assert [v["current"] for v in versions] == [True, False]
    second, first = (v["revision"] for v in versions)
    changes = read("diff", "one", second)
    assert (changes["added"], changes["changed"], changes["against"]) == (1, 1, first)

    assert "sent" in run("push", "one").stdout
    rows = read("status")["rows"]
    assert [(r["kind"], r["state"], r["remote"]) for r in rows] == [
        ("data", "clean", "there"),
        ("models", "empty", None),
    ]
    said = run("checkout", "one", first[:6], "--yes").stdout
    assert first in said
    assert content(project / "data") == {"a": b"first"}
    assert "undamaged" in run("pull", "one").stdout
    assert "files removed" in run("prune", "one", "--yes").stdout
    assert "writable again" in run("release", "one", "--kind", "data").stdout
    assert first in run("versions", "one", "--kind", "data").stdout
    assert "data/a" in run("diff", "one", first, second).stdout
    assert "one\tdata\t" in run("status", "one").stdout


def test_a_dirty_folder_is_a_sentence_with_what_would_be_lost(project: Path):
    run("add", "one")
    first = read("versions", "one")[0]["revision"]
    put(project, data__a="second")
    run("add", "one")
    put(project, data__a="mine alone")
    done = run("checkout", "one", first, "--yes", code=1)
    assert done.stdout == ""
    assert "data/a" in done.stderr
    assert "mlops data add one" in done.stderr
    assert content(project / "data") == {"a": b"mine alone"}


def test_consequences_are_told_and_a_no_changes_nothing(project: Path):
    run("add", "one")
    first = read("versions", "one")[0]["revision"]
    put(project, data__a="second")
    run("add", "one")
    done = CliRunner().invoke(mlops, ["data", "checkout", "one", first], input="n\n")
    assert done.exit_code == 1
    assert "1 changed" in done.output
    assert content(project / "data") == {"a": b"second"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("add", "nobody"), 1, "There is no project 'nobody'."),
        (("status", "nobody"), 1, "has no data repository yet"),
        (("versions", "../x"), 2, "is no project id"),
        (("push", "one"), 1, "has no data repository yet"),
        (("checkout", "one", "ffffffff", "--yes"), 1, "has no data repository yet"),
        (("share", "one", "nobody", "--yes"), 1, "There is no project 'one' with data"),
    ],
)
def test_what_is_not_there_is_a_sentence(
    project: Path, words: tuple[str, ...], code: int, said: str
):
    done = run(*words, code=code)
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_nothing_yet_is_said(project: Path):
    assert run("status").stdout == "No project has data yet.\n"
    assert read("status")["rows"] == []


def test_collecting_takes_a_time_and_says_what_it_made(project: Path):
    run("add", "one")
    none = run("collect", "one/m", "--since", "2h", "--yes", code=1)
    assert "nothing was answered in this time" in none.stderr
    assert "no time" in run("collect", "one/m", "--since", "often", code=2).stderr
    log = PredictionLog.open(Home.locate(), "test", reserve_bytes=1 << 16)
    log.append(record(time.time() - 60, project="one", model="m"))
    log.close()
    (made,) = read("collect", "one/m", "--since", "2h")
    assert (made["kind"], made["state"]) == ("data-collect", "done")
    assert "2 rows of 1 request, 0 with a label" in made["result"]
    assert len(list((project / "data" / "collected").iterdir())) == 1
