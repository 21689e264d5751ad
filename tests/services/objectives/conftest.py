"""An installation with a journal and an empty prediction log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.actions.journal import Journal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    yield journal
    journal.close()
