"""Data before a run, models at the end, recorded by a real program; nothing of it stops a run."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlops_client import fingerprint, recording
from mlops_client.presence import Presence
from recorder import Recorder, lives
from versioned import REASON, REVISION, versions_in

# Data


def test_data_is_recorded_before_the_first_run_and_then_only_when_it_changed(
    root: Path, recorder: Recorder
):
    first = versions_in(root).data_tags()
    assert set(first) == {REVISION}
    assert recorder.asked()[0]["argv"] == ["track", str(root), "data", "--json"]
    assert versions_in(root).data_tags() == first
    assert len(recorder.asked()) == 1
    (root / "data" / "more.csv").write_text("c\n")
    second = versions_in(root).data_tags()
    assert second[REVISION] != first[REVISION]
    assert len(recorder.asked()) == 2


def test_a_process_looks_again_when_data_may_have_changed(root: Path, recorder: Recorder):
    mine = versions_in(root)
    first = mine.data_tags()
    (root / "data" / "more.csv").write_text("c\n")
    mine._looked_at -= 21 * mine._took_s
    assert mine.data_tags()[REVISION] != first[REVISION]


def test_runs_that_follow_at_once_do_not_look_again(
    root: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
):
    mine = versions_in(root)
    first = mine.data_tags()
    monkeypatch.setattr(fingerprint, "look", None)
    assert mine.data_tags() == first


def test_without_the_variable_nothing_is_done(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MLOPS_TRACK")
    mine = versions_in(root)
    mine.begin("r1", Presence(), made=True)
    assert mine.data_tags() == {}
    assert mine.at_exit() is None
    assert not (root / ".mlops").exists()


def test_a_project_that_lists_no_data_has_no_tag(root: Path, recorder: Recorder):
    (root / "pyproject.toml").write_text('[tool.mlops]\nid = "toy"\n')
    assert versions_in(root).data_tags() == {}
    (root / "pyproject.toml").write_text('[tool.mlops]\nid = "another"\ndata = ["data"]\n')
    assert versions_in(root).data_tags() == {}
    (root / "pyproject.toml").write_text('[tool.mlops]\nid = "toy"\ndata = "data"\n')
    assert versions_in(root).data_tags() == {}
    assert recorder.asked() == []


def test_no_file_yet_is_a_reason_and_no_warning(
    root: Path, recorder: Recorder, capsys: pytest.CaptureFixture[str]
):
    (root / "data" / "train.csv").unlink()
    assert versions_in(root).data_tags() == {REASON: "There is no file under data yet."}
    assert versions_in(root).data_tags() == {REASON: "There is no file under data yet."}
    assert len(recorder.asked()) == 1
    assert capsys.readouterr().err == ""


def test_a_home_that_was_set_up_anew_is_given_the_data_again(
    root: Path, recorder: Recorder, tmp_path: Path
):
    versions_in(root).data_tags()
    (tmp_path / "home" / "data" / "toy").rmdir()
    versions_in(root).data_tags()
    assert len(recorder.asked()) == 2


def test_the_program_gets_nothing_of_the_projects_python(
    root: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTHONPATH", str(root))
    monkeypatch.setenv("VIRTUAL_ENV", str(root))
    versions_in(root).data_tags()
    (asked,) = recorder.asked()
    assert {"PYTHONPATH", "VIRTUAL_ENV", "MLOPS_TRACK"}.isdisjoint(asked["environment"])
    assert asked["environment"]["MLOPS_HOME"] == os.environ["MLOPS_HOME"]
    assert asked["cwd"] == "/"


# Failures


@pytest.mark.parametrize(
    ("orders", "said"),
    [
        (
            {"say": '{"reason": "The disk is full.", "hint": "Make room."}', "code": 1},
            "The disk is full. Make room.",
        ),
        ({"say": "", "err": "ModuleNotFoundError: no services", "code": 1}, "no services"),
        ({"say": "", "code": 3}, "exit code 3: it said nothing"),
        ({"say": "recorded!", "code": 0}, "exit code 0"),
        ({"say": '{"revision": 7, "fingerprint": "x"}', "code": 0}, "neither a revision"),
        ({"say": "[]", "code": 0}, "exit code 0"),
    ],
)
def test_a_failure_is_a_warning_and_a_tag(
    root: Path,
    recorder: Recorder,
    capsys: pytest.CaptureFixture[str],
    orders: dict[str, object],
    said: str,
):
    recorder.order(**orders)
    tags = versions_in(root).data_tags()
    assert set(tags) == {REASON}
    assert said in tags[REASON]
    warning = capsys.readouterr().err
    assert warning.startswith("mlops: data of this project is not recorded: ")
    assert said in warning
    assert "Training goes on." in warning
    assert "Traceback" not in warning


@pytest.mark.parametrize("variable", ["python -m services.data", "{}", "[]", "[1]"])
def test_a_variable_that_is_no_command_is_told(
    root: Path, monkeypatch: pytest.MonkeyPatch, variable: str
):
    monkeypatch.setenv("MLOPS_TRACK", variable)
    assert "not a JSON list" in versions_in(root).data_tags()[REASON]


def test_a_program_that_is_gone_is_told(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLOPS_TRACK", json.dumps([str(root / "no-such-python")]))
    assert "could not be started" in versions_in(root).data_tags()[REASON]


@pytest.mark.full
def test_a_program_that_never_ends_is_ended(
    root: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
):
    recorder.order(sleep=60)
    monkeypatch.setenv("MLOPS_TRACK_TIMEOUT_S", "1")
    begun = time.monotonic()
    assert "not done after 1 s" in versions_in(root).data_tags()[REASON]
    assert time.monotonic() - begun < 30
    assert not lives(recorder.asked()[0]["pid"])


def test_what_takes_long_is_told_with_its_size(
    root: Path,
    recorder: Recorder,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(recording, "_PATIENCE_S", 0.02)
    (root / "data" / "train.csv").write_bytes(b"x" * (3 << 20))
    recorder.order(sleep=0.2)
    assert REVISION in versions_in(root).data_tags()
    assert capsys.readouterr().err == (
        "mlops: data of this project is being recorded (1 file, 3.0 MiB); "
        "the run starts when that is done.\n"
    )


def test_the_same_failure_is_told_once_a_process(
    root: Path, recorder: Recorder, capsys: pytest.CaptureFixture[str]
):
    recorder.order(say='{"reason": "No."}', code=1)
    mine = versions_in(root)
    for _ in range(2):
        assert mine.data_tags() == {REASON: "No."}
        mine._looked_at = -float("inf")
    assert len(recorder.asked()) == 2
    assert capsys.readouterr().err.count("No.") == 1


def test_a_link_in_the_data_is_left_to_the_program_to_refuse(root: Path, recorder: Recorder):
    versions_in(root).data_tags()
    (root / "data" / "link").symlink_to("/etc")
    recorder.order(say='{"reason": "data/link is a symbolic link."}', code=1)
    assert versions_in(root).data_tags() == {REASON: "data/link is a symbolic link."}


def test_a_fault_of_ours_is_a_sentence_too(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(recording, "known", lambda *_: 1 / 0)
    mine = versions_in(root)
    assert mine.data_tags() == {}
    mine.begin("r1", Presence(), made=True)
    assert mine.at_exit() is None
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_holds_nobody_up(root: Path, recorder: Recorder):
    root.chmod(0o555)
    try:
        assert REASON in versions_in(root).data_tags()
    finally:
        root.chmod(0o755)


# Runs inside runs, processes beside processes


def test_data_that_changes_during_a_run_is_not_touched_for_a_nested_one(
    root: Path, recorder: Recorder
):
    mine = versions_in(root)
    outer = mine.data_tags()
    mine.begin("outer", Presence(), made=True)
    (root / "data" / "made.csv").write_text("written by the run")
    mine._looked_at = -float("inf")
    assert "while another run" in mine.data_tags()[REASON]
    assert recorder.verbs() == [("track", "data")]
    (root / "data" / "made.csv").unlink()
    mine._looked_at = -float("inf")
    assert mine.data_tags() == outer
    mine.end("outer")
    (root / "data" / "made.csv").write_text("written by the run")
    mine._looked_at = -float("inf")
    assert mine.data_tags()[REVISION] != outer[REVISION]


TOGETHER = """
import sys
import threading
from pathlib import Path
from mlops_client.project import Project
from mlops_client.versions import Versions
print(Versions(Project("toy", Path(sys.argv[1]))).data_tags()["mlops.data.revision"])
"""


def test_of_processes_that_start_together_one_records(root: Path, recorder: Recorder):
    recorder.order(sleep=0.3)
    started = [
        subprocess.Popen(
            [sys.executable, "-c", TOGETHER, str(root)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = {process.communicate(timeout=60)[0] for process in started}
    assert [process.returncode for process in started] == [0, 0]
    assert len(said) == 1
    assert recorder.verbs() == [("track", "data")]
