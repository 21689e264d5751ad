import os
import subprocess
import sys
from pathlib import Path

import mlops_client
import pytest
from mlops_client import project as finder
from mlops_client import tags
from mlops_client.project import Project, apply_environment, current, nearest
from toys import ToyProject


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch):
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "MLOPS_")):
            monkeypatch.delenv(name)
    current.cache_clear()
    tags.forget()
    yield
    current.cache_clear()
    tags.forget()


def folder(path: Path, project_id: str = "toy") -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / "pyproject.toml").write_text(f'[tool.mlops]\nid = "{project_id}"\n')
    return path


def test_the_nearest_project_above_is_found(tmp_path: Path):
    folder(tmp_path, "outer")
    inner = folder(tmp_path / "a" / "b", "inner")
    assert nearest(inner / "c" / "d") == Project("inner", inner)
    assert nearest(tmp_path / "a") == Project("outer", tmp_path)


def runs(monkeypatch: pytest.MonkeyPatch, script: Path) -> None:
    """Let this process be the one that runs ``script``; a worker of pytest has no file."""
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(script), raising=False)


def test_the_script_decides_before_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    scripts, here = folder(tmp_path / "one", "one"), folder(tmp_path / "two", "two")
    monkeypatch.chdir(here)
    runs(monkeypatch, scripts / "x" / "train.py")
    assert current() == Project("one", scripts)


def test_mlops_project_overrides_with_a_folder_or_an_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    here, other = folder(tmp_path / "here", "here"), folder(tmp_path / "other", "other")
    monkeypatch.chdir(here)
    runs(monkeypatch, here / "train.py")
    monkeypatch.setenv("MLOPS_PROJECT", str(other))
    assert current() == Project("other", other)
    current.cache_clear()
    monkeypatch.setenv("MLOPS_PROJECT", "third")
    assert current() == Project("third", here)


@pytest.mark.parametrize("text", ["[tool.mlops", "[tool]\nmlops = 3", "[tool.mlops]\nid = 7", ""])
def test_a_broken_pyproject_is_no_project(tmp_path: Path, text: str):
    (tmp_path / "pyproject.toml").write_text(text)
    assert nearest(tmp_path) is None


def test_the_environment_file_fills_only_what_nobody_has_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / ".mlops.env").write_text(
        "# ours\nMLFLOW_TRACKING_URI=http://a\nMLFLOW_TRACKING_TOKEN=se=cret\nMLFLOW_WORKSPACE=toy\n"
    )
    monkeypatch.setenv("MLFLOW_WORKSPACE", "mine")
    apply_environment(Project("toy", tmp_path))
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://a"
    assert os.environ["MLFLOW_TRACKING_TOKEN"] == "se=cret"
    assert os.environ["MLFLOW_WORKSPACE"] == "mine"


