"""A lab of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.actions.conftest import close
from tests.services.retraining.lab import Lab, made


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    found = made(tmp_path, monkeypatch)
    yield found
    close(found.context)
