"""Projects are programs of their own: imported by path, one project at a time."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

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