def test_our_token_is_not_given_to_a_server_the_person_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / ".mlops.env").write_text(
        "MLFLOW_TRACKING_URI=http://ours\nMLFLOW_TRACKING_TOKEN=secret\nMLOPS_SPOOL=/tmp/x\n"
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    apply_environment(Project("toy", tmp_path))
    assert "MLFLOW_TRACKING_TOKEN" not in os.environ
    assert os.environ["MLOPS_SPOOL"] == "/tmp/x"


def test_another_projects_endpoints_are_not_taken(tmp_path: Path):
    (tmp_path / ".mlops.env").write_text("MLFLOW_WORKSPACE=toy\nMLOPS_PROJECT=toy\n")
    apply_environment(Project("third", tmp_path))
    assert "MLFLOW_WORKSPACE" not in os.environ


def test_connect_without_a_project_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(LookupError, match=r"connect\(root=…\)"):
        mlops_client.connect(root=tmp_path)
    folder(tmp_path)
    with pytest.raises(LookupError, match="The project here is toy, not other"):
        mlops_client.connect("other", tmp_path)
    with pytest.raises(LookupError, match="mlops up"):
        mlops_client.connect("toy", tmp_path)


def test_the_tags_say_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-C", str(tmp_path)]
    folder(tmp_path)
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    monkeypatch.setenv("MLOPS_PROJECT", str(tmp_path))
    monkeypatch.setenv("MLOPS_TECHNIQUE", "lora")
    found = tags.run_tags()
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert found["mlops.project"] == "toy"
    assert found["mlops.technique"] == "lora"
    assert found["mlops.git.commit"] == commit.stdout.strip()
    assert found["mlops.git.dirty"] == "false"
    assert int(found["mlops.memory_bytes"]) > 0
    assert found["mlops.pid"] == str(os.getpid())
    assert "mlops.data.revision" not in found
    (tmp_path / "pyproject.toml").write_text('[tool.mlops]\nid = "toy"\n# changed\n')
    tags.forget()
    assert tags.run_tags()["mlops.git.dirty"] == "true"


def test_a_run_of_a_workflow_names_its_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder(tmp_path)
    monkeypatch.setenv("MLOPS_PROJECT", str(tmp_path))
    assert "mlops.task" not in tags.run_tags()
    monkeypatch.setenv("MLOPS_TASK", "toy.train/manual__1/train/2")
    assert tags.run_tags()["mlops.task"] == "toy.train/manual__1/train/2"


def test_what_cannot_be_measured_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder(tmp_path)
    monkeypatch.setenv("MLOPS_PROJECT", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))  # no git here

    def no_memory() -> None:
        raise RuntimeError("host_statistics64(HOST_VM_INFO64) syscall failed")

    monkeypatch.setattr(tags.psutil, "virtual_memory", no_memory)
    tags.memory_bytes.cache_clear()
    found = tags.run_tags()
    tags.memory_bytes.cache_clear()
    assert {"mlops.git.commit", "mlops.git.dirty", "mlops.memory_bytes"}.isdisjoint(found)
    assert found["mlops.project"] == "toy"


def test_the_data_revision_follows_what_dvc_says(tmp_path: Path):
    assert tags.data_revision(tmp_path) is None
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv.dvc").write_text("outs:\n- md5: 1\n")
    first = tags.data_revision(tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "x.dvc").write_text("not ours")
    assert first == tags.data_revision(tmp_path)
    (tmp_path / "data" / "train.csv.dvc").write_text("outs:\n- md5: 2\n")
    assert tags.data_revision(tmp_path) not in {None, first}


@pytest.mark.slow  # all of MLflow, and a database of its own
def test_outside_a_project_the_plugins_change_nothing(tmp_path: Path, plugin_path: str):
    code = (
        "import os, mlflow, threading\n"
        "ours = [n for n in os.environ if n.startswith(('MLFLOW_', 'MLOPS_'))]\n"
        "assert not ours, ours\n"
        "mlflow.set_tracking_uri('http://127.0.0.1:9')\n"
        "from mlflow.tracking._tracking_service.utils import _get_store\n"
        "print(type(_get_store()).__name__, threading.active_count())\n"
        "mlflow.set_tracking_uri('sqlite:///x.db')\n"
        "with mlflow.start_run() as run: mlflow.log_metric('a', 1)\n"
        "print([t for t in mlflow.get_run(run.info.run_id).data.tags if t.startswith('mlops')])\n"
    )
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "MLOPS"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=kept | {"PYTHONPATH": plugin_path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["RestStore 1", "[]"]


@pytest.mark.slow
def test_flushing_outside_a_project_says_so(tmp_path: Path, project: ToyProject):
    done = subprocess.run(
        [sys.executable, "-m", "mlops_client", "flush"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": project.plugin_path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Run this in the project's folder" in done.stderr


def test_the_spool_folder_is_the_projects_or_the_persons(monkeypatch: pytest.MonkeyPatch):
    assert finder.spool_folder() == Path.home() / ".mlops" / "spool"
    monkeypatch.setenv("MLOPS_SPOOL", "/tmp/elsewhere")
    assert finder.spool_folder() == Path("/tmp/elsewhere")
