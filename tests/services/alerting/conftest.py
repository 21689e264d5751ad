"""A journal with nothing in it, in SQLite and on Postgres."""

from collections.abc import Iterator

import pytest

from services.actions.journal import Journal


@pytest.fixture
def journal(url: str) -> Iterator[Journal]:
    journal = Journal(url)
    yield journal
    journal.close()
