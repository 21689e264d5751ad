"""Broken links of what is in use: beside the live one, behind an alias, in the cache, retrained."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from services.actions.journal import Journal
from services.data.models import Lost, Version
from services.data.service import DataService
from services.errors import EngineRefusedError
from services.home import Home
from services.lineage.models import Broken
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.retraining import store as retraining
from services.serving import bundle, paths, store
from services.serving.models import Endpoint, Rollout, Target
from tests import lineage_seed as seed
from tests.lineage_seed import CLIP, DATA, FEDERATED, LORA, MODELS, NEXT, OTHER_DATA
from tests.services.lineage.conftest import Asker
from tests.services.retraining.things import proposal


def missing(ask: Asker, projects: tuple[str, ...] | None = None) -> dict[str, Broken]:
    return {one.missing: one for one in ask(projects).broken()}


@pytest.mark.parametrize("strategy", ["canary", "shadow", "blue-green"])
def test_what_answers_beside_the_live_version_is_looked_at_too(
    ask: Asker, monkeypatch: pytest.MonkeyPatch, home: Home, strategy: str
):
    beside = Rollout(Target(77), strategy, actor="mira")
    ends = [Endpoint(LORA, LORA, Target(1), beside)]
    monkeypatch.setattr(store, "endpoints", lambda *_: ends)
    found = missing(ask)
    if strategy == "blue-green":  # requests do not reach it yet
        assert f"version:{LORA}/{LORA}:77" not in found
        assert f"bundle:{LORA}/{LORA}:77" not in found
        return
    said = found[f"version:{LORA}/{LORA}:77"].said
    assert said.startswith(f"{LORA}.{LORA} answers as {strategy} with version 77, which the regist")
    assert f"is in service as {strategy}, and its bundle" in found[f"bundle:{LORA}/{LORA}:77"].said
    folder = paths.bundle(home, LORA, LORA, 77)
    folder.mkdir(parents=True)
    (folder / bundle.INFO).write_text("{}")
    assert f"bundle:{LORA}/{LORA}:77" not in missing(ask)


def test_an_alias_of_a_deleted_version_is_broken(ask: Asker, mirror: Mirror):
    model = seed.Model(CLIP, "", 0, 0, {"champion": 9, "old": 1}, {})
    versions = [seed.version(CLIP, 1, seed.SHARED, 55)]
    Store(mirror.engine).write_registry(CLIP, [model], versions)
    found = missing(ask)[f"version:{CLIP}/{CLIP}:9"]
    assert "The alias champion" in found.said
    assert "mlops models promote" in found.hint
    assert ask().node(found.ref).state == "there"  # what the page leads to
    assert f"version:{CLIP}/{CLIP}:1" not in missing(ask)
    assert CLIP not in str(missing(ask, (LORA,)))


Looked = list[tuple[str, int]]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Callable[[set[str]], Looked]:
    """Say which revisions have lost files."""

    def saying(gone: set[str]) -> Looked:
        asked: Looked = []

        def lost(service: DataService, version: Version, most: int = 0) -> Lost | None:
            del service
            asked.append((version.revision, most))
            return Lost(2, 3) if version.revision in gone else None

        monkeypatch.setattr(DataService, "lost", lost)
        return asked

    return saying


def test_files_that_are_nowhere_are_told_of_what_is_in_use(
    ask: Asker, looks: Callable[[set[str]], Looked]
):
    asked = looks({DATA, OTHER_DATA})
    found = {one.ref.id: one for one in ask().broken() if one.missing == "files"}
    assert set(found) == {f"data:{DATA}", f"data:{OTHER_DATA}"}
    assert found[f"data:{DATA}"].said.startswith("2 files of 3 looked at of the data dddd")
    assert "mlops data add" in found[f"data:{DATA}"].hint
    assert {revision for revision, _ in asked} == {DATA, MODELS, OTHER_DATA}
    assert all(most > 0 for _, most in asked)
    assert {one.missing for one in ask((CLIP,)).broken()} == {f"bundle:{CLIP}/{CLIP}:1", "files"}
    for mine in (CLIP, LORA):  # both hold it: each is told of its own, and of no other's
        (one,) = (one for one in ask((mine,)).broken() if one.ref.id == f"data:{DATA}")
        assert one.project == mine


def test_of_old_revisions_only_those_of_versions_in_use_are_looked_at(
    ask: Asker, looks: Callable[[set[str]], Looked]
):
    service = ask()._data
    for project in (LORA, CLIP, FEDERATED):
        service.project(project).repository.commit(
            "Track data", {"Mlops-Kind": "data", "Mlops-Revision": "9" * 16, "Mlops-Files": "1",
                           "Mlops-Bytes": "1"}, [])  # fmt: skip
    looks({DATA})
    found = [one for one in ask().broken() if one.missing == "files"]
    assert "was made with it." in found[0].said
    asked = looks(set())
    ask().broken()
    assert OTHER_DATA not in {
        revision for revision, _ in asked
    }  # version 3 is not in service and has no alias


def test_data_that_cannot_be_looked_at_are_not_called_lost(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
):
    def fails(*_: object) -> None:
        raise EngineRefusedError("a list is unreadable.", "", code="X")

    monkeypatch.setattr(DataService, "lost", fails)
    here = ask()
    assert not [one for one in here.broken() if one.missing == "files"]
    assert f"Files of the data {DATA}: a list is unreadable." in here.unread


def test_retrainings_whose_run_or_version_is_gone(ask: Asker, journal: Journal):
    number = retraining.put(journal, proposal(project=LORA, model=LORA)).id
    for run, candidate, expected in (
        (NEXT, 2, set()),
        (None, None, set()),
        (NEXT, 88, {f"version:{LORA}/{LORA}:88"}),
        (seed.GONE, 2, {f"run:{seed.GONE}"}),
    ):
        told = {"state": "judging", "run_id": run, "candidate": candidate}
        retraining.change(journal, number, lambda one, told=told: (replace(one, **told), ()))
        mine = [one for one in ask().broken() if one.ref.kind == "retraining"]
        assert {one.missing for one in mine} == expected
        assert all(one.ref.key == str(number) and "was deleted" in one.hint for one in mine)
    retraining.change(journal, number, lambda one: (replace(one, state="dropped"), ()))
    (mine,) = (one for one in ask().broken() if one.ref.kind == "retraining")
    assert "is dropped, and its run" in mine.said
    assert "nothing is to be done" in mine.hint


def test_a_version_that_runs_were_made_from_and_that_is_gone(ask: Asker, mirror: Mirror):
    gone = f"{LORA}/{LORA}:99"
    runs = [seed.tracked(f"{n:032x}", 5, base_version=gone, base_version_2=f"{LORA}/{LORA}:1")
            for n in range(1000, 1003)]  # fmt: skip
    runs.append(seed.tracked(f"{1003:032x}", 5, base_version_2=gone))
    Store(mirror.engine).write_runs(CLIP, runs)
    found = missing(ask)
    assert found[f"version:{gone}"].said.startswith("4 runs were made from the version")
    assert f"version:{LORA}/{LORA}:1" not in found
    assert f"version:{gone}" not in missing(ask, (LORA,))


def test_a_registry_that_knows_nothing_breaks_every_answering_version(ask: Asker, mirror: Mirror):
    with mirror.engine.begin() as connection:
        connection.execute(schema.versions.delete())
    found = missing(ask)
    assert {f"version:{LORA}/{LORA}:1", f"version:{CLIP}/{CLIP}:1"} <= set(found)
