"""The files Airflow reads, one spec and one DAG file a project; a broken one breaks itself only."""

import ast
import errno
import json
import tempfile
from pathlib import Path

import pytest
from mlops_workflows.place import Place
from mlops_workflows.spec import Federated, Parameter, SpecError, load

from services.errors import PlatformError
from services.home import Home
from services.projects import discovery
from services.workflows.specs import Specs
from tests.services.projects.test_hostile_folders import hostile
from tests.services.projects.test_projects import GOOD, make
from tests.services.projects.test_wishes import FULL


@pytest.fixture
def specs(tmp_path: Path) -> Specs:
    return Specs(Home(tmp_path / "home"), "/platform/python")


def turn(specs: Specs, root: Path) -> None:
    specs.write(discovery.found(root, ()))


def stub(specs: Specs, name: str = "demo-project") -> Path:
    return specs.dags / f"mlops_dag_{name}.py"


def test_what_is_written_is_what_the_factory_reads(tmp_path: Path, specs: Specs):
    folder = make(tmp_path / "root", "a", GOOD + FULL)
    turn(specs, tmp_path / "root")
    read = load(specs.folder / "demo-project.json")
    assert (read.project, read.title, read.path) == ("demo-project", "Demo", folder)
    assert read.parameters == (
        Parameter("epochs", "int", 3, 1, 100, title="Epochs"),
        Parameter("rate", "float"),
    )
    assert read.env == folder / ".mlops.env"
    assert read.federated == Federated("python serve.py", "python join.py", 4)
    assert (read.timeout_s, read.retries, read.schedule) == (5400, 2, "0 3 * * mon-fri")
    assert read.memory_limit_bytes is None  # the default of 8 GB ends nobody
    assert (read.python, read.home) == ("/platform/python", specs.home.root)
    said = json.loads((specs.folder / "demo-project.json").read_bytes())
    assert (said["memory_bytes"], said["gpu_slots"]) == (12_000_000_000, 2)
    assert said["queue"] == {"gpu_cores": 16, "memory_gb": 12, "chip": "M3", "host": ""}


def test_a_limit_of_memory_that_is_written_is_enforced(tmp_path: Path, specs: Specs):
    make(tmp_path / "root", "a", GOOD + "memory_limit_gb = 8\n")
    turn(specs, tmp_path / "root")
    assert load(specs.folder / "demo-project.json").memory_limit_bytes == 8_000_000_000


def test_the_dag_file_calls_the_factory_and_airflow_will_look_into_it(tmp_path: Path, specs: Specs):
    make(tmp_path / "root", "a", GOOD.replace("Demo", 'A \\"quoted\\" \\\\ title'))
    turn(specs, tmp_path / "root")
    text = stub(specs).read_text()
    ast.parse(text)
    assert "airflow" in text.lower()
    assert "dag" in text.lower()
    assert f"build('{specs.folder / 'demo-project.json'}')" in text
    assert f"build_platform('{specs.folder}')" in stub(specs, "platform").read_text()


def test_nothing_is_written_again_while_nothing_changes(tmp_path: Path, specs: Specs):
    folder = make(tmp_path / "root", "a")
    turn(specs, tmp_path / "root")
    before = {file: file.stat().st_mtime_ns for file in specs.home.root.rglob("*.*")}
    turn(specs, tmp_path / "root")
    turn(Specs(specs.home, specs.python), tmp_path / "root")
    assert {file: file.stat().st_mtime_ns for file in specs.home.root.rglob("*.*")} == before
    (folder / "pyproject.toml").write_text(GOOD + "retries = 4\n")
    turn(specs, tmp_path / "root")
    assert load(specs.folder / "demo-project.json").retries == 4
    # The DAG file is another one, too: Airflow reads it at once.
    assert stub(specs).stat().st_mtime_ns != before[stub(specs)]


def test_a_project_that_is_gone_leaves_nothing(tmp_path: Path, specs: Specs):
    folder = make(tmp_path / "root", "a")
    make(tmp_path / "root", "b", GOOD.replace("demo-project", "other-project"))
    turn(specs, tmp_path / "root")
    (folder / "pyproject.toml").unlink()
    (specs.dags / "someone_elses.py").write_text("x = 1\n")
    turn(specs, tmp_path / "root")
    assert not stub(specs).exists()
    assert not (specs.folder / "demo-project.json").exists()
    assert stub(specs, "other-project").exists()
    assert (specs.dags / "someone_elses.py").exists()


