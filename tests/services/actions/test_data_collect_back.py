"""A collection that fails, or must not be any more, leaves no rows in the project's folder."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.actions import catalog
from services.actions.action import Context, Deed
from services.actions.executor import Executor
from services.errors import EngineRefusedError
from services.serving import store
from tests.services.actions.conftest import OWNER
from tests.services.actions.test_data_collect import (
    _hashed,
    asked,
    collect,
    context,
    done,
    folder,
    project,
)

__all__ = ["context", "folder", "project"]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def track(*_arguments: Any) -> None:
        raise EngineRefusedError("DVC has no room.")

    monkeypatch.setattr("services.data.tracking.track", track)


def files(project: Path) -> list[str]:
    return sorted(one.name for one in project.rglob("*") if one.suffix == ".parquet")


def test_when_tracking_fails_the_file_goes_and_no_other(
    project: Path, context: Context, refused: None
):
    asked("full")
    other = project / "data" / "collected" / "m.other.parquet"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"mine")
    record = done(Executor(context), collect())
    assert record.state == "compensated"
    assert "no room" in record.error
    assert record.steps[0].state == "undone"
    assert files(project) == [other.name]


def test_a_file_that_cannot_be_removed_is_named(
    project: Path, context: Context, refused: None, monkeypatch: pytest.MonkeyPatch
):
    asked("full")
    real = Path.unlink

    def unlink(path: Path, **more: Any) -> None:
        if path.name.startswith("m."):
            raise PermissionError(13, "Permission denied")
        real(path, **more)

    monkeypatch.setattr(Path, "unlink", unlink)
    record = done(Executor(context), collect())
    assert record.state == "failed"
    (left,) = files(project)
    assert f"{left} cannot be removed: Permission denied" in record.hint


@pytest.mark.parametrize("privacy", ["hash", "off"])
def test_a_privacy_that_came_meanwhile_counts(project: Path, context: Context, privacy: Any):
    asked("full")
    executor = Executor(context)
    submitted = executor.submit(OWNER, collect(), "k")
    store.change(context.journal, "pp", "m", lambda now: replace(_hashed(now), privacy=privacy))
    executor.execute_pending(only=submitted.id)
    record = executor.record(submitted.id)
    assert record.state == "compensated"
    assert f"The privacy of pp.m is {privacy}" in record.error
    assert files(project) == []


def test_a_file_that_was_whole_goes_when_the_privacy_changed_before_it_was_tracked(
    project: Path, context: Context
):
    asked("full")
    executor = Executor(context)
    submitted = executor.submit(OWNER, collect(), "k")
    action = catalog.load("data-collect", json.dumps(submitted.params))
    step, _ = action.steps(context, Deed(submitted.id, OWNER))
    assert "2 rows" in step.do()  # and its process ended before it could say so
    assert len(files(project)) == 1
    store.change(context.journal, "pp", "m", _hashed)
    executor.execute_pending(only=submitted.id)
    assert executor.record(submitted.id).state == "compensated"
    assert files(project) == []
