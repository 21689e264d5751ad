"""A bundle as a bento: in BentoML's own store, and answering through ``bentoml serve`` alone."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from services.errors import PlatformError
from services.home import Home
from services.projects.contract import require
from services.serving import bento, bundle, paths
from services.serving.bundle import Bundle
from tests.live import eventually
from tests.services.serving import tiny_models
from tests.services.serving.packages import contract, good, package, project

needs_runtime = pytest.mark.skipif(
    importlib.util.find_spec("mlops_client.serving") is None, reason="no model server in the client"
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / ".mlops")  # hidden, as the home of an installation is


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path / "toy")


@pytest.fixture
def made(home: Home, folder: Path) -> Bundle:
    return bundle.of_package(package(home, good()), home, folder, contract())


def test_what_killed_builds_left_is_deleted_and_what_is_being_built_is_not(home: Home):
    old, new = home.serving / ".bento-old", home.serving / ".bento-new"
    for one in (old, new):
        (one / "bundle").mkdir(parents=True)
        (one / "bundle" / "x").touch(0o444)
    os.utime(old, (0, 0))
    bento._sweep(home)
    assert not old.exists()
    assert new.exists()


@pytest.mark.parametrize(
    ("project_id", "model", "tag"),
    [
        ("toy", "net", "toy.net:3"),
        ("toy", "My Net", r"toy\.my-net-[0-9a-f]{8}:3"),
        ("toy", "ü", r"toy-[0-9a-f]{8}:3"),
        ("toy", "n" * 100, r"toy\.n+-[0-9a-f]{8}:3"),
        ("toy", "net.", r"toy\.net-[0-9a-f]{8}:3"),
    ],
)
def test_every_model_has_a_tag_of_its_own(made: Bundle, project_id: str, model: str, tag: str):
    import re

    from bentoml import Tag

    found = bento.tag_of(replace(made, info=replace(made.info, project=project_id, model=model)))
    assert re.fullmatch(tag, found)
    assert str(Tag.from_taglike(found)) == found


def names(made: Bundle, home: Home, folder: Path) -> set[str]:
    return {name for name, _ in bento._sources(home, made, folder)}


def test_a_bento_holds_the_bundle_the_code_and_the_client_and_no_secrets(
    made: Bundle, home: Home, folder: Path
):
    for name in (".env", "data/x.csv", "models/w.bin", ".venv/lib/x.py", "toy/.secret", "notes.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("secret")
    (folder / "toy" / "link.py").symlink_to("/etc/passwd")
    (folder / "train.py").write_text("pass\n")
    found = names(made, home, folder)
    assert {name for name in found if name.startswith("project/")} == {
        "project/toy/__init__.py", "project/toy/net.py", "project/train.py",
    }  # fmt: skip
    assert {"service.py", "signing.pub", "bundle/manifest.json", "bundle/signature.json",
            "bundle/model/model.safetensors",
            "client/mlops_client/__init__.py"} <= found  # fmt: skip
    assert not [name for name in found if name.endswith(".key")]


def test_other_code_makes_another_bento(made: Bundle, home: Home, folder: Path):
    def mark() -> str:
        return bento._contents(made, dict(bento._sources(home, made, folder)))

    before = mark()
    assert mark() == before
    (folder / "toy" / "net.py").write_text("def predictor(weights, config): return None\n")
    assert mark() != before


def test_its_process_gets_none_of_our_secrets(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    monkeypatch.setenv("BENTOML_HOME", "/elsewhere")
    found = bento.environment(home)
    assert "MLFLOW_TRACKING_TOKEN" not in found
    assert found["BENTOML_HOME"] == str(home.serving / "bentos")


def test_what_bentoml_says_is_told(
    made: Bundle, home: Home, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no space left >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(bento, "_PYTHON", str(broken))
    with pytest.raises(PlatformError, match=r"ended with 3\. no space left"):
        bento.build(home, made, folder)
    assert [path.name for path in home.serving.glob(".bento-*")] == []


def test_a_bento_that_is_not_there_afterwards_is_told(
    made: Bundle, home: Home, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nexit 0\n")
    silent.chmod(0o755)
    monkeypatch.setattr(bento, "_PYTHON", str(silent))
    with pytest.raises(PlatformError, match="is not in"):
        bento.build(home, made, folder)


def environment_of(venv: Path) -> Path:
    """Make what looks like a project's environment: it has no BentoML, and needs none."""
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").write_text("home = /usr/bin\nversion_info = 3.12.4\n")
    return venv / "bin" / "python"


