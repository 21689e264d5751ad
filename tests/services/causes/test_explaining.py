"""Each cause where it must come first, and where it is there but innocent."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from services.causes import explain
from services.causes.case import Case, Other, Side
from services.causes.models import KINDS, Explanation
from tests.services.causes.blamed import FIRST, INNOCENT


def test_every_kind_has_a_scene_of_its_own():
    assert set(FIRST) == set(KINDS)


@pytest.mark.parametrize("kind", FIRST)
def test_it_comes_first_where_it_is_to_blame(kind: str):
    found = explain(FIRST[kind]())
    assert found.first is not None, found.said
    assert found.first.kind == kind, [(one.kind, round(one.weight, 2)) for one in found.causes]
    assert found.first.weight > 0.4
    assert found.first.evidence
    assert found.first.suggestion
    assert found.first.link.startswith("/")
    assert sum(one.weight for one in found.causes) <= 1.0 + 1e-9


def test_every_kind_is_innocent_somewhere():
    assert set(INNOCENT) == set(KINDS)


@pytest.mark.parametrize("kind", INNOCENT)
def test_what_is_there_but_innocent_does_not_come_first(kind: str):
    found = explain(INNOCENT[kind]())
    told = [(one.kind, round(one.weight, 2)) for one in found.causes]
    assert found.first is not None, found.said
    assert found.first.kind != kind, told
    assert found.first.weight > 0.6, told
    assert sum(one.weight for one in found.causes if one.kind == kind) < 0.2, told


# The same whatever the order


def shuffled(case: Case, seed: int) -> Case:
    rng = np.random.default_rng(seed)

    def mixed(side: Side) -> Side:
        order = rng.permutation(len(side.rows))
        return Side(side.since, side.until, side.rows.take(order),
                    {name: values[order] for name, values in side.values.items()},
                    {name: values[order] for name, values in side.columns.items()})  # fmt: skip

    return replace(case, then=mixed(case.then), now=mixed(case.now),
                   moved=tuple(reversed(case.moved)))  # fmt: skip


def test_an_engine_is_called_as_everywhere():
    case = replace(FIRST["contention"](), others=(Other("engine:mlflow", "", 0.0, 0.8),))
    first = explain(case).first
    assert first is not None
    assert first.title == "The engine MLflow uses the same machine: 80 % of its CPU or GPU"
    assert first.evidence[0].startswith("The engine MLflow had 0 % of the machine then, 80 % now.")


@pytest.mark.parametrize("kind", FIRST)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_rows_changes_nothing(kind: str, seed: int):
    case = FIRST[kind]()
    assert told(explain(shuffled(case, seed))) == told(explain(case))


def told(found: Explanation) -> Any:
    return [
        (c.kind, c.title, c.weight, c.said, c.evidence, c.link) for c in found.causes
    ], found.said
