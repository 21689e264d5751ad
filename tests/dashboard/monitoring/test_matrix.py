"""Rows of the matrix, from plain values: which versions, what comes first, what is late."""

from dataclasses import replace
from typing import Any

import pytest

from dashboard.monitoring import looks, matrix
from dashboard.watched import Board
from services.monitoring.courses import FAMILIES, Key
from services.monitoring.store import Summary
from services.serving.figures import VersionFigures
from services.serving.looks import Deployment, RolloutLook, VersionLook

NOW = 1_795_953_600.0


def version(number: int, traffic: float, *, live: bool = False, **more: Any) -> VersionLook:
    figures = VersionFigures(number, 10, 3, more.pop("requests", 60), more.pop("errors", 0))
    given: dict[str, Any] = {
        "phase": "live" if live else "canary", "said": "", "backend": None, "backend_reason": "",
        "replicas": (), "reserved_bytes": 0, "memory_bytes": None, "peak_bytes": None,
    }  # fmt: skip
    return VersionLook(number, traffic=traffic, figures=figures, live=live, **{**given, **more})


def deployment(name: str, *versions: VersionLook, rollout: int | None = None, **more: Any) -> Any:
    project, _, model = name.partition(".")
    under_way = None
    if rollout is not None:
        under_way = RolloutLook(
            rollout, "shadow", True, "running", "", 0.0, False, False, None, (), None, "", None,
            None,
        )  # fmt: skip
    made = Deployment(
        name, project, model, 1, None, "", "live", "", 1, 1, 1, {}, 0, 0, 0, None, None, None, 0,
        None, 0, None, "", None, under_way, versions, False, 0.0, "full", "", "",
    )  # fmt: skip
    return replace(made, **more)


def summary(key: Key, state: str, severity: str = "none", at: float = NOW - 60) -> Summary:
    return Summary(
        "id", *key, at, "b", at - 3600, at - 5, 100, None, severity, state, "said", None  # type: ignore[arg-type]
    )  # fmt: skip


def board(*found: tuple[str, int, str, str]) -> Board:
    """(deployment, version, state, severity) of the data; the rest is steady."""
    newest = {}
    for name, number, state, severity in found:
        project, _, model = name.partition(".")
        for kind in FAMILIES:
            key: Key = (project, model, number, kind)
            mine = (state, severity) if kind == "data" else ("steady", "none")
            newest[key] = summary(key, *mine)
    return Board(newest, {})


def rows(*found: Deployment, known: Board | None = None) -> tuple[matrix.Row, ...]:
    return matrix.rows(found, Board({}, {}) if known is None else known, {}, NOW)


def test_there_is_a_row_for_each_version_that_is_asked_or_tried():
    kept = version(1, 0.0, live=True)
    shadow = version(3, 0.0, phase="shadow")
    one = deployment("p.m", version(2, 1.0), kept, shadow, rollout=3)
    assert [(row.version, row.role) for row in rows(one)] == [(2, "canary"), (3, "shadow")]
    asleep = deployment("p.m", version(1, 0.0, live=True, phase="idle"))
    assert [row.version for row in rows(asleep)] == [1]
    unloaded = deployment("p.m")
    assert [(row.version, row.role) for row in rows(unloaded)] == [(1, "live")]


def test_need_goes_by_severity_then_errors_then_what_nobody_can_tell():
    live = version(1, 1.0, live=True)
    failing = version(1, 1.0, live=True, errors=30)
    names = {
        "p.calm": ("steady", "none"), "p.few": ("too few", "none"), "p.low": ("drifted", "low"),
        "p.high": ("drifted", "high"), "p.failing": ("steady", "none"), "p.none": None,
    }  # fmt: skip
    known = board(*((name, 1, *said) for name, said in names.items() if said))
    deployed = [deployment(n, failing if n == "p.failing" else live) for n in names]
    found = matrix.ordered(rows(*deployed, known=known), "Need")
    assert [row.name for row in found] == [
        "p.high", "p.low", "p.failing", "p.none", "p.calm", "p.few",
    ]  # fmt: skip


def test_a_row_that_was_never_checked_is_not_steady_and_neither_is_one_that_cannot_be_read():
    (row,) = rows(deployment("p.m", version(1, 1.0, live=True)))
    assert {cell.look for cell in row.cells.values()} == {looks.NEVER}
    assert row.state == looks.NEVER.word
    (row,) = matrix.rows([deployment("p.m", version(1, 1.0, live=True))], None, {}, NOW)
    assert {cell.look for cell in row.cells.values()} == {looks.AWAY}


def test_a_check_is_late_only_while_somebody_asks():
    old = {
        key: replace(one, computed_at=NOW - matrix.LATE_S - 1)
        for key, one in board(("p.m", 1, "steady", "none")).newest.items()
    }
    (row,) = rows(deployment("p.m", version(1, 1.0, live=True)), known=Board(old, {}))
    assert row.late
    quiet = version(1, 1.0, live=True, requests=0)
    (row,) = rows(deployment("p.m", quiet), known=Board(old, {}))
    assert not row.late


@pytest.mark.parametrize(
    ("errors", "word", "bad"),
    [(0, "answers", False), (1, "0.1 % errors", False), (10, "1.0 %", True)],
)
def test_service_goes_by_the_budget_of_errors(errors: int, word: str, bad: bool):
    seen = version(1, 1.0, live=True, requests=1000, errors=errors)
    found = matrix.service(deployment("p.m", seen), seen)
    assert word in found.look.word
    assert found.bad == bad


def test_without_a_gateway_the_service_is_not_known():
    seen = version(1, 1.0, live=True)
    found = matrix.service(deployment("p.m", seen, figures_stale="It was last heard of."), seen)
    assert found.look == looks.AWAY
    assert found.said == "It was last heard of."
