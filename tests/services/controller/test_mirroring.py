"""What the mirror's loop says of MLflow: its start is no outage, an outage is one."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.controller.__main__ import Mirroring
from services.errors import EngineUnreachableError
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.settings import Settings


class Server:
    """MLflow as the loop sees it."""

    def __init__(self) -> None:
        self.away = True

    def cycle(self) -> Any:
        if self.away:
            raise EngineUnreachableError("Nothing listens.", "Start it.")
        return SimpleNamespace(alias_events=())

    def version(self) -> str:
        return "3"


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> Mirroring:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    (tmp_path / "db").mkdir()
    engine, _ = schema.prepare(Settings().mirror_url)
    engines, wants = SimpleNamespace(mlflow=server), SimpleNamespace(turn=lambda: None)
    made: Any = Mirroring
    return made(server, Store(engine), None, engines, wants)  # type: ignore[no-any-return]


def turn(loop: Mirroring, server: Server, *, away: bool) -> tuple[str, str, list[str]]:
    """Return state and reason after a turn, and what happened to MLflow so far."""
    server.away = away
    if away:
        with pytest.raises(EngineUnreachableError):
            loop.turn()
    else:
        loop.turn()
    mirror = Mirror.open(Settings())
    (now,) = (engine for engine in mirror.freshness() if engine.engine == "mlflow")
    told = [change.kind for change in mirror.changes() if change.subject == "mlflow"]
    return now.state, now.reason, told[::-1]


def test_its_start_is_said_and_is_no_event(loop: Mirroring, server: Server):
    state, reason, told = turn(loop, server, away=True)
    assert (state, told) == ("stale", [])
    assert reason == "It may still be starting: Nothing listens."
    assert turn(loop, server, away=False) == ("live", "", ["engine.live"])


def test_one_that_does_not_come_up_is_down(loop: Mirroring, server: Server):
    turn(loop, server, away=True)
    loop._began_at -= 61
    assert turn(loop, server, away=True) == ("down", "Nothing listens.", ["engine.down"])


def test_one_that_was_there_is_down_at_once(loop: Mirroring, server: Server):
    turn(loop, server, away=False)
    gone = turn(loop, server, away=True)
    assert gone == ("down", "Nothing listens.", ["engine.live", "engine.down"])
