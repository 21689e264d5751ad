"""A release: the package is there whole or not at all, and its smoke test finds what is wrong."""

import json
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from services.engines.mlflow.adapter import MLflow
from services.errors import (
    EngineProtocolError,
    EngineUnreachableError,
    InputError,
    NotFoundError,
    PlatformError,
)
from services.home import Home
from services.projects.contract import Contract, look
from services.workflows import packaging, release, smoke
from services.workflows.packaging import Package, folder_of, pack
from services.workflows.steps import Desk
from tests.services.projects.test_projects import GOOD, make
from tests.workflows.small_mlflow import SmallMLflow


def safetensors(count: int = 2) -> bytes:
    header = {"w": {"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"\0" * (4 * count)


@pytest.fixture
def tracked() -> SmallMLflow:
    known = SmallMLflow()
    known.add("r1", val_accuracy=0.95)
    known.register(
        "r1", 3, model__safetensors=safetensors(), config__json="{}", more_in_x__txt="more"
    )
    return known


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def packed(tracked: SmallMLflow, home: Home, version: int = 3) -> Package:
    return pack(tracked.adapter(), home, "toy", "net", version)


def test_a_package_is_the_files_and_what_they_are(tracked: SmallMLflow, home: Home):
    made = packed(tracked, home)
    assert made.folder == home.root / "packages" / "toy" / "net" / "3"
    manifest = json.loads((made.folder / "manifest.json").read_bytes())
    assert manifest == made.manifest
    sizes = {one["path"]: one["bytes"] for one in manifest["files"]}
    assert sizes == {"model.safetensors": len(safetensors()), "config.json": 2, "more/x.txt": 4}
    assert (manifest["format"], manifest["run_id"], manifest["version"]) == ("safetensors", "r1", 3)
    assert (made.files / "more" / "x.txt").read_text() == "more"
    assert packaging.faults(made) == ()


def test_a_second_time_nothing_is_fetched_and_what_is_damaged_is_fetched_anew(
    tracked: SmallMLflow, home: Home
):
    first = packed(tracked, home)
    assert len(tracked.fetched) == 3
    assert packed(tracked, home) == first
    assert len(tracked.fetched) == 3
    (first.files / "config.json").write_text("[]")
    (first.files / "stray").touch()
    assert packaging.faults(first) == (
        "stray is not in the manifest.",
        "config.json is not the file that was packaged: its hash is another.",
    )
    assert packed(tracked, home) == first
    assert packaging.faults(first) == ()
    assert len(tracked.fetched) == 6
    assert [path.name for path in first.folder.parent.iterdir()] == ["3"]


def test_a_version_of_the_same_number_but_another_run_is_another_package(
    tracked: SmallMLflow, home: Home
):
    before = packed(tracked, home).manifest["digest"]
    tracked.versions.clear()
    tracked.register("r2", 3, model__safetensors=safetensors(5))
    after = packed(tracked, home)
    assert (after.manifest["run_id"], after.manifest["digest"] == before) == ("r2", False)


class Breaks(MLflow):
    """Its second file never ends."""

    count = 0

    def content(self, workspace: str, path: str) -> Any:
        self.count += 1
        yield from super().content(workspace, path)
        if self.count == 2:
            raise EngineUnreachableError("It broke off.")


def test_a_fetch_that_breaks_off_leaves_nothing(tracked: SmallMLflow, home: Home):
    with pytest.raises(EngineUnreachableError):
        pack(Breaks(tracked.adapter()._client), home, "toy", "net", 3)
    folder = folder_of(home, "toy", "net", 3)
    assert not folder.exists()
    assert list(folder.parent.iterdir()) == []


class Short(MLflow):
    def content(self, workspace: str, path: str) -> Any:
        yield b"{"


def test_a_file_that_came_in_part_is_no_file(tracked: SmallMLflow, home: Home):
    with pytest.raises(EngineProtocolError, match=r"sent 1 of the 2 bytes of config\.json"):
        pack(Short(tracked.adapter()._client), home, "toy", "net", 3)
    assert not folder_of(home, "toy", "net", 3).exists()


def test_no_name_leaves_the_folder(tracked: SmallMLflow, home: Home):
    folder = "workspaces/toy/1/r1/artifacts/net"
    tracked.files = {f"{folder}/..": b"x"}
    with pytest.raises(EngineProtocolError, match="leaves its folder"):
        packed(tracked, home)
    assert folder_of(home, "toy", "../..", 1).parent.parent == home.root / "packages" / "toy"
    assert folder_of(home, "toy", "..", 1).parent.parent == home.root / "packages" / "toy"


def test_a_version_that_is_not_there_or_has_no_files_is_a_sentence(
    tracked: SmallMLflow, home: Home
):
    with pytest.raises(NotFoundError, match="toy has no net version 9"):
        packed(tracked, home, 9)
    tracked.files.clear()
    with pytest.raises(NotFoundError, match="has no files on the shared MLflow"):
        packed(tracked, home)


def test_no_room_is_told_before_anything_is_fetched(
    tracked: SmallMLflow, home: Home, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(packaging, "_RESERVE_BYTES", 1 << 60)
    with pytest.raises(PlatformError, match="GB are free"):
        packed(tracked, home)
    assert tracked.fetched == []


# Which versions


def event(version: int, model: str = "net", **more: object) -> dict[str, object]:
    return {"model": model, "version": version, "run_id": "r", "passed": True} | more


def test_of_each_model_the_newest_version_of_the_events_is_released():
    events = [event(4), event(5), event(2, "other"), event(9, passed=False), {"x": 1}]
    assert release.wanted({"params": {}, "events": events}) == {"net": 5, "other": 2}
    chosen = {"model": "net", "version": 3}
    assert release.wanted({"params": chosen, "events": events}) == {"net": 3}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "Nothing says which version"),
        ({"model": "net"}, "lacks the parameter version"),
        ({"version": 3, "model": None}, "lacks the parameter model"),
    ],
)
def test_a_release_of_nothing_is_refused(params: dict[str, object], said: str):
    with pytest.raises(InputError, match=said):
        release.wanted({"params": params, "events": []})


