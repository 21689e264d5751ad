"""The launcher and what makes the environment, on a copy of the tree's few files they need."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from services.platform import bootstrap
from tests.services.platform.conftest import ROOT

NEEDED = (
    "mlops",
    "pyproject.toml",
    "requirements/platform.txt",
    "requirements/dev.txt",
    "requirements/uv.txt",
    "services/platform/bootstrap.py",
)


@pytest.fixture
def tree(tmp_path) -> Path:
    root = tmp_path / "a toolkit"
    for name in NEEDED:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    return root


@pytest.fixture
def tools(tmp_path) -> Path:
    """A PATH with what every machine has, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cat", "cksum", "dirname", "readlink"):
        (folder / name).symlink_to(shutil.which(name))
    return folder


def script(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)


def launch(tree: Path, tools: Path, *arguments: str, cwd: Path | None = None):
    return subprocess.run(
        [str(tree / "mlops"), *arguments],
        env={"PATH": str(tools), "HOME": str(tools)},
        cwd=cwd or tools,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def installed(tree: Path, group: str = "platform") -> Path:
    """Pretend the environment is there and current."""
    python = tree / ".venv" / "bin" / "python"
    script(python, 'echo "ran in $PWD: $*"')
    (tree / ".venv" / f".stamp-{group}").write_text(bootstrap.stamp(tree) + "\n")
    return python


def test_a_current_environment_is_used_at_once(tree, tools):
    installed(tree)
    done = launch(tree, tools, "status", "--json")
    assert done.returncode == 0
    assert done.stdout == f"ran in {tools}: -P -m services.cli status --json\n"
    assert done.stderr == ""


def test_the_launcher_works_through_a_link(tree, tools):
    installed(tree)
    (tools / "mlops").symlink_to(tree / "mlops")
    done = subprocess.run(
        [str(tools / "mlops"), "x"], env={"PATH": str(tools)}, capture_output=True
    )
    assert b"services.cli x" in done.stdout


@pytest.mark.parametrize("changed", NEEDED[1:])
def test_a_changed_file_makes_it_stale(tree, tools, changed):
    installed(tree)
    with (tree / changed).open("a") as file:
        file.write("\n")
    done = launch(tree, tools, "status")
    assert done.returncode == 1
    assert "needs Python" in done.stderr


def test_tests_need_the_development_pins_too(tree, tools):
    installed(tree)
    assert launch(tree, tools, "test").returncode == 1
    installed(tree, "dev")
    assert launch(tree, tools, "test").returncode == 0


def test_without_python_it_says_what_to_install(tree, tools):
    done = launch(tree, tools, "up")
    assert done.returncode == 1
    assert "mlops needs Python 3.11, 3.12 or 3.13, and finds none." in done.stderr
    assert "brew install" in done.stderr
    assert "apt install" in done.stderr


def test_a_python_that_is_too_old_is_not_taken(tree, tools):
    script(tools / "python3", "exit 1")
    assert launch(tree, tools, "up").returncode == 1


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("error sending request for url: dns error", "no network"),
        ("failed to copy: No space left on device (os error 28)", "The disk is full"),
        ("hash mismatch", "could not be installed"),
    ],
)
def test_a_failed_installation_says_why_and_leaves_no_stamp(tree, tools, said, told):
    (tools / "python3").symlink_to(sys.executable)
    script(
        tools / "uv",
        'case $1 in --version) echo "uv 0.13.9"; exit 0 ;; esac',
        f'echo "{said}" >&2',
        "exit 2",
    )
    done = launch(tree, tools, "status")
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tree / ".venv").glob(".stamp-*"))


@pytest.mark.parametrize("watched", [True, False])
def test_uvs_list_of_packages_is_for_who_watches(tree, monkeypatch, watched):
    ran = []
    (tree / ".venv").mkdir()
    monkeypatch.setattr(bootstrap, "_uv", lambda *_, **__: ["uv"])
    monkeypatch.setattr(bootstrap, "_refuse_foreign", lambda *_: None)
    monkeypatch.setattr(bootstrap, "_run", lambda _root, command: ran.append(command))
    monkeypatch.setattr("sys.stderr.isatty", lambda: watched)
    bootstrap._install(tree, tree / ".venv", "platform")
    sync, itself = ran
    assert sync[:3] == ["uv", "pip", "sync"]
    assert ("--quiet" not in sync) == watched
    assert "--quiet" in itself


def fake_install(calls, *, delay=None, fails=False):
    def install(root, venv, group):
        calls.append(group)
        (venv / ".unfinished").touch()
        if delay:
            delay.wait(10)
        if fails:
            raise bootstrap.BootstrapError("no")
        script(venv / "bin" / "python", "true")

    return install


def test_two_launchers_at_once_install_once(tree, monkeypatch, capsys):
    calls: list[str] = []
    delay = threading.Event()
    monkeypatch.setattr(bootstrap, "_install", fake_install(calls, delay=delay))
    wanted = bootstrap.stamp(tree)
    both = [threading.Thread(target=bootstrap.make, args=(tree, "platform", wanted)) for _ in "ab"]
    for one in both:
        one.start()
    while "waiting for it" not in capsys.readouterr().err:
        both[0].join(0.01)
    delay.set()
    for one in both:
        one.join(20)
    assert calls == ["platform"]
    assert bootstrap.is_current(tree, "platform")


