"""Opens a page of the real app in process, over a real mirror, as a person of any role."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import state
from services.home import Home
from services.settings import Settings
from tests import seed

APP = Path(__file__).resolve().parent.parent.parent / "dashboard" / "app.py"
Open = Callable[..., AppTest]


@dataclass(frozen=True)
class Person:
    name: str
    role: str
    projects: tuple[str, ...] | None = None


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An installation of its own, with nothing in it."""
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    found = Home.locate()
    found.create()
    forget()
    yield found
    forget()


def forget() -> None:
    """Drop what the process keeps of the installation before."""
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def open_page(home: Home, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Open a page: ``mirror`` is full, empty, down (MLflow does not answer) or none (no file)."""

    def opened(
        name: str,
        *,
        role: str = "viewer",
        projects: tuple[str, ...] | None = None,
        mirror: str = "full",
        **query: str,
    ) -> AppTest:
        url = Settings().mirror_url
        if mirror == "full":
            seed.fill(url)
        elif mirror == "down":
            seed.fill(url, engine_state="down")
        elif mirror == "empty":
            seed.empty(url)
        monkeypatch.setattr(state, "who", lambda: Person("mira", role, projects))
        app = AppTest.from_file(str(APP), default_timeout=20)
        app.query_params.update(query)
        app.run()
        app.switch_page(f"../pages/{name}.py")
        app.query_params.update(query)
        return app.run()

    return opened


def words(app: AppTest) -> str:
    """Everything the page says, in one string."""
    found = []
    for kind in ("title", "header", "subheader", "markdown", "caption", "code"):
        found += [str(element.value) for element in getattr(app, kind)]
    for kind in ("error", "warning", "info", "success"):
        found += [str(element.value) for element in getattr(app, kind)]
    return "\n".join(found)