def test_the_steps_hand_the_packages_on_and_nothing_is_deployed_where_nothing_serves(
    tracked: SmallMLflow, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLOPS_SERVING_ENABLED", "false")
    at = Desk(look(make(tmp_path, "a", GOOD)), home, tracked.adapter())
    answer = json.loads(json.dumps(release.package(at, {"events": [event(3)]})))
    assert "net version 3 (safetensors, 3 files, 0.00 MB) is at" in answer["said"]
    told = release.deploy(at, {"package": answer})
    assert told["skip"].startswith("Serving is switched off in this installation")
    assert answer["packages"][0]["folder"] in told["skip"]
    Path(answer["packages"][0]["folder"], "manifest.json").unlink()
    with pytest.raises(NotFoundError, match="is gone or another one"):
        release.deploy(at, {"package": answer})


# The smoke test


def contract(tmp_path: Path, more: str = "") -> Contract:
    found = look(make(tmp_path, "a", GOOD + more)).contract
    assert found is not None
    return found


def checked(package: Package, tmp_path: Path, more: str = "") -> smoke.Smoke:
    known = contract(tmp_path, more)
    return smoke.check(package, known, tmp_path / "a", Path(sys.executable))


def test_without_a_command_it_says_what_alone_was_checked(
    tracked: SmallMLflow, home: Home, tmp_path: Path
):
    said = checked(packed(tracked, home), tmp_path).said
    assert said == (
        "net version 3: the hashes of 3 files are right and the headers of 2 parse. This is all "
        "that was checked: the contract has no `smoke` command, and nothing of the format "
        "safetensors is loaded unasked."
    )


def test_a_damaged_package_is_named(tracked: SmallMLflow, home: Home, tmp_path: Path):
    made = packed(tracked, home)
    (made.files / "config.json").unlink()
    with pytest.raises(PlatformError, match=r"is damaged: config\.json is not there"):
        checked(made, tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model__safetensors", b"\xff" * 40),
        ("model__safetensors", safetensors()[:-1]),
        ("model__safetensors", b""),
        ("model__safetensors", struct.pack("<Q", 2) + b"[]"),
        ("config__json", b"{"),
        ("w__npz", b"PK"),
        ("w__npy", b"x"),
        ("w__gguf", b"GGML"),
    ],
    ids=["no-header", "cut-off", "empty", "list", "json", "npz", "npy", "gguf"],
)
def test_a_file_that_is_not_what_its_name_says_does_not_pass(
    tmp_path: Path, home: Home, name: str, content: bytes
):
    known = SmallMLflow()
    known.add("r1")
    known.register("r1", 3, **{name: content})
    with pytest.raises(PlatformError, match=r"is no readable \w+ file"):
        checked(packed(known, home), tmp_path)


@pytest.mark.engine
def test_the_projects_own_command_is_asked_without_the_platforms_variables(
    tracked: SmallMLflow, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLOPS_MLFLOW_URL", "http://x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    made = packed(tracked, home)
    known = contract(tmp_path, 'smoke = "python smoke.py"\n')
    script = tmp_path / "a" / "smoke.py"
    script.write_text(
        "import json, os, pathlib\n"
        "there = sorted(p.name for p in pathlib.Path(os.environ['MLOPS_PACKAGE']).iterdir())\n"
        "names = [n for n in os.environ if 'URL' in n or 'SECRET' in n]\n"
        "said = {'said': f'{there} {names}'}\n"
        "pathlib.Path(os.environ['MLOPS_ANSWER']).write_text(json.dumps(said))\n"
    )
    python = Path(sys.executable)
    found = smoke.check(made, known, tmp_path / "a", python)
    assert found.answer == {"said": "['config.json', 'model.safetensors', 'more'] []"}
    script.write_text("raise SystemExit(3)")
    with pytest.raises(PlatformError, match="does not pass its smoke test, which ended with exit"):
        smoke.check(made, known, tmp_path / "a", python)
