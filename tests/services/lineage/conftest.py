"""A whole scene once, and who asks about it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.actions.journal import Journal
from services.data.remote import Remote
from services.data.service import DataService
from services.home import Home
from services.lineage.asking import Lineage
from services.lineage.source import Projects
from services.lineage.sources.watched import Watched
from services.mirror.queries import Mirror
from tests import lineage_seed
from tests.conftest import BOTH

Asker = Callable[..., Lineage]
MONITORING = lineage_seed.Monitoring()


@pytest.fixture(scope="session")
def mould(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the scene in it, made once."""
    made = Home(tmp_path_factory.mktemp("lineage"))
    made.create()
    lineage_seed.mirror(f"sqlite:///{made.databases / 'mirror.sqlite'}")
    lineage_seed.journal(f"sqlite:///{made.databases / 'journal.sqlite'}")
    lineage_seed.files(made)
    return made.root


@pytest.fixture
def home(tmp_path: Path, mould: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    shutil.copytree(mould, tmp_path / "home", symlinks=True)
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    return Home.locate()


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest, home: Home) -> tuple[str, str]:
    """Mirror and journal on either database."""
    if request.param == "sqlite":
        folder = home.databases
        return f"sqlite:///{folder / 'mirror.sqlite'}", f"sqlite:///{folder / 'journal.sqlite'}"
    url = str(request.getfixturevalue("postgres_url"))
    lineage_seed.mirror(url)
    lineage_seed.journal(url)
    return url, url


@pytest.fixture
def mirror(database: tuple[str, str]) -> Iterator[Mirror]:
    opened = Mirror(database[0])
    yield opened
    opened.engine.dispose()


@pytest.fixture
def journal(database: tuple[str, str]) -> Iterator[Journal]:
    opened = Journal(database[1])
    yield opened
    opened.close()


@pytest.fixture
def ask(home: Home, mirror: Mirror, journal: Journal) -> Asker:
    def asker(projects: Projects = None, watched: Watched | None = MONITORING) -> Lineage:
        return Lineage(home, mirror, journal, DataService(Remote(home)), projects, watched)

    return asker
