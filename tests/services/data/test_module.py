"""What the client calls before and after a run, as a program."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from services.data.__main__ import main
from services.home import Home
from tests.services.data.conftest import Make, put

pytestmark = pytest.mark.engine  # DVC itself works


def program(*words: object, home: Home) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.data", *map(str, words)],
        env=os.environ | {"MLOPS_HOME": str(home.root)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_track_prints_one_json_object(home: Home, project: Path):
    done = program("track", project, "data", "--json", home=home)
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert set(said) == {
        "kind", "revision", "changed", "files", "bytes", "fingerprint", "reason",
    }  # fmt: skip
    assert (said["kind"], said["files"], said["bytes"], said["changed"]) == ("data", 3, 605, True)
    assert json.loads((project / ".mlops" / "versions" / "data.json").read_text()) == said


def test_nothing_to_track_is_no_failure(
    home: Home, project: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["track", str(project), "models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["revision"] is None


@pytest.mark.parametrize("as_json", [True, False])
def test_a_failure_is_a_sentence_and_what_to_do(
    home: Home, project: Path, capsys: pytest.CaptureFixture[str], *, as_json: bool
):
    (project / "data" / "link").symlink_to("/etc/passwd")
    assert main(["track", str(project), "data", *(["--json"] if as_json else [])]) == 1
    said = capsys.readouterr()
    if as_json:
        answer = json.loads(said.out)
        assert set(answer) == {"reason", "hint"}
        assert "symbolic link" in answer["reason"]
    else:
        assert said.out == ""
        assert said.err.startswith("Error: data/link is a symbolic link")


def test_a_folder_that_is_no_project_is_a_sentence(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["track", str(tmp_path), "data", "--json"]) == 1
    assert "is not a toolkit project" in json.loads(capsys.readouterr().out)["reason"]


def test_settings_that_are_wrong_are_a_sentence(
    home: Home, project: Path, capsys: pytest.CaptureFixture[str]
):
    (home.root / "settings.toml").write_text("dvc_remote = [")
    assert main(["track", str(project), "data", "--json"]) == 1
    assert "settings cannot be used" in json.loads(capsys.readouterr().out)["reason"]


def test_settings_choose_the_remote(home: Home, project: Path, tmp_path: Path):
    (home.root / "settings.toml").write_text(
        'dvc_remote = "s3://team/all"\n[dvc_remote_options]\nendpointurl = "http://127.0.0.1:1"\n'
    )
    assert main(["track", str(project), "data"]) == 0
    folder = home.root / "data" / "one" / ".dvc"
    assert "s3://team/all" in (folder / "config").read_text()
    assert "http://127.0.0.1:1" in (folder / "config.local").read_text()


def test_release_makes_models_writable(home: Home, make: Make, capsys: pytest.CaptureFixture[str]):
    folder = make()
    put(folder, models__m="weights")
    assert main(["track", str(folder), "models"]) == 0
    assert main(["release", str(folder), "models"]) == 0
    assert (folder / "models" / "m").stat().st_mode & stat.S_IWUSR
    assert "are writable again" in capsys.readouterr().out
