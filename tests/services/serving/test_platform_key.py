"""The platform's own key: made once, made anew when it was revoked or lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.actions.journal import Journal
from services.errors import PlatformError
from services.home import Home
from services.serving import store
from services.serving.platform_key import FILE, platform_key


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    yield journal
    journal.close()


def test_it_is_made_once_and_readable_by_its_owner_alone(home: Home, journal: Journal):
    key = platform_key(home, journal)
    assert platform_key(home, journal) == key
    (kept,) = store.keys(journal)
    assert (kept.hash, kept.project) == (store.key_hash(key), store.ALL_PROJECTS)
    assert kept.opens("any", "model")
    assert (home.secrets / FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home.secrets.iterdir()] == [FILE]


@pytest.mark.parametrize("left", ["revoked", "gone", "altered", "of another journal"])
def test_one_that_does_not_count_is_made_anew(home: Home, journal: Journal, left: str):
    key = platform_key(home, journal)
    path = home.secrets / FILE
    if left == "revoked":
        store.revoke_key(journal, store.key_id_of(key))
    elif left == "gone":
        path.unlink()
    else:
        path.write_text({"altered": f"{key}x", "of another journal": store.new_key()[1]}[left])
    other = platform_key(home, journal)
    assert other != key
    assert platform_key(home, journal) == other


def test_what_cannot_be_read_or_written_is_a_sentence(home: Home, journal: Journal):
    path = home.secrets / FILE
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(PlatformError, match="cannot be read"):
        platform_key(home, journal)
    path.unlink()
    path.mkdir()
    with pytest.raises(PlatformError, match="cannot be read"):
        platform_key(home, journal)
    (path / "x").touch()
