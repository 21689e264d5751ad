import pytest

from services.actions.action import Action, Context
from services.actions.archive_version import TAG, ArchiveVersion
from services.actions.executor import Executor
from services.actions.promote import Promote
from services.actions.records import ActionRecord
from services.actions.roles import Actor
from services.engines.mlflow.models import Model, Version
from services.errors import ConflictError, NotFoundError
from services.mirror.store import Store
from tests.services.actions.conftest import FileEngine


def done(executor: Executor, who: Actor, action: Action, key: str) -> ActionRecord:
    submitted = executor.submit(who, action, key)
    executor.execute_pending()
    return executor.record(submitted.id)


def versions(tags: dict[str, str]) -> list[Version]:
    return [Version("m", v, f"{8:032x}", 0, "READY", "", "", tags) for v in (1, 2)]


def test_an_archived_version_carries_the_mark_the_mirror_reads(
    executor: Executor, engine: FileEngine, ana: Actor, context: Context
):
    done(executor, ana, ArchiveVersion("p", "m", 2), "k1")

    assert engine._load()["tags"] == {TAG: "true"}
    Store(context.mirror.engine).write_registry(
        "p", [Model("m", "", 0, 0, {}, {})], versions(engine._load()["tags"])
    )
    assert context.mirror.model("p", "m").versions[0].archived


def test_restoring_takes_the_mark_away(executor: Executor, engine: FileEngine, ana: Actor):
    done(executor, ana, ArchiveVersion("p", "m", 2), "k1")
    done(executor, ana, ArchiveVersion("p", "m", 2, back=True), "k2")

    assert engine._load()["tags"] == {}


def test_a_version_with_an_alias_is_not_archived(executor: Executor, ana: Actor, context: Context):
    Store(context.mirror.engine).write_registry(
        "p", [Model("m", "", 0, 0, {"champion": 2}, {})], versions({})
    )

    with pytest.raises(ConflictError, match="is champion"):
        executor.submit(ana, ArchiveVersion("p", "m", 2), "k1")
    assert done(executor, ana, Promote("p", "m", 1), "k2").state == "done"


def test_an_unknown_version_is_not_archived(executor: Executor, ana: Actor):
    with pytest.raises(NotFoundError, match="no version 9"):
        executor.submit(ana, ArchiveVersion("p", "m", 9), "k1")


def test_what_will_be_different_is_said(context: Context):
    assert "can be restored" in " ".join(ArchiveVersion("p", "m", 2).consequences(context))
    assert "again" in " ".join(ArchiveVersion("p", "m", 2, back=True).consequences(context))
