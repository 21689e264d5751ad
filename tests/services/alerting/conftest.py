"""A journal with nothing in it, in SQLite and on Postgres."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.actions.journal import Journal
from services.home import Home
from tests.conftest import BOTH


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'journal.sqlite'}"


@pytest.fixture
def journal(url: str) -> Iterator[Journal]:
    journal = Journal(url)
    yield journal
    journal.close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    made = Home.locate()
    made.create()
    return made
