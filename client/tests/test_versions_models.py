"""Models recorded at the end of a run, by a real program, and writable before the next."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlops_client import presence, recording, versions
from mlops_client.presence import Presence
from recorder import Recorder
from versioned import MODELS, model, versions_in


def test_models_are_recorded_at_the_end_and_once(root: Path, recorder: Recorder):
    mine = versions_in(root)
    mine.begin("r1", Presence(), made=True)
    mine.begin("r2", Presence(), made=True)
    model(root, "first")
    Presence().clear()
    ended = mine.at_exit()
    assert ended is not None
    assert ended.runs == ("r1", "r2")
    assert set(ended.tags) == {MODELS}
    assert recorder.verbs() == [("track", "models")]


def test_models_that_did_not_change_are_named_without_asking(root: Path, recorder: Recorder):
    model(root, "first")
    revision = recording.track(root, "models", lambda: None).revision
    recorder.forget()
    mine = versions_in(root)
    mine.begin("r1", Presence(), made=True, reads_only=True)
    Presence().clear()
    assert mine.at_exit() == versions.Ended(("r1",), {MODELS: str(revision)})
    assert recorder.asked() == []


def test_recorded_models_are_writable_before_the_first_run(root: Path, recorder: Recorder):
    model(root, "first")
    recording.track(root, "models", lambda: None)
    assert (root / "models" / "best").stat().st_nlink == 2
    recorder.forget()
    mine = versions_in(root)
    mine.begin("r1", Presence(), made=True)
    model(root, "second")
    assert recorder.verbs() == [("release", "models")]
    assert [f.read_text() for f in (recorder.folder / "cache").rglob("best")] == ["first"]
    mine.end("r1")
    mine.begin("r2", Presence(), made=True)
    assert recorder.verbs() == [("release", "models")]
    assert presence._process.runs.keys() == {"r1", "r2"}


def test_models_that_another_process_recorded_meanwhile_are_writable_for_the_next_run(
    root: Path, recorder: Recorder
):
    model(root, "first")
    recording.track(root, "models", lambda: None)
    mine = versions_in(root)
    mine.begin("r1", Presence(), made=True)
    mine.end("r1")
    model(root, "by another")
    recording.track(root, "models", lambda: None)
    recorder.forget()
    mine.begin("r2", Presence(), made=True)
    model(root, "by this one")
    assert recorder.verbs() == [("release", "models")]
    kept = {file.read_text() for file in (recorder.folder / "cache").rglob("best")}
    assert kept == {"first", "by another"}


def test_a_run_that_evaluates_leaves_models_as_they_are(root: Path, recorder: Recorder):
    model(root, "first")
    recording.track(root, "models", lambda: None)
    recorder.forget()
    versions_in(root).begin("r1", Presence(), made=True, reads_only=True)
    assert recorder.asked() == []
    assert "r1" in presence._process.runs


def test_models_that_cannot_be_made_writable_are_a_warning(
    root: Path, recorder: Recorder, capsys: pytest.CaptureFixture[str]
):
    model(root, "first")
    recording.track(root, "models", lambda: None)
    recorder.order(say='{"reason": "Locked."}', code=1)
    versions_in(root).begin("r1", Presence(), made=True)
    assert "could not be made writable: Locked. Training goes on." in capsys.readouterr().err


def test_a_continued_run_gets_the_models_only_when_it_changed_them(root: Path, recorder: Recorder):
    model(root, "first")
    for text, runs in (("", None), ("second", ("r1",))):
        mine = versions_in(root)
        mine.begin("r1", Presence(), made=False)
        if text:
            model(root, text)
        Presence().clear()
        ended = mine.at_exit()
        assert (ended.runs if ended else None) == runs


def test_a_process_without_a_run_does_nothing_at_its_end(root: Path, recorder: Recorder):
    model(root, "first")
    assert versions_in(root).at_exit() is None
    assert recorder.asked() == []


OTHER = """
import sys
import threading
from mlops_client.presence import Presence
Presence().begin("other")
print("there", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other(root: Path) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    yield process
    process.kill()
    process.communicate()


def test_the_last_process_of_a_project_records_the_models_of_all(
    root: Path, recorder: Recorder, other: "subprocess.Popen[str]"
):
    first = versions_in(root)
    first.begin("r1", Presence(), made=True)
    model(root, "first")
    Presence().clear()
    ended = first.at_exit()
    assert ended is not None
    assert ended.runs == ("r1",)
    assert "still going on" in ended.tags["mlops.models.reason"]
    assert recorder.asked() == []
    last = versions_in(root)
    last.begin("r2", Presence(), made=True)
    other.kill()  # its file stays: it is known to be dead
    other.wait()
    Presence().clear()
    ended = last.at_exit()
    assert ended is not None
    assert ended.runs == ("r2", "r1")
    assert ended.late == {"r1"}
    assert MODELS in ended.tags
    assert list((root / ".mlops" / "versions").glob("waiting*")) == []


@pytest.mark.full
def test_an_end_waits_for_a_process_that_begins(
    root: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
):
    recorder.order(sleep=0.3)
    mine, theirs = versions_in(root), versions_in(root)
    mine.begin("r1", Presence(), made=True)
    model(root, "first")
    Presence().clear()
    ending = threading.Thread(target=mine.at_exit)
    ending.start()
    while not recorder.asked():
        time.sleep(0.01)
    theirs.begin("r2", Presence(), made=True)
    ending.join()
    assert recorder.verbs() == [("track", "models"), ("release", "models")]
    assert (root / "models" / "best").stat().st_nlink == 1
