"""An installation with a journal and an empty prediction log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.actions.journal import Journal
from services.home import Home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    made = Home.locate()
    made.create()
    return made


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    yield journal
    journal.close()
