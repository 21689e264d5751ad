"""Scenes of every cause: one in which it is to blame, one in which it is there but innocent."""

from collections.abc import Callable
from typing import Any

import numpy as np

from services.causes.case import Case, Other, Rows, Training
from services.monitoring.models import State
from tests.services.causes.scenes import (
    COUNT,
    ONSET,
    column,
    failing,
    scene,
    since_onset,
    slower,
    some,
)

OLD = Training(2, "a" * 40, "c" * 40, {"numpy": "2.1", "mlx": "0.30"}, "lora")
OTHER_DATA = Training(3, "b" * 40, "c" * 40, {"numpy": "2.1", "mlx": "0.30"}, "lora")
OTHER_CODE = Training(3, "a" * 40, "c" * 40, {"numpy": "2.3", "mlx": "0.30"}, "lora")
OTHER_BOTH = Training(3, "b" * 40, "d" * 40, {}, "lora")
NORMAL = np.random.default_rng(1).normal(size=(4, COUNT))
DRAWN = ({"input.a": NORMAL[0], "input.b": NORMAL[1]}, {"input.a": NORMAL[2], "input.b": NORMAL[3]})
A_MOVED = (DRAWN[0], {"input.a": NORMAL[2] + 1.0, "input.b": NORMAL[3]})


def versions(*made: Training) -> dict[int, Training]:
    return {one.version: one for one in (OLD, *made)}


def hot(one: Rows) -> Any:
    return one.thermal >= 1


def of_version_3(one: Rows) -> Any:
    return one.version == 3


def large(one: Rows) -> Any:
    return one.rows >= 16


RESTARTED = (ONSET + 600, ONSET + 1800)
FIRST: dict[str, Callable[[], Case]] = {
    "restart": lambda: scene(
        symptom="errors", restarts=RESTARTED, outcome=failing(lambda one: one.restart == 1),
    ),
    "version": lambda: scene(
        now={"version": 3}, outcome=slower(of_version_3), trainings=versions(OTHER_BOTH)
    ),
    "data_revision": lambda: scene(
        now={"version": some(0.6, 3, 2)}, outcome=failing(of_version_3), symptom="accuracy",
        trainings=versions(OTHER_DATA),
    ),
    "code": lambda: scene(
        now={"version": some(0.6, 3, 2)}, outcome=slower(of_version_3),
        trainings=versions(OTHER_CODE),
    ),
    "clients": lambda: scene(
        now={"key": some(0.4, "k2", "k1")}, symptom="errors",
        outcome=failing(lambda one: one.key == "k2"),
    ),
    "requests": lambda: scene(
        now={"api": some(0.4, "openai", "plain")}, outcome=slower(lambda one: one.api == "openai"),
    ),
    "batch": lambda: scene(
        then={"rows": some(0.1, 32.0, 1.0)}, now={"rows": some(0.7, 32.0, 1.0)},
        outcome=slower(large, 6.0),
    ),
    "payload": lambda: scene(
        then={"row_bytes": some(0.1, 9000.0, 100.0)}, now={"row_bytes": some(0.7, 9000.0, 100.0)},
        outcome=slower(lambda one: one.row_bytes > 1000),
    ),
    "load": lambda: scene(now={"rate": 30.0}, outcome=slower(since_onset, 10.0, "queue")),
    "replicas": lambda: scene(
        now={"replicas": 1.0}, outcome=slower(since_onset, 10.0, "queue"),
    ),
    "backend": lambda: scene(
        now={"backend": some(0.5, "cpu", "mlx")}, outcome=slower(lambda one: one.backend == "cpu"),
    ),
    "thermal": lambda: scene(now={"thermal": some(0.7, 2.0, 0.0)}, outcome=slower(hot)),
    "low_power": lambda: scene(
        now={"low_power": some(0.8, 1.0, 0.0), "clock": 900.0},
        outcome=slower(lambda one: one.low_power == 1),
    ),
    "memory": lambda: scene(
        now={"swap": some(0.5, 5e7, 0.0)}, outcome=slower(lambda one: one.swap > 0, 8.0),
    ),
    "contention": lambda: scene(
        now={"others": some(0.6, 2.0, 0.0)}, outcome=slower(lambda one: one.others > 1),
        others=(Other("run:abcdef0123", "clip", 0.0, 0.8),),
    ),
    "clock": lambda: scene(
        now={"clock": some(0.6, 900.0, 1400.0)}, outcome=slower(lambda one: one.clock < 1000),
    ),
    "feature": lambda: scene(
        symptom="accuracy", columns=A_MOVED, outcome=by_column("a"),
    ),
    "lost": lambda: scene(
        symptom="quality", worse=True, outcome=failing(since_onset),
        moved=(column("a", None, 0.6, "missing"), column("b", 0.4, 0.4)),
    ),
    "labels": lambda: scene(
        symptom="accuracy", outcome=lambda one, rng: {"whole": STRANGE[int(one.at[0] >= ONSET)]},
        columns=({"label.strange": STRANGE[0]}, {"label.strange": STRANGE[1]}),
    ),
    "relation": lambda: scene(
        symptom="accuracy", columns=DRAWN, outcome=failing(since_onset, 0.3)
    ),
}  # fmt: skip