def test_a_container_gets_the_projects_python(tmp_path: Path):
    assert bento._version(environment_of(tmp_path / "venv")) == "3.12"
    assert bento._version(tmp_path / "none" / "bin" / "python") == ""
    assert bento._version(None) == ""


WRONG = (
    {},
    {"rows": []},
    {"rows": [{"x": 1}]},
    {"rows": [{"pixels": 1}], "columns": {}},
    {"columns": {}},
    {"columns": {"pixels": [[1.0]]}},
    {"columns": {"pixels": "text"}},
)


@contextmanager
def served(home: Home, tag: str, folder: Path) -> Iterator[str]:
    """Serve a bento as a person would, and end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "bentoml", "serve", tag, "--host", "127.0.0.1", "--port",
             str(port)],
            env={**bento.environment(home)}, cwd=folder, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        url = f"http://127.0.0.1:{port}"

        def ready() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
            except httpx.HTTPError:
                return False

        try:
            eventually(ready, timeout_s=100)
            yield url
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.timeout(300)
@needs_runtime
def test_bentoml_lists_and_serves_it(home: Home, tmp_path: Path):
    folder = tiny_models.PROJECTS["04"]
    wanted = require(folder)
    [model] = wanted.serve
    files = tiny_models.save("04", tmp_path / "files")
    there = bundle.of_package(package(home, files, wanted.id, model, 7), home, folder, wanted)
    tag = bento.build(home, there, folder, environment_of(tmp_path / "venv"))
    assert tag == "cpu-compression.cpu-compression-digits:7"
    described = (paths.bentos(home) / "bentos" / tag.replace(":", "/") / "bento.yaml").read_text()
    assert "python_version: '3.12'" in described
    before = (paths.bentos(home) / "bentos" / tag.replace(":", "/")).stat().st_ino
    assert bento.build(home, there, folder) == tag
    assert (paths.bentos(home) / "bentos" / tag.replace(":", "/")).stat().st_ino == before

    listed = subprocess.run(
        [sys.executable, "-m", "bentoml", "list", "-o", "json"],
        env=bento.environment(home), capture_output=True, text=True, check=True, timeout=100,
    )  # fmt: skip
    assert [one["tag"] for one in json.loads(listed.stdout)] == [tag]

    pixels = there.info.example["pixels"][0]
    with served(home, tag, tmp_path) as url, httpx.Client(base_url=url, timeout=60) as client:
        by_rows = client.post("/predict", json={"rows": [{"pixels": pixels}] * 3})
        assert by_rows.status_code == 200, by_rows.text
        said = by_rows.json()
        assert (said["model"], said["version"]) == ("cpu-compression.cpu-compression-digits", 7)
        assert said["backend"] in {"mlx", "mps", "cuda", "cpu"}
        assert [set(row) for row in said["rows"]] == [{"label", "confidence"}] * 3
        assert 0 <= said["rows"][0]["label"] <= 9
        by_columns = client.post("/predict", json={"columns": {"pixels": [pixels]}}).json()
        first = {name: [value] for name, value in said["rows"][0].items()}
        assert by_columns["columns"] == first
        for wrong in WRONG:
            assert client.post("/predict", json=wrong).status_code == 400, wrong
        mixed = {"rows": [{"pixels": pixels}, {}]}
        assert client.post("/predict", json=mixed).status_code == 400

    assert bento.remove(home, tag)
    assert not bento.remove(home, tag)


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.timeout(300)
@needs_runtime
def test_a_bento_that_was_tampered_with_does_not_serve(
    made: Bundle, home: Home, folder: Path, tmp_path: Path
):
    tag = bento.build(home, made, folder)
    weights = (
        paths.bentos(home) / "bentos" / tag.replace(":", "/")
        / "src/bundle/model/model.safetensors"
    )  # fmt: skip
    weights.chmod(0o600)
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    done = subprocess.run(
        [sys.executable, "-c",
         f"import bentoml; bentoml.load({tag!r}).inner()"],
        env=dict(bento.environment(home)), capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode != 0
    assert "is not the file that was signed" in done.stderr