def test_once_the_development_pins_are_in_they_stay(tree, monkeypatch):
    monkeypatch.setattr(bootstrap, "_install", fake_install([]))
    bootstrap.make(tree, "dev", bootstrap.stamp(tree))
    assert bootstrap.is_current(tree, "platform")
    assert bootstrap.is_current(tree, "dev")
    with (tree / "pyproject.toml").open("a") as file:
        file.write("\n")
    assert not bootstrap.is_current(tree, "dev")
    bootstrap.make(tree, "platform", bootstrap.stamp(tree))
    assert bootstrap.is_current(tree, "dev")


def test_a_cut_off_installation_is_made_anew(tree, monkeypatch):
    (tree / ".venv" / "bin").mkdir(parents=True)
    script(tree / ".venv" / "bin" / "python", "true")
    (tree / ".venv" / ".unfinished").touch()
    monkeypatch.setattr(bootstrap, "_refuse_foreign", lambda python, venv: None)
    (tree / ".venv" / "half").touch()
    steps = []
    monkeypatch.setattr(bootstrap, "_run", lambda root, command: steps.append(command))
    monkeypatch.setattr(bootstrap, "_uv", lambda root, venv, *, fresh: [f"uv{'-fresh' * fresh}"])
    bootstrap.make(tree, "platform", bootstrap.stamp(tree))
    assert not (tree / ".venv" / "half").exists()
    assert [step[0] for step in steps] == ["uv-fresh", "uv-fresh"]
    assert not (tree / ".venv" / ".unfinished").exists()


def test_a_whole_environment_is_brought_up_to_date_in_place(tree, monkeypatch):
    (tree / ".venv" / "bin").mkdir(parents=True)
    (tree / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (tree / ".venv" / "kept").touch()
    monkeypatch.setattr(bootstrap, "_refuse_foreign", lambda python, venv: None)
    steps = []
    monkeypatch.setattr(bootstrap, "_run", lambda root, command: steps.append(command))
    monkeypatch.setattr(bootstrap, "_uv", lambda root, venv, *, fresh: [f"uv{'-fresh' * fresh}"])
    bootstrap.make(tree, "dev", bootstrap.stamp(tree))
    assert (tree / ".venv" / "kept").exists()
    assert steps[0][0] == "uv"
    assert steps[0][-2:] == ["requirements/platform.txt", "requirements/dev.txt"]
    assert "--require-hashes" in steps[0]
    assert "--no-deps" in steps[1]


def test_the_lock_is_inherited_by_the_steps_and_not_named_like_that_of_uv(tree):
    """A killed launcher's uv goes on: whoever comes next must wait for it."""
    venv = tree / ".venv"
    venv.mkdir()
    with bootstrap._alone(venv):
        handles = [int(path.name) for path in Path("/dev/fd").iterdir()]
        locks = [h for h in handles if _names(h, venv / bootstrap._LOCK)]
        assert [os.get_inheritable(handle) for handle in locks] == [True]
    assert not (venv / ".lock").exists()


def _names(handle: int, path: Path) -> bool:
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except OSError:
        return False


@pytest.fixture
def with_airflow(tree: Path) -> Path:
    shutil.copy(ROOT / "requirements" / "airflow.txt", tree / "requirements")
    return tree


def test_airflow_has_an_environment_and_a_stamp_of_its_own(with_airflow, monkeypatch):
    tree = with_airflow
    monkeypatch.setattr(bootstrap, "_install", fake_install([]))
    bootstrap.make(tree, "airflow", bootstrap.stamp(tree, "airflow"))
    assert bootstrap.is_current(tree, "airflow")
    assert (tree / ".venv-airflow" / ".stamp-airflow").exists()
    assert not (tree / ".venv").exists()
    with (tree / "pyproject.toml").open("a") as file:
        file.write("\n")  # the project itself is not installed there
    assert bootstrap.is_current(tree, "airflow")
    with (tree / "requirements" / "airflow.txt").open("a") as file:
        file.write("\n")
    assert not bootstrap.is_current(tree, "airflow")


def test_airflows_pins_alone_are_installed_by_the_platforms_uv(with_airflow, monkeypatch):
    tree = with_airflow
    script(tree / ".venv" / "bin" / "uv", 'echo "uv 0.13.9"')
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(bootstrap, "_refuse_foreign", lambda *_: None)
    steps: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "_run", lambda root, command: steps.append(command))
    bootstrap.make(tree, "airflow", bootstrap.stamp(tree, "airflow"))
    venv, sync = steps
    assert venv[:2] == [str(tree / ".venv" / "bin" / "uv"), "venv"]
    assert venv[-1] == str(tree / ".venv-airflow")
    assert sync[1:3] == ["pip", "sync"]
    assert sync[-1] == "requirements/airflow.txt"
    assert "--require-hashes" in sync


def test_airflows_pins_are_what_pyproject_says():
    pins = (ROOT / "requirements" / "airflow.txt").read_text()
    for wanted in ("apache-airflow==3.3.2", "apache-airflow-providers-edge3==5.1.0", "psycopg=="):
        assert f"\n{wanted}" in pins
