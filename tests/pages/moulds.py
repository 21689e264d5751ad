"""Databases written once a session, copied for every test: writing costs more than a page."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from services.access import Access, store
from services.actions.journal import Journal
from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from tests import economics_seed, experiments_seed, seed, workflows_seed

if TYPE_CHECKING:
    from collections.abc import Callable


class Moulds:
    """What tests copy; each is made the real way when it is first asked for."""

    def __init__(self, folder: Path, password: str, password_hash: str) -> None:
        self._folder = folder
        self._password, self._hash = password, password_hash
        self._mirrors: dict[str, Path] = {}
        self._journals: dict[tuple[str, tuple[str, ...] | None], tuple[Path, str]] = {}
        self._fill: dict[str, Callable[[str], None]] = {
            "full": seed.fill,
            "down": lambda url: seed.fill(url, engine_state="down"),
            "failing": lambda url: seed.fill(url, states=("failed",) * 3),
            "empty": lambda url: seed.empty(url).engine.dispose(),
            "experiments": _experiments,
            "wide": _wide,
            "economics": _economics,
            "workflows": workflows_seed.fill,
            "airflow down": lambda url: workflows_seed.fill(url, airflow="down"),
        }

    def mirror(self, kind: str, home: Home) -> Store:
        """Put a mirror of this kind into a home that has none; its engines answered just now."""
        if kind not in self._mirrors:
            made = self._folder / f"{kind}.sqlite"
            self._fill[kind](f"sqlite:///{made}")
            _settle(made)
            self._mirrors[kind] = made
        path = home.databases / "mirror.sqlite"
        shutil.copy(self._mirrors[kind], path)
        laid = Store(schema.open_engine(f"sqlite:///{path}"))
        for name, title in seed.ENGINES if kind != "down" else seed.ENGINES[:1]:
            laid.write_engine(name, title, "live")
        if kind == "workflows":
            workflows_seed.beat(laid)
        return laid

    def journal(self, home: Home, role: str, projects: tuple[str, ...] | None) -> str:
        """Put a journal with one account into a home that has none; return the account's cookie."""
        key = (role, projects)
        if key not in self._journals:
            made = self._folder / f"journal-{len(self._journals)}.sqlite"
            journal = Journal(f"sqlite:///{made}")
            store.insert(journal, "mira", self._hash, role, projects)  # type: ignore[arg-type]
            access = Access(journal, session_days=1)
            ticket = access.sign_in("mira", self._password, "127.0.0.1")
            cookie = access.redeem(ticket.value)
            journal.close()
            self._journals[key] = (made, cookie)
        made, cookie = self._journals[key]
        shutil.copy(made, home.databases / "journal.sqlite")
        return cookie


def _experiments(url: str) -> None:
    engine, _ = schema.prepare(url)
    experiments_seed.fill(Store(engine))
    engine.dispose()


def _economics(url: str) -> None:
    engine, _ = schema.prepare(url)
    economics_seed.fill(Store(engine))
    engine.dispose()


def _wide(url: str) -> None:
    _experiments(url)
    engine = schema.open_engine(url)
    experiments_seed.fill_wide(Store(engine))
    engine.dispose()


def _settle(path: Path) -> None:
    """Move what is in the write-ahead log into the file, so that the file alone is the mirror."""
    engine = schema.open_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar()
    engine.dispose()
    assert busy == 0
