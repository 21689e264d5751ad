"""Opens a page of the real app in process, over a real mirror and journal, in any role."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from dashboard import state
from dashboard.components import actions
from services.access import store as accounts
from services.actions.action import Context
from services.actions.executor import Executor
from services.actions.journal import Journal
from services.data.picture import Picture
from services.data.service import DataService
from services.home import Home
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.settings import Settings
from tests import data_seed, hardware_seed, monitoring_seed
from tests.pages.moulds import Moulds

APP = Path(__file__).resolve().parent.parent.parent / "dashboard" / "app.py"
PASSWORD = "correct horse battery"
_HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
FILLED = {"full", "failing", "empty", "down", "economics", "workflows", "airflow down"}
Open = Callable[..., AppTest]


@pytest.fixture(scope="session", autouse=True)
def _scan_components_once() -> Iterator[None]:
    """Let AppTest look through the installed packages once, not at every run (0.7 s each)."""
    with pytest.MonkeyPatch.context() as patch:
        scan = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


@pytest.fixture(scope="session")
def moulds(tmp_path_factory: pytest.TempPathFactory) -> Moulds:
    """The databases that tests get a copy of."""
    return Moulds(tmp_path_factory.mktemp("moulds"), PASSWORD, _HASH)


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
def store(home: Home, moulds: Moulds) -> Store:
    """A mirror of six projects with curves, repeats and runs of every state."""
    return moulds.mirror("experiments", home)


@pytest.fixture
def signed_in(home: Home, moulds: Moulds, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Make an account and let every request carry a session cookie of it; return the cookie."""

    def made(role: str = "viewer", projects: tuple[str, ...] | None = None) -> str:
        name = "mira"
        if not (home.databases / "journal.sqlite").exists():
            cookie = moulds.journal(home, role, projects)
        else:
            if accounts.find(state.journal(), name) is None:
                accounts.insert(state.journal(), name, _HASH, role, projects)  # type: ignore[arg-type]
            ticket = state.access().sign_in(name, PASSWORD, "127.0.0.1")
            cookie = state.access().redeem(ticket.value)
        monkeypatch.setattr(state, "cookie", lambda: cookie)
        return cookie

    return made


@pytest.fixture
def open_page(home: Home, moulds: Moulds, signed_in: Callable[..., str]) -> Open:
    """Open a page: ``mirror`` is full, empty, down (MLflow does not answer) or none (no file).

    Asked for the same mirror again, the page opens over what the test made of it.
    """
    laid: list[str] = []

    def opened(
        name: str,
        *,
        role: str = "viewer",
        projects: tuple[str, ...] | None = None,
        mirror: str = "full",
        **query: str,
    ) -> AppTest:
        if mirror in FILLED and laid != [mirror]:
            assert not laid, "a test has one mirror"
            laid.append(mirror)
            moulds.mirror(mirror, home).engine.dispose()
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


@pytest.fixture(scope="session")
def data_mould(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Versions of five projects, made once a session."""
    folder = tmp_path_factory.mktemp("data")
    home = Home(folder / "home")
    home.create()
    data_seed.fill(home, folder / "projects")
    return home


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the Data page wait for what it looks at: tests run on machines that are busy."""
    for name in ("statuses", "standing", "room"):
        real = getattr(Picture, name)

        def asked(self: Picture, *args: object, _real: Callable[..., object] = real) -> object:
            return _real(self, *args, wait_s=20.0)

        monkeypatch.setattr(Picture, name, asked)


@pytest.fixture
def versioned(home: Home, data_mould: Home, patient: None) -> DataService:
    """An installation with versions of data and models."""
    data_seed.copied(data_mould, home)
    return DataService.here()


@pytest.fixture(scope="session")
def monitoring_mould(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checks of five endpoints, made once a session."""
    made = Home(tmp_path_factory.mktemp("monitoring"))
    made.create()
    monitoring_seed.files(made)
    return made.root


def words(app: AppTest) -> str:
    """Everything the page says, in one string."""
    found = []
    for kind in ("title", "header", "subheader", "markdown", "caption", "code"):
        found += [str(element.value) for element in getattr(app, kind)]
    for kind in ("error", "warning", "info", "success"):
        found += [str(element.value) for element in getattr(app, kind)]
    return "\n".join(found)


def said(app: AppTest) -> str:
    """Everything the page says, its own drawings included."""
    drawn = "\n".join(str(one.value) for one in app.get("html"))
    tables = "\n".join(one.value.to_string() for one in app.dataframe)
    tiles = "\n".join(f"{one.label} {one.value}" for one in app.metric)
    listed = "\n".join(one.value.to_string() for one in app.table)
    return "\n".join((words(app), drawn, tables, tiles, listed)).replace("\\", "")


def rows(app: AppTest) -> Any:
    """The first table of the page."""
    return app.dataframe[0].value


def said_links(app: AppTest) -> str:
    return " ".join(str(link.proto.label) for link in app.page_link).replace("\\", "")


@pytest.fixture(scope="session")
def mould(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Telemetry of four machines, written once a session; the oldest sample is 20 minutes old."""
    folder = tmp_path_factory.mktemp("telemetry")
    hardware_seed.fill(folder, minutes=20)
    return folder


@pytest.fixture
def sampled(home: Home, mould: Path) -> Home:
    """An installation whose machines report."""
    hardware_seed.copied(mould, home.telemetry)
    return home
