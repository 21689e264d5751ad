import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import InputError
from services.projects import adoption, conformance, discovery, onboarding
from services.projects.contract import look, require, valid_id

GOOD = """
[project]
name = "demo"
version = "1"

[tool.mlops]
id = "demo-project"
title = "Demo"
train = "python train.py"
evaluate = "python evaluate.py"
data = ["data/"]
models = ["models/"]
primary_metric = { name = "val_accuracy", goal = "max" }
gates = { val_accuracy = ">= 0.90" }
"""


def make(root: Path, name: str, text: str = GOOD) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(text)
    (folder / "train.py").touch()
    (folder / "evaluate.py").touch()
    return folder


def test_a_good_contract_reads(tmp_path: Path):
    contract = require(make(tmp_path, "a"))
    assert contract.id == "demo-project"
    assert contract.primary_metric is not None
    assert contract.gates == {"val_accuracy": ">= 0.90"}


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("[tool.mlops\n", "not valid TOML"),
        (GOOD.replace("demo-project", "../etc"), "id"),
        (GOOD.replace("demo-project", "a" * 10_000), "id"),
        (GOOD.replace("demo-project", "has space"), "id"),
        (GOOD.replace('"data/"', '"../other"'), "leaves the project's folder"),
        (GOOD.replace('"data/"', '"/etc"'), "leaves the project's folder"),
        (GOOD.replace(">= 0.90", "about 0.9"), "gate of val_accuracy"),
        (GOOD.replace("title", "titel"), "titel"),
        (GOOD.replace('title = "Demo"', "title = 3"), "title"),
    ],
)
def test_a_broken_contract_says_what_is_wrong_and_is_not_raised(
    tmp_path: Path, broken: str, said: str
):
    project = look(make(tmp_path, "a", broken))
    assert project.contract is None
    assert said in " ".join(project.reasons)
    with pytest.raises(InputError, match="not a toolkit project"):
        require(project.path)


def test_binary_and_missing_files_are_reasons(tmp_path: Path):
    folder = make(tmp_path, "a")
    (folder / "pyproject.toml").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in look(folder).reasons[0]
    assert "no pyproject.toml" in look(tmp_path).reasons[0]


@pytest.mark.parametrize("bad", ["", "a", "A1", "../x", "a b", "1abc", "x" * 10_000, "ü-1"])
def test_bad_ids_are_refused_in_a_short_sentence(bad: str):
    with pytest.raises(InputError) as caught:
        valid_id(bad)
    assert len(str(caught.value)) < 250


@given(st.from_regex(r"\A[a-z][a-z0-9-]{1,40}\Z"))
def test_good_ids_pass(good: str):
    assert valid_id(good) == good


def test_discovery_lists_broken_ones_and_leaves_plain_folders_alone(tmp_path: Path):
    make(tmp_path, "good")
    make(tmp_path, "broken", "[tool.mlops\n")
    make(tmp_path, "plain", '[project]\nname = "x"\nversion = "1"\n')
    (tmp_path / "nothing").mkdir()
    found = {project.path.name: project for project in discovery.found(tmp_path, ())}
    assert set(found) == {"good", "broken"}
    assert found["good"].contract is not None
    assert found["broken"].contract is None


def test_a_registered_folder_is_listed_even_when_it_vanished(tmp_path: Path):
    (gone,) = discovery.found(tmp_path, (tmp_path / "gone",))
    assert gone.contract is None
    assert "no pyproject.toml" in gone.reasons[0]


def test_two_folders_with_one_id_the_first_keeps_it(tmp_path: Path):
    make(tmp_path, "a")
    make(tmp_path, "b")
    first, second = discovery.found(tmp_path, ())
    assert first.contract is not None
    assert second.contract is None
    assert "is taken by" in second.reasons[0]


def test_a_missing_root_is_no_project(tmp_path: Path):
    assert discovery.found(tmp_path / "none", ()) == ()


def test_conformance_counts_what_holds_and_says_the_mend(tmp_path: Path):
    folder = make(tmp_path, "a")
    (folder / "evaluate.py").unlink()
    found = conformance.checks(look(folder))
    failing = {check.what: check.mend for check in found if not check.holds}
    assert "evaluate.py" in failing["The evaluate command names a file that is there"]
    assert conformance.score(found) == pytest.approx(1 - len(failing) / len(found))
    broken = conformance.checks(look(make(tmp_path, "b", "[tool.mlops\n")))
    assert conformance.score(broken) == 0


def test_adoption_proposes_from_what_is_there(tmp_path: Path):
    folder = tmp_path / "07_My Net"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "train.py").touch()
    (folder / "checkpoints").mkdir()
    table = adoption.propose(folder)
    adoption.adopt(folder, table)
    contract = require(folder)
    assert contract.id == "my-net"
    assert contract.title == "My Net"
    assert contract.train == "python src/train.py"
    assert contract.models == ("checkpoints/",)


def test_adoption_keeps_what_the_file_says(tmp_path: Path):
    folder = make(tmp_path, "a", '[project]\nname = "Deep_Thing"\nversion = "1"\n')
    adoption.adopt(folder, adoption.propose(folder))
    text = (folder / "pyproject.toml").read_text()
    assert text.startswith("[project]")
    assert require(folder).id == "deep-thing"


def test_adoption_refuses_what_cannot_be_trained_and_changes_nothing(tmp_path: Path):
    with pytest.raises(InputError, match="looks like training"):
        adoption.propose(tmp_path)
    with pytest.raises(InputError, match="no folder"):
        adoption.propose(tmp_path / "none")
    folder = make(tmp_path, "a")
    before = (folder / "pyproject.toml").read_text()
    with pytest.raises(InputError, match="valid project"):
        adoption.adopt(folder, "[tool.mlops]\nid = 1\n")
    assert (folder / "pyproject.toml").read_text() == before


def test_the_environment_file_is_private_whole_and_out_of_git(tmp_path: Path):
    folder = make(tmp_path, "a")
    (tmp_path / ".git" / "info").mkdir(parents=True)
    values = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:1", "MLFLOW_TRACKING_TOKEN": "t=k"}
    onboarding.write_env_file(folder, values)
    onboarding.write_env_file(folder, values)
    file = folder / ".mlops.env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert onboarding.read_env_file(folder) == values
    assert onboarding.is_connected(folder, values)
    assert not onboarding.is_connected(folder, values | {"MLFLOW_TRACKING_TOKEN": "other"})
    assert (tmp_path / ".git/info/exclude").read_text().split() == [".mlops.env", ".mlops/"]
