"""A version is loaded once to see what it takes; what goes wrong is a sentence, nothing stays."""

import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from services.errors import PlatformError
from services.serving import trial
from services.serving.measured import Measured, Measurement
from services.serving.models import BundleInfo, Field
from services.serving.trial import Place

MIB = 1024**2
GIB = 1024**3
INFO = BundleInfo(
    "p", "m", 1, "classifier", "safetensors",
    (Field("x", "FP32", (-1, 4)),), (Field("y", "FP32", (-1, 4)),),
    flavor="mlx", entry="toy.serving:predictor", batchable=True, example={"x": [[0.0] * 4]},
    weights_bytes=64,
)  # fmt: skip
_MEMORY = """
def measured():
    return {"rss_bytes": 1, "peak_rss_bytes": 40 * 2**20, "mlx_peak_bytes": None}
"""
_SERVER = """
import json, os, sys, time

def say(**told):
    print(json.dumps(told), flush=True)

if __name__ == "__main__":
    print("arguments", *sys.argv[1:], file=sys.stderr, flush=True)
    open("pid", "w").write(str(os.getpid()))
    how = os.environ["HOW"]
    memory = {"rss_bytes": 1, "peak_rss_bytes": 50 * 2**20, "mlx_peak_bytes": 2**20}
    if how == "ready":
        assert "SECRET" not in os.environ
        say(event="ready", memory=memory)
        time.sleep(600)
    if how == "fails":
        say(event="failed", stage="load", reason="The weights are short.", hint="Build it again.")
        sys.exit(1)
    if how == "example":
        say(event="failed", stage="warm-up", reason="No answer.", hint="")
        sys.exit(1)
    if how == "dies":
        print("Segments at fault", file=sys.stderr)
        sys.exit(3)
    if how == "killed":
        os.kill(os.getpid(), 9)
    if how == "nonsense":
        print("hello", flush=True)
        time.sleep(600)
    if how == "odd":
        say(event="ready", memory={"peak_rss_bytes": "much"})
        time.sleep(600)
    if how == "hangs":
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    if how == "grows":
        held = bytearray(os.urandom(1)) * (200 * 2**20)
        time.sleep(600)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A project whose environment has a model server that does what it is told."""
    monkeypatch.setenv("SECRET", "s3cret")
    package = tmp_path / "site" / "mlops_client" / "serving"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "memory.py").write_text(_MEMORY)
    (package / "__main__.py").write_text(_SERVER)
    folder = tmp_path / "project"
    (folder / "toy").mkdir(parents=True)
    (folder / "toy" / "serving.py").write_text("import json\n")
    sockets = tmp_path / "s"
    sockets.mkdir()
    return Place(
        Path(sys.executable), folder, sockets, "here",
        {"PYTHONPATH": str(tmp_path / "site"), "HOW": "ready"},
    )  # fmt: skip


def told(place: Place, how: str) -> Place:
    return replace(place, environment={**place.environment, "HOW": how})


def ended(place: Place) -> bool:
    return not psutil.pid_exists(int((place.folder / "pid").read_text()))


def test_a_trial_returns_the_peak_and_leaves_nothing(place: Place, tmp_path: Path):
    seen = trial.run(tmp_path / "bundle", INFO, place, "mlx", 8, expected_bytes=48 * MIB)
    assert seen == Measurement(
        "p", "m", 1, 64, "safetensors", "mlx", 8, 50 * MIB, MIB, sys.platform, "here", seen.at,
        "trial", 48 * MIB,
    )  # fmt: skip
    assert ended(place)
    assert not list(place.sockets.iterdir())


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("fails", "p.m version 1 does not load: The weights are short. Build it again."),
        ("example", "p.m version 1 does not answer its example: No answer."),
        (
            "dies",
            "The trial of p.m version 1 ended without a word (exit code 3). It printed last: "
            "Segments at fault",
        ),
    ],
)
def test_what_goes_wrong_is_a_sentence(place: Place, tmp_path: Path, how: str, said: str):
    with pytest.raises(PlatformError) as failed:
        trial.run(tmp_path, INFO, told(place, how), "mlx", 8)
    assert str(failed.value) == said
    assert ended(place)


