"""A home for each test."""

from pathlib import Path

import pytest

from services.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    return made