def one_sided(state: State, came: int) -> Case:
    """An input that came then (0) or now (1) alone: no row is known to be one of those it moved."""
    columns = [dict(side) for side in DRAWN]
    del columns[1 - came]["input.a"]
    return scene(
        symptom="quality", worse=True, moved=(column("a", None, 0.6, state),),
        columns=(columns[0], columns[1]), outcome=lambda _rows, _rng: {},
    )  # fmt: skip


OFTEN = np.asarray(some(0.2, 1.0, 0.0, seed=5))
STRANGE = (np.zeros(COUNT), np.asarray(some(0.3, 1.0, 0.0)))


def by_column(name: str) -> Any:
    """Return an outcome in which answers are wrong where a column is large."""

    def came_out(one: Rows, rng: np.random.Generator) -> Any:
        values = A_MOVED[int(one.at[0] >= ONSET)][f"input.{name}"]
        return {"whole": (rng.random(len(one)) < np.where(values > 1, 0.6, 0.02)).astype(float)}

    return came_out


HOT = slower(hot)
INNOCENT: dict[str, Callable[[], Case]] = {
    "restart": lambda: scene(
        symptom="errors", restarts=RESTARTED, now={"key": some(0.4, "k2", "k1")},
        outcome=failing(lambda one: one.key == "k2"),
    ),
    "version": lambda: scene(
        now={"version": some(0.5, 3, 2, seed=5), "thermal": some(0.7, 2.0, 0.0)}, outcome=HOT,
        trainings=versions(OTHER_BOTH),
    ),
    "data_revision": lambda: scene(
        now={"version": some(0.5, 3, 2, seed=5), "key": some(0.4, "k2", "k1")}, symptom="accuracy",
        outcome=failing(lambda one: one.key == "k2"), trainings=versions(OTHER_DATA),
    ),
    "code": lambda: scene(
        now={"version": some(0.5, 3, 2, seed=5), "thermal": some(0.7, 2.0, 0.0)}, outcome=HOT,
        trainings=versions(OTHER_CODE),
    ),
    "clients": lambda: scene(
        now={"key": some(0.5, "k2", "k1", seed=5), "thermal": some(0.7, 2.0, 0.0)}, outcome=HOT,
    ),
    "requests": lambda: scene(
        now={"api": some(0.5, "oip", "plain", seed=5), "thermal": some(0.7, 2.0, 0.0)}, outcome=HOT,
    ),
    "batch": lambda: scene(
        then={"rows": some(0.3, 32.0, 1.0, seed=5)},
        now={"rows": some(0.7, 32.0, 1.0, seed=5), "thermal": some(0.7, 2.0, 0.0)}, outcome=HOT,
    ),
    "payload": lambda: scene(
        then={"row_bytes": some(0.3, 9e3, 1e2, seed=5)},
        now={"row_bytes": some(0.7, 9e3, 1e2, seed=5), "thermal": some(0.7, 2.0, 0.0)}, outcome=HOT,
    ),
    "load": lambda: scene(now={"rate": 30.0, "thermal": some(0.7, 2.0, 0.0)}, outcome=HOT),
    "replicas": lambda: scene(now={"replicas": 1.0, "thermal": some(0.7, 2.0, 0.0)}, outcome=HOT),
    "backend": lambda: scene(
        now={"backend": some(0.5, "cpu", "mlx", seed=5), "thermal": some(0.7, 2.0, 0.0)},
        outcome=HOT,
    ),
    "thermal": lambda: scene(
        now={"thermal": some(0.5, 2.0, 0.0, seed=5), "version": some(0.6, 3, 2)},
        outcome=slower(of_version_3), trainings=versions(OTHER_BOTH),
    ),
    "low_power": lambda: scene(
        now={"low_power": some(0.5, 1.0, 0.0, seed=5), "version": some(0.6, 3, 2)},
        outcome=slower(of_version_3), trainings=versions(OTHER_BOTH),
    ),
    "memory": lambda: scene(
        now={"pressure": some(0.5, 2.0, 1.0, seed=5), "version": some(0.6, 3, 2)},
        outcome=slower(of_version_3), trainings=versions(OTHER_BOTH),
    ),
    "contention": lambda: scene(
        now={"others": some(0.5, 2.0, 0.0, seed=5), "version": some(0.6, 3, 2)},
        outcome=slower(of_version_3), trainings=versions(OTHER_BOTH),
    ),
    "clock": lambda: scene(
        now={"clock": some(0.6, 900.0, 1400.0, seed=5), "version": some(0.6, 3, 2)},
        outcome=slower(of_version_3), trainings=versions(OTHER_BOTH),
    ),
    "feature": lambda: scene(
        now={"key": some(0.4, "k2", "k1")}, symptom="accuracy", columns=A_MOVED,
        outcome=failing(lambda one: one.key == "k2"),
    ),
    "lost": lambda: scene(
        symptom="data", worse=True, outcome=failing(since_onset),
        moved=(column("a", None, 0.0, "missing"), column("b", 0.4, 1.0)),
    ),
    "labels": lambda: scene(
        now={"key": some(0.4, "k2", "k1")}, symptom="accuracy",
        outcome=failing(lambda one: one.key == "k2"),
        columns=({"label.strange": STRANGE[0]}, {"label.strange": OFTEN}),
    ),
    "relation": lambda: scene(
        now={"key": some(0.4, "k2", "k1")}, symptom="accuracy", columns=DRAWN,
        outcome=failing(lambda one: one.key == "k2"),
    ),
}  # fmt: skip
