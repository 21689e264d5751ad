"""A real journal and mirror, and an engine in a file, so that killed processes share it."""

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from services.access import store
from services.actions.action import Context
from services.actions.executor import Executor
from services.actions.journal import Journal, now_ms
from services.actions.roles import Actor
from services.engines.mlflow.models import Metric, Model, Version
from services.errors import EngineUnreachableError
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store
from tests.conftest import BOTH
from tests.services.mirror.conftest import tracked

RUN = f"{1:032x}"


class Clock:
    """The time of day, and as much later as a test wants."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> int:
        return now_ms() + int(self.ahead_s * 1000)

    def elapsed(self) -> float:
        return time.monotonic() + self.ahead_s


class FileEngine:
    """Tracking and registry in one JSON file; can be told to fail at a call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.fail_at: str = ""
        self.after: bool = False
        self.point: Callable[[], None] = lambda: None
        if not path.exists():
            self._save({"aliases": {}, "tags": {}, "stage": "active", "calls": []})

    def _load(self) -> dict:
        return json.loads(self._path.read_text())

    def _save(self, state: dict) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(state))
        new.replace(self._path)

    def _change(self, call: str, **values: object) -> None:
        if self.fail_at == call and not self.after:
            raise EngineUnreachableError(f"MLflow went away before {call}.")
        self.point()
        state = self._load()
        state.update(values)
        state["calls"].append(call)
        self._save(state)
        self.point()
        if self.fail_at == call:
            raise EngineUnreachableError(f"MLflow went away after {call}.")

    @property
    def tags(self) -> dict:
        return self._load()["tags"]

    @property
    def calls(self) -> list[str]:
        return self._load()["calls"]

    def alias(self, _w: str, _model: str, alias: str) -> int | None:
        if self.fail_at == "alias":
            raise EngineUnreachableError("MLflow went away.")
        return self._load()["aliases"].get(alias)

    def set_alias(self, _w: str, _model: str, alias: str, version: int) -> None:
        self._change("set_alias", aliases=self._load()["aliases"] | {alias: version})

    def delete_alias(self, _w: str, _model: str, alias: str) -> None:
        aliases = self._load()["aliases"]
        aliases.pop(alias, None)
        self._change("delete_alias", aliases=aliases)

    def set_version_tag(self, _w: str, _m: str, _v: int, key: str, value: str) -> None:
        self._change("set_version_tag", tags=self._load()["tags"] | {key: value})

    def delete_version_tag(self, _w: str, _m: str, _v: int, key: str) -> None:
        tags = self._load()["tags"]
        tags.pop(key, None)
        self._change("delete_version_tag", tags=tags)

    def set_run_tag(self, _w: str, _run: str, key: str, value: str) -> None:
        self._change("set_run_tag", tags=self._load()["tags"] | {key: value})

    def delete_run_tag(self, _w: str, _run: str, key: str) -> None:
        tags = self._load()["tags"]
        tags.pop(key, None)
        self._change("delete_run_tag", tags=tags)

    def delete_run(self, _w: str, _run: str) -> None:
        self._change("delete_run", stage="deleted")

    def restore_run(self, _w: str, _run: str) -> None:
        self._change("restore_run", stage="active")

    def run_lifecycle(self, _w: str, _run: str) -> str:
        return self._load()["stage"]


def url_of(folder: Path, name: str) -> str:
    """Return where a folder keeps its journal or mirror: in SQLite, or as its note says."""
    note = folder / "database.url"
    return note.read_text() if note.exists() else f"sqlite:///{folder / f'{name}.sqlite'}"


_opened: list[Context] = []


def build(folder: Path) -> tuple[Context, FileEngine]:
    """Open the journal, mirror and engine of a folder."""
    engine = FileEngine(folder / "engine.json")
    journal = Journal(url_of(folder, "journal"))
    context = Context(journal, Mirror(url_of(folder, "mirror")), engine, engine)
    _opened.append(context)
    return context, engine


def close(context: Context) -> None:
    """Let go of what ``build`` opened."""
    context.journal.close()
    context.mirror.engine.dispose()


class Sabotage:
    """Ends whoever reaches the n-th point: around each write of the journal and of the engine."""

    def __init__(self, context: Context, engine: FileEngine, end: Callable[[], None]) -> None:
        self.left = 0
        self._end = end
        self._write = context.journal.write
        context.journal.write = self._writing  # type: ignore[method-assign]  # the point of it
        engine.point = self.point

    def point(self) -> None:
        self.left -= 1
        if self.left == 0:
            self._end()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Connection]:
        self.point()
        with self._write() as connection:
            yield connection
            self.point()  # everything was said, nothing is durable yet
        self.point()


def fill(folder: Path) -> None:
    """Write the mirror of project p: versions 1 (fails its gate), 2 and 3 of model m."""
    database, _ = schema.prepare(url_of(folder, "mirror"))
    mirror = Store(database)
    mirror.write_runs("p", [tracked(n, metrics={"acc": Metric(n / 10, 1, 0)}) for n in (1, 8, 9)])
    document = {"title": "P", "primary_metric": "acc", "goal": "max", "gates": {"acc": ">= 0.5"}}
    mirror.write_project("p", "connected", document)
    versions = [
        Version("m", v, f"{run:032x}", 0, "READY", "", "", {})
        for v, run in ((1, 1), (2, 8), (3, 9))
    ]
    mirror.write_registry("p", [Model("m", "", 0, 0, {}, {})], versions)
    database.dispose()  # the last to close moves the write-ahead log into the file


@pytest.fixture(scope="session")
def mould(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A filled mirror and an empty journal, made once: every test gets copies."""
    made = tmp_path_factory.mktemp("mould")
    fill(made)
    Journal(f"sqlite:///{made / 'journal.sqlite'}").close()
    return made


@pytest.fixture(params=BOTH)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder with a journal and a mirror; on Postgres both are in one database."""
    if request.param == "postgres":
        (tmp_path / "database.url").write_text(request.getfixturevalue("postgres_url"))
        fill(tmp_path)
    else:
        mould = request.getfixturevalue("mould")
        for name in ("mirror.sqlite", "journal.sqlite"):
            shutil.copy(mould / name, tmp_path / name)
    yield tmp_path
    while _opened:
        close(_opened.pop())


@pytest.fixture
def built(folder: Path) -> tuple[Context, FileEngine]:
    return build(folder)


@pytest.fixture
def context(built: tuple[Context, FileEngine]) -> Context:
    return built[0]


@pytest.fixture
def engine(built: tuple[Context, FileEngine]) -> FileEngine:
    return built[1]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def executor(context: Context, clock: Clock) -> Executor:
    return Executor(context, now=clock, elapsed=clock.elapsed)


@pytest.fixture
def ana(context: Context) -> Actor:
    """An approver who has an account."""
    store.insert(context.journal, "ana", "x", "approver", None)
    return Actor("ana", "approver")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal in a file lies."""
    return tmp_path / "db" / "journal.sqlite"


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, path: Path) -> str:
    """The address of a database with nothing in it."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{path}"


@pytest.fixture
def journal(url: str) -> Iterator[Journal]:
    """A journal with nothing in it."""
    journal = Journal(url)
    yield journal
    journal.close()


OWNER = Actor("owner", "admin", None, "os")
