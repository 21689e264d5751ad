"""Projects are programs of their own: imported by path, one project at a time."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import mlflow
import pytest

from services.monitoring import reference
from services.monitoring.reference import Reference, made

PROJECTS = Path(__file__).parents[2] / "projects"


@contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


@pytest.fixture
def project_module() -> Iterator[Callable[[str, str], ModuleType]]:
    """Return a function that imports a module of a project; forgotten again after the test."""
    before = set(sys.modules)

    def load(project: str, module: str) -> ModuleType:
        with _first_on_path(PROJECTS / project):
            return importlib.import_module(module)

    yield load
    for name in set(sys.modules) - before:
        origin = getattr(sys.modules[name], "__file__", None)
        if origin and Path(origin).is_relative_to(PROJECTS):
            del sys.modules[name]


@pytest.fixture
def evaluated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[ModuleType, Callable[[], object]], Reference]:
    """Run what registers a model; return what it logs as evaluation data, as monitoring reads it.

    There is no tracking server, and no model is stored in one.
    """
    found: list[bytes] = []
    run = SimpleNamespace(info=SimpleNamespace(run_id="r"), data=SimpleNamespace(tags={}))

    @contextmanager
    def started(**_: Any) -> Iterator[object]:
        yield run

    def kept(path: str, artifact_path: str) -> None:
        assert f"{artifact_path}/{Path(path).name}" == reference.ARTIFACT
        found.append(Path(path).read_bytes())

    monkeypatch.setattr(mlflow, "start_run", started)
    monkeypatch.setattr(mlflow, "active_run", lambda: run)
    monkeypatch.setattr(mlflow, "get_run", lambda _: run)
    monkeypatch.setattr(mlflow, "log_artifact", kept)

    def registered(train: ModuleType, register: Callable[[], object]) -> Reference:
        monkeypatch.setattr(train, "log_model", lambda **_: None)
        monkeypatch.setattr(train, "HERE", tmp_path)
        register()
        (content,) = found
        table, _ = reference.parse(content)
        return made(table, "it", ignored=reference.ignored(content))

    return registered
