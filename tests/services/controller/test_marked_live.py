"""The alert of what answers requests and came from what is marked as bad, as the loop looks."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.actions.journal import Journal
from services.alerting.models import Event
from services.controller.alerts import Sources
from services.data.models import Kind
from services.data.service import DataService
from services.errors import EngineRefusedError, PlatformError
from services.home import Home
from services.lineage import marked
from services.lineage.asking import Lineage
from services.lineage.models import Mark, Ref
from services.mirror.queries import Mirror
from services.serving import store
from services.serving.models import Target
from tests import lineage_seed as seed
from tests.lineage_seed import CLIP, DATA, LORA, NOW

KEYS = frozenset({f"lineage/{LORA}/{LORA}", f"lineage/{CLIP}/{CLIP}"})
BAD = Mark(Ref("data", DATA), LORA, "wrong labels", "mira", 5.0, 7)


@pytest.fixture(scope="session")
def mould(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Home(tmp_path_factory.mktemp("marked"))
    made.create()
    seed.mirror(f"sqlite:///{made.databases / 'mirror.sqlite'}")
    seed.journal(f"sqlite:///{made.databases / 'journal.sqlite'}")
    seed.files(made)
    return made.root


@pytest.fixture
def sources(tmp_path: Path, mould: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sources]:
    shutil.copytree(mould, tmp_path / "home", symlinks=True)
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    home = Home.locate()
    journal = Journal(f"sqlite:///{home.databases / 'journal.sqlite'}")
    mirror = Mirror(f"sqlite:///{home.databases / 'mirror.sqlite'}")
    yield Sources(home, journal, mirror)
    journal.close()
    mirror.engine.dispose()


def look(sources: Sources, now: float = NOW, open_keys: frozenset[str] = KEYS) -> dict[str, Event]:
    return {one.key.split("/")[1]: one for one in sources.marks(now, open_keys)}


def test_it_begins_with_the_mark_and_ends_with_the_unmark(sources: Sources):
    assert look(sources, open_keys=frozenset()) == {}
    marked.put(sources.journal, BAD)
    found = look(sources, open_keys=frozenset())
    assert {name: (one.state, one.severity) for name, one in found.items()} == {
        LORA: ("firing", "critical"), CLIP: ("firing", "critical"),
    }  # fmt: skip
    assert "mira marked as bad: wrong labels." in found[LORA].cause
    assert "mira" not in str(found[CLIP])
    marked.take_back(sources.journal, BAD.ref)
    assert {one.state for one in look(sources).values()} == {"ok"}


def test_it_ends_when_another_version_answers_or_none(sources: Sources):
    marked.put(sources.journal, BAD)
    assert look(sources)[LORA].state == "firing"
    store.change(sources.journal, LORA, LORA, lambda now: replace(now, live=Target(3)))
    with sources.journal.write() as connection:
        table = seed.journal_schema.serving_endpoints
        connection.execute(table.delete().where(table.c.project == CLIP))
    found = look(sources, NOW + 5)
    assert (found[LORA].state, "Now answers version 3:" in found[LORA].said) == ("ok", True)
    assert (found[CLIP].state, found[CLIP].said) == ("ok", "It is in service no more.")


def test_the_version_to_go_back_to_is_one_that_is_not_suspect(sources: Sources):
    marked.put(sources.journal, BAD)
    assert f"`mlops rollback {LORA}/{LORA} --to 3`" in look(sources)[LORA].suggestion
    marked.put(sources.journal, replace(BAD, ref=Ref("version", f"{LORA}/{LORA}:3")))
    assert "rollback" not in look(sources)[LORA].suggestion


def test_what_came_of_the_marks_is_asked_anew_only_when_something_changed(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
):
    asked: list[int] = []
    whole = Lineage.spoilt
    monkeypatch.setattr(Lineage, "spoilt", lambda self: asked.append(1) or whole(self))
    marked.put(sources.journal, BAD)
    look(sources)
    look(sources, NOW + 3_600)
    assert len(asked) == 1
    marked.put(sources.journal, replace(BAD, reason="worse"))
    assert "worse" in look(sources, NOW + 3_600)[LORA].cause
    assert len(asked) == 2
    seed.Store(sources.mirror.engine).write_runs(LORA, (seed.tracked("f" * 32, 1),))
    look(sources, NOW + 3_601)
    assert len(asked) == 2  # runs come and go every second
    look(sources, NOW + 3_700)
    assert len(asked) == 3


def test_while_the_mirror_is_away_nothing_ends(sources: Sources, monkeypatch: pytest.MonkeyPatch):
    def away(*_: object) -> None:
        raise PlatformError("It is away.")

    marked.put(sources.journal, BAD)
    monkeypatch.setattr(Mirror, "rows", away)
    with pytest.raises(PlatformError):  # the loop makes them unknown
        look(sources)


UNREAD = f"Data of {LORA}: The repository is damaged."


def break_one(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = DataService.versions

    def damaged(service: DataService, project: str, kind: Kind | None = None):
        if project == LORA:
            raise EngineRefusedError("The repository is damaged.", "", code="X")
        return whole(service, project, kind)

    monkeypatch.setattr(DataService, "versions", damaged)


def test_while_a_data_repository_cannot_be_read_nothing_ends(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
):
    marked.put(sources.journal, replace(BAD, ref=Ref("data", "f" * 16)))
    break_one(monkeypatch)
    assert {(one.state, one.said) for one in look(sources).values()} == {("unknown", UNREAD)}


def test_what_cannot_be_told_is_asked_again_only_after_a_while(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
):
    asked: list[int] = []
    whole = Lineage.spoilt
    monkeypatch.setattr(Lineage, "spoilt", lambda self: asked.append(1) or whole(self))
    marked.put(sources.journal, replace(BAD, ref=Ref("data", "f" * 16)))
    with monkeypatch.context() as while_away:
        break_one(while_away)
        look(sources)
        assert look(sources, NOW + 5)[LORA].state == "unknown"
        assert len(asked) == 1
    assert look(sources, NOW + 31)[LORA].state == "ok"
    assert len(asked) == 2
