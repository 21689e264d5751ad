"""The journal of an installation."""

from collections.abc import Iterator

import pytest

from services.actions.journal import Journal
from services.home import Home
from services.settings import Settings


@pytest.fixture
def journal(home: Home) -> Iterator[Journal]:
    journal = Journal.open(Settings())
    yield journal
    journal.close()