@pytest.mark.parametrize(
    ("how", "said"),
    [("killed", r"\(signal 9\)"), ("nonsense", "without a word"), ("odd", "told no peak")],
)
def test_no_usable_word_is_a_failure(place: Place, tmp_path: Path, how: str, said: str):
    with pytest.raises(PlatformError, match=said):
        trial.run(tmp_path, INFO, told(place, how), "mlx", 8)
    assert ended(place)


def test_one_that_hangs_is_ended_even_against_its_will(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(trial, "_END_S", 0.2)
    with pytest.raises(PlatformError, match="was not ready after 2 s"):
        trial.run(tmp_path, INFO, told(place, "hangs"), "mlx", 8, timeout_s=2)
    assert ended(place)


def test_one_that_takes_more_than_is_free_is_ended(place: Place, tmp_path: Path):
    with pytest.raises(PlatformError, match="while it was tried, and 100 MB are free"):
        trial.run(tmp_path, INFO, told(place, "grows"), "mlx", 8, most_bytes=100 * MIB)
    assert ended(place)


def test_a_missing_environment_is_said(place: Place, tmp_path: Path):
    with pytest.raises(PlatformError, match="could not be started"):
        trial.run(tmp_path, INFO, replace(place, python=tmp_path / "no"), "mlx", 8)


def test_the_first_estimate_is_tried_and_kept(place: Place, tmp_path: Path):
    book = Measured(tmp_path)
    found = trial.estimated(book, tmp_path, INFO, place, "mlx", 8, free_bytes=GIB)
    assert (found.source, found.bytes) == ("measured", book.measurements()[0].peak_bytes)
    assert book.measurements()[0].estimated_bytes is not None
    base = book.base("p", "toy.serving")
    assert base is not None
    assert base.peak_rss_bytes == 40 * MIB
    again = trial.estimated(book, tmp_path, INFO, told(place, "dies"), "mlx", 8, free_bytes=GIB)
    assert replace(again, known=found.known) == found, "what was measured is not tried again"


@pytest.mark.parametrize("free", [None, 10 * MIB])
def test_without_room_nothing_is_tried(place: Place, tmp_path: Path, free: int | None):
    book = Measured(tmp_path)
    found = trial.estimated(
        book, tmp_path, INFO, told(place, "dies"), "mlx", 8, free_bytes=free
    )  # fmt: skip
    assert found.source == "formula"
    assert "(measured)" in found.basis
    assert book.measurements() == ()


def test_a_base_that_cannot_be_measured_is_none(place: Place, tmp_path: Path):
    book = Measured(tmp_path)
    (place.folder / "toy" / "serving.py").write_text("raise RuntimeError\n")
    assert trial.base_of(book, INFO, place) is None
    assert trial.base_of(book, INFO, replace(place, python=tmp_path / "no")) is None
    assert book.bases() == ()


def test_the_base_of_a_torch_model_is_one_of_its_own(place: Place, tmp_path: Path):
    book, info = Measured(tmp_path), replace(INFO, torch_entry="toy.on_torch:predictor")
    assert trial.base_of(book, info, place, "cpu") is None, "there is no torch, and no such module"
    (place.folder / "torch.py").write_text("")
    (place.folder / "toy" / "on_torch.py").write_text("import torch")
    assert trial.base_of(book, info, place, "cpu") is not None
    assert trial.base_of(book, info, place, "mlx") is not None
    assert {one.entry for one in book.bases()} == {"toy.serving", "toy.on_torch"}


@pytest.mark.engine
def test_a_real_model_server_takes_what_the_plan_says(tmp_path: Path):
    """A real server under load stays within 15 % of what its trial said."""
    pytest.importorskip("mlops_client.serving.frames")
    from benchmarks.planner import DEMOS, measure

    demo = next(one for one in DEMOS if one.number == "06")
    project = next((Path(__file__).parents[3] / "projects").glob("06_*"))
    place = Place(
        Path(sys.executable), project, tmp_path,
        environment={"PYTHONPATH": str(Path(__file__).parents[3] / "client/src")},
    )  # fmt: skip
    row = measure(demo, project, place, tmp_path, max_batch=8, requests=40, free_bytes=4 * GIB)
    assert abs(row.errors()[1]) < 0.15, "the formula with the project's base"
    assert abs(row.errors()[2]) < 0.15, "the trial"
