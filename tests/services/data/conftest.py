"""Projects with data, and the real DVC and git behind the service."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.data.remote import Remote
from services.data.service import DataService
from services.home import Home

CONTRACT = """
[tool.mlops]
id = "{id}"
title = "T"
train = "python train.py"
data = {data}
models = {models}
"""


def contract(folder: Path, project_id: str, data: list[str], models: list[str]) -> None:
    text = CONTRACT.format(id=project_id, data=json.dumps(data), models=json.dumps(models))
    (folder / "pyproject.toml").write_text(text)


def put(folder: Path, **files: str | bytes) -> None:
    """Write files as programs do that know nothing of links: a new file in the old one's place."""
    for name, content in files.items():
        write(folder / name.replace("__", "/").replace("_dot_", "."), content)


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def content(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with what it holds."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def service(home: Home) -> DataService:
    return DataService(Remote(home))


Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that makes a project's folder."""

    def made(
        project_id: str = "one",
        data: tuple[str, ...] = ("data/",),
        models: tuple[str, ...] = ("models/",),
    ) -> Path:
        folder = tmp_path / "projects" / project_id
        folder.mkdir(parents=True)
        contract(folder, project_id, list(data), list(models))
        return folder

    return made


@pytest.fixture
def project(make: Make) -> Path:
    """The project ``one`` with three files of data."""
    folder = make()
    put(folder, data__a="first", data__sub__b="second" * 100, data__sub__deep__c="")
    return folder


@pytest.fixture
def two_versions(service: DataService, project: Path) -> tuple[Path, str, str]:
    """The project with two versions, the second one current."""
    first = service.track(project, "data").revision
    put(project, data__a="changed", data__new="new")
    (project / "data" / "sub" / "b").unlink()
    second = service.track(project, "data").revision
    assert first is not None
    assert second is not None
    return project, first, second


@pytest.fixture(autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    kept = {k: os.environ.pop(k) for k in list(os.environ) if k.startswith("MLOPS_DVC")}
    yield
    os.environ.update(kept)


def cached(home: Home, md5: str) -> Path:
    return home.root / "dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
