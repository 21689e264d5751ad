"""Opens a page of the real app in process, over a real mirror and journal, in any role."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import bcrypt
import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from dashboard import state
from dashboard.components import actions
from services.access import store
from services.actions.action import Context
from services.actions.executor import Executor
from services.actions.journal import Journal
from services.home import Home
from services.mirror.queries import Mirror
from services.settings import Settings
from tests import seed

APP = Path(__file__).resolve().parent.parent.parent / "dashboard" / "app.py"
PASSWORD = "correct horse battery"
_HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
Open = Callable[..., AppTest]


@pytest.fixture(scope="session", autouse=True)
def _scan_components_once() -> Iterator[None]:
    """Let AppTest look through the installed packages once, not at every run (0.7 s each)."""
    with pytest.MonkeyPatch.context() as patch:
        scan = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
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
def signed_in(home: Home, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Make an account and let every request carry a session cookie of it; return the cookie."""

    def made(role: str = "viewer", projects: tuple[str, ...] | None = None) -> str:
        name = "mira"
        if store.find(state.journal(), name) is None:
            store.insert(state.journal(), name, _HASH, role, projects)  # type: ignore[arg-type]
        cookie = state.access().redeem(state.access().sign_in(name, PASSWORD, "127.0.0.1").value)
        monkeypatch.setattr(state, "cookie", lambda: cookie)
        return cookie

    return made


@pytest.fixture
def open_page(home: Home, signed_in: Callable[..., str]) -> Open:
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
        signed_in(role, projects)
        app = AppTest.from_file(str(APP), default_timeout=20)
        app.switch_page(f"../pages/{name}.py")
        app.query_params.update(query)
        return app.run()

    return opened


@pytest.fixture
def carry_out(home: Home) -> Callable[[], int]:
    """Execute what was asked for, as the controller does."""

    def executed() -> int:
        settings = Settings()
        journal, mirror = Journal.open(settings), Mirror.open(settings)
        nobody = None
        context = Context(journal, mirror, nobody, nobody)  # type: ignore[arg-type]
        return Executor(context).execute_pending()

    return executed


@pytest.fixture
def dialog_open(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Draw the dialog of the button with this key in the page: AppTest reruns no dialog alone."""

    def opened(wanted: str) -> None:
        def drawn(
            label: str, proposal: actions.Proposal, *, key: str, off: str | None = None, **_: object
        ) -> None:
            st.button(label, key=key, disabled=off is not None)
            if key == wanted and off is None:
                actions._dialog(proposal)

        monkeypatch.setattr(actions, "button", drawn)

    return opened


def words(app: AppTest) -> str:
    """Everything the page says, in one string."""
    found = []
    for kind in ("title", "header", "subheader", "markdown", "caption", "code"):
        found += [str(element.value) for element in getattr(app, kind)]
    for kind in ("error", "warning", "info", "success"):
        found += [str(element.value) for element in getattr(app, kind)]
    return "\n".join(found)