def raised(file: Path) -> str:
    """Return what Airflow will list as import error."""
    with pytest.raises(SpecError) as caught:
        exec(compile(file.read_text(), str(file), "exec"), {})  # noqa: S102 - as Airflow does
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace('title = "Demo"', "title = 3"), "title"),
        (GOOD.replace("[tool.mlops]", "[tool.mlops"), "not valid TOML"),
        (GOOD.replace("demo-project", "No Id"), "[tool.mlops] id"),
    ],
)
def test_a_broken_contract_breaks_its_own_dags_visibly_and_keeps_the_last_spec(
    tmp_path: Path, specs: Specs, text: str, said: str
):
    folder = make(tmp_path / "root", "a")
    make(tmp_path / "root", "b", GOOD.replace("demo-project", "other-project"))
    turn(specs, tmp_path / "root")
    good = (specs.folder / "demo-project.json").read_text()
    (folder / "pyproject.toml").write_text(text)
    turn(specs, tmp_path / "root")
    told = raised(stub(specs))
    assert str(folder) in told
    assert said in told
    assert (specs.folder / "demo-project.json").read_text() == good
    assert "build(" in stub(specs, "other-project").read_text()
    make_again = GOOD + "retries = 3\n"
    (folder / "pyproject.toml").write_text(make_again)
    turn(specs, tmp_path / "root")
    assert "build(" in stub(specs).read_text()


def test_a_project_that_was_never_right_says_so_under_its_folders_name(
    tmp_path: Path, specs: Specs
):
    make(tmp_path / "root", "My Thing!", GOOD.replace("demo-project", "No Id"))
    turn(specs, tmp_path / "root")
    assert "[tool.mlops] id" in raised(stub(specs, "broken_my-thing"))


def test_of_two_projects_with_one_id_the_first_keeps_its_dags(tmp_path: Path, specs: Specs):
    make(tmp_path / "root", "a")
    make(tmp_path / "root", "b")
    turn(specs, tmp_path / "root")
    assert load(specs.folder / "demo-project.json").path.name == "a"
    assert "build(" in stub(specs).read_text()
    assert "is taken by" in raised(stub(specs, "broken_b"))


def test_hostile_folders_stop_nobody(tmp_path: Path, specs: Specs):
    root = hostile(tmp_path / "root")
    specs.write(discovery.found(root, [root / "loop", root / "gone"]))
    assert load(specs.folder / "demo-project.json").project == "demo-project"
    for file in specs.dags.glob("*.py"):
        ast.parse(file.read_bytes())


def test_a_full_disk_is_a_sentence_and_leaves_what_was_there(
    tmp_path: Path, specs: Specs, monkeypatch
):
    folder = make(tmp_path / "root", "a")
    turn(specs, tmp_path / "root")
    before = (specs.folder / "demo-project.json").read_text()
    (folder / "pyproject.toml").write_text(GOOD + "retries = 4\n")

    def full(*_args: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "mkstemp", full)
        with pytest.raises(PlatformError, match="Airflow keeps what it knew"):
            turn(specs, tmp_path / "root")
    assert (specs.folder / "demo-project.json").read_text() == before
    turn(specs, tmp_path / "root")
    assert load(specs.folder / "demo-project.json").retries == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "is not there"),
        ("{", "cannot be read"),
        ("[]", "no project spec of version 1"),
        ('{"v": 2}', "no project spec of version 1"),
        ('{"v": 1}', "'project' is missing"),
    ],
)
def test_a_spec_that_cannot_be_used_is_a_sentence(tmp_path: Path, text: str | None, said: str):
    file = tmp_path / "x.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SpecError, match=said):
        load(file)


@pytest.mark.parametrize(
    "run", ["..", ".", "../../etc", "a/b", "manual__2026-01-01T00:00:00+00:00"]
)
def test_no_run_id_leads_out_of_the_folder_of_evidence(tmp_path: Path, run: str):
    file = Place("toy.train", run, "client", 2, 3).file(tmp_path)
    assert file.resolve().parent.parent.parent == tmp_path.resolve()
    assert file.name == "client[3].2.json"
