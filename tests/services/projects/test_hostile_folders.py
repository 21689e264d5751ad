"""Folders that are not what they should be: each is listed with its reason and stops nothing."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.cli import mlops
from services.controller import watch
from services.errors import InputError, PlatformError
from services.home import Home
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.projects import adoption, conformance, discovery, onboarding
from services.projects.contract import look
from tests.services.projects.test_projects import GOOD, make
from tests.small_disk import SmallDisk, mounted

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"[tool.mlops]\nx = {'[' * 50_000}", "recursion"),
        (f"[tool.mlops]\nid = {'1' * 5_000}", "digits"),
        ("[tool]\nmlops = [1]", "valid dictionary"),
        ("tool = 3", "no [tool.mlops] table"),
        ("x" * 2_000_001, "larger than"),
    ],
)
def test_a_file_that_breaks_the_parser_is_a_reason(tmp_path: Path, text: str, said: str):
    project = look(make(tmp_path, "a", text))
    assert project.contract is None
    assert said in " ".join(project.reasons)


def test_a_pyproject_nobody_ever_finishes_reading_is_not_waited_for(tmp_path: Path):
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a" / "pyproject.toml")
    assert "is not a file" in " ".join(look(tmp_path / "a").reasons)


@pytest.mark.parametrize("train", [" ", "''", f"python {'x' * 400}.py", "y" * 400, 'python "a'])
def test_a_command_that_is_none_is_a_check_that_fails(tmp_path: Path, train: str):
    text = GOOD.replace('"python train.py"', f"'''{train}'''")
    checks = conformance.checks(look(make(tmp_path, "a", text)))
    (entry,) = (check for check in checks if "train command" in check.what)
    assert not entry.holds
    assert entry.mend


def hostile(root: Path) -> Path:
    """Make a root with one good project among folders of every bad kind."""
    root.mkdir()
    make(root, "good")
    make(root, "deep", f"[tool.mlops]\nx = {'[' * 50_000}")
    (root / "loop").symlink_to("loop")
    (root / "round").mkdir()
    (root / "round" / "pyproject.toml").symlink_to("pyproject.toml")
    strange = Path(os.fsdecode(os.fsencode(root) + b"/strange\xff"))
    strange.mkdir()
    (strange / "pyproject.toml").write_text(GOOD.replace("demo-project", "strange-project"))
    (root / "file").touch()
    return root


class Connected:
    """Stands for MLflow: connects whoever asks."""

    def ensure_workspace(self, _project: str, _title: str) -> None: ...

    def ensure_experiment(self, _project: str, _name: str) -> None: ...


def test_the_good_project_among_bad_ones_is_connected_and_they_are_listed(tmp_path: Path):
    root = hostile(tmp_path / "root")
    url = f"sqlite:///{tmp_path / 'mirror.sqlite'}"
    store = Store(schema.prepare(url)[0])
    watching = watch.ProjectWatch(
        store,
        Connected(),  # type: ignore[arg-type]  # all that is asked of it
        Home(tmp_path / "home"),
        root=root,
        mlflow_url="http://127.0.0.1:1",
        registered=lambda: [root / "loop", root / "gone"],
        token=lambda _project: "token",
        configure=lambda _project, _folder: None,
    )
    watching.turn()
    watching.turn()
    found = {project.id: project for project in Mirror(url).projects()}
    assert found["demo-project"].state == "connected"
    broken = {name for name, project in found.items() if project.state == "broken"}
    assert broken == {
        "broken:deep", "broken:loop", "broken:round", "broken:strange\ufffd", "broken:gone",
    }  # fmt: skip
    assert all(found[name].reasons for name in broken)
    assert "UTF-8" in found["broken:strange\ufffd"].reasons[0]


LOOK = """
import os, sys
from pathlib import Path
from services.projects import discovery
os.setuid(65534)  # everything is imported: nobody else may be able to read this checkout
for project in discovery.found(Path(sys.argv[1]), []):
    print(project.path.name, *project.reasons)
"""


@pytest.fixture
def open_root() -> Iterator[Path]:
    """A folder everybody may look into; pytest's own are closed."""
    made = Path(tempfile.mkdtemp(prefix="mlops-", dir="/var/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_folder_nobody_may_look_into_is_listed_and_the_others_are_found(open_root: Path):
    make(open_root, "closed").chmod(0)
    make(open_root, "good")
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(open_root)],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    (open_root / "closed").chmod(0o700)
    assert not done.stderr
    closed, good = done.stdout.splitlines()
    assert closed.startswith("closed")
    assert "Permission denied" in closed
    assert good == "good"


def test_adding_links_in_a_circle_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    (tmp_path / "loop").symlink_to("loop")
    done = CliRunner().invoke(mlops, ["projects", "add", str(tmp_path / "loop"), "--yes"])
    assert done.exit_code == 2
    assert "symbolic links" in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize("project", ["..", "a b", "x" * 10_000, "", "ünï", "demo\n", "a\x00b"])
@pytest.mark.parametrize("command", ["show", "check"])
def test_an_impossible_project_id_is_a_short_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, project: str
):
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    done = CliRunner().invoke(mlops, ["projects", command, "--", project])
    assert done.exit_code == 2
    assert "is no project id" in done.output
    assert len(done.output) < 400


def test_an_environment_file_of_garbage_is_written_anew(tmp_path: Path):
    (tmp_path / ".mlops.env").write_bytes(b"\xff\xfe\x00garbage")
    assert not onboarding.is_connected(tmp_path, {"A": "b"})
    onboarding.write_env_file(tmp_path, {"A": "b"})
    assert onboarding.is_connected(tmp_path, {"A": "b"})


def test_a_repository_that_cannot_list_the_file_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / ".git" / "info" / "exclude").mkdir(parents=True)
    onboarding.write_env_file(tmp_path, {"A": "b"})
    assert onboarding.is_connected(tmp_path, {"A": "b"})
    assert "keep them out of git" in caplog.text


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path / "disk", "256k") as found:
        yield found


def test_adopting_on_a_full_disk_leaves_the_persons_file_as_it_was(disk: SmallDisk):
    folder = make(disk.path, "mine", "[project]\nname = 'mine'\n" + "# kept\n" * 2_000)
    before = (folder / "pyproject.toml").read_text()
    table = adoption.propose(folder)
    disk.fill()
    with pytest.raises(PlatformError, match="It is as it was"):
        adoption.adopt(folder, table)
    assert (folder / "pyproject.toml").read_text() == before
    disk.free()
    adoption.adopt(folder, table)
    assert look(folder).contract is not None
    assert sorted(p.name for p in folder.iterdir()) == ["evaluate.py", "pyproject.toml", "train.py"]


def test_a_table_that_makes_no_project_changes_nothing(tmp_path: Path):
    folder = make(tmp_path, "mine", "[project]\nname = 'mine'\n")
    with pytest.raises(InputError, match="does not make a valid project"):
        adoption.adopt(folder, "[tool.mlops]\nid = 3\n")
    assert (folder / "pyproject.toml").read_text() == "[project]\nname = 'mine'\n"


def test_a_registered_loop_is_found_as_it_stands(tmp_path: Path):
    (tmp_path / "loop").symlink_to("loop")
    (project,) = discovery.found(tmp_path / "none", [tmp_path / "loop"])
    assert project.contract is None
    assert project.reasons
