"""The answers of two versions as the log has them, compared."""

from typing import Any

import numpy as np
import pytest

from services.home import Home
from services.predictions import monitoring, sides
from services.predictions.log import PredictionLog
from services.serving.drift import Wish
from tests.services.predictions.records import DAY_S, NOON, compacted, record, written
from tests.services.predictions.test_compaction import M, P

NEW, OLD = 4, 3
ROWS = 700
NOW = NOON + 3600
CANARY = Wish("e", P, M, NEW, OLD, NOON, beside=True)
SHADOW = Wish("e", P, M, NEW, OLD, NOON, shadow=True, beside=True)
SWITCHED = Wish("e", P, M, NEW, OLD, NOON)


def answered(
    version: int,
    *,
    at: float = NOON + 1,
    rows: int = ROWS,
    moved: float = 0.0,
    label: str = "yes",
    seed: int = 1,
    **changes: Any,
):
    """Return predictions whose second row says nonsense: it is not to count."""
    draws = np.random.default_rng(seed)
    return [
        record(
            at + n / 1000,
            version=version,
            **{
                "inputs": {"age": [float(age), 1e9 * version]},
                "outputs": {"label": [label if n % 2 else "no", "?"], "score": [score, 1e9]},
            }
            | changes,
        )
        for n, (age, score) in enumerate(
            zip(draws.normal(40, 5, rows), draws.normal(moved, 1.0, rows), strict=True)
        )
    ]


def compared(home, wish):
    """Compare what is in segments; the same must come of Parquet."""
    found = sides.compare(home, wish, NOW)
    compacted(home)
    assert sides.compare(home, wish, NOW) == found
    return found


def test_a_canary_that_answers_alike_has_not_drifted(home: Home):
    written(home, *answered(NEW), *answered(OLD, seed=2))
    found = compared(home, CANARY)
    assert (found.name, found.version, found.began_at, found.share) == ("e", NEW, NOON, 0.0)
    assert found.said == (
        "None of 2 columns of its answers drifted, by 700 predictions against 700 of version 3."
    )


def test_a_canary_that_answers_otherwise_has_drifted_and_the_columns_are_named(home: Home):
    written(home, *answered(NEW, moved=1.0), *answered(OLD, seed=2))
    found = compared(home, CANARY)
    assert found.share == 0.5
    assert found.said.startswith("1 of 2 columns of its answers drifted (score: ")
    assert found.said.endswith(
        "; from 0.1 on it is drift), by 700 predictions against 700 of version 3."
    )


def test_what_it_was_asked_takes_nothing_back_and_is_said_beside(home: Home):
    others = [{"age": [90.0 + n % 7, 0.0]} for n in range(ROWS)]
    new = answered(NEW)
    moved = answered(NEW, moved=3.0, label="other")
    written(home, *answered(OLD, seed=2))
    for number, one in enumerate(others):
        new[number] = record(new[number].at, version=NEW, inputs=one, outputs=new[number].outputs)
    written(home, *new)
    assert sides.compare(home, CANARY, NOW).said.startswith("None of 2")
    late = [
        record(one.at + 1, version=NEW, inputs=asked, outputs=one.outputs)
        for one, asked in zip(moved, others, strict=True)
    ]
    written(home, *late)
    found = compared(home, Wish("e", P, M, NEW, OLD, NOON + 2, beside=False))
    assert found.share == 1.0
    assert found.said.endswith(
        " 1 of 1 columns of what it was asked drifted too, which may be why."
    )


def test_a_shadow_is_held_against_what_the_live_one_answered_meanwhile(home: Home):
    beside = answered(NEW, moved=1.0, shadow=True, inputs=None)
    written(home, *beside, *answered(NEW), *answered(OLD, seed=2))
    found = compared(home, SHADOW)
    assert found.share == 0.5
    assert compared(home, CANARY).share == 0.0


def test_after_a_switch_it_is_held_against_the_last_answers_before(home: Home):
    written(
        home,
        *answered(OLD, at=NOON - 2 * DAY_S, moved=9.0),  # too old
        *answered(OLD, at=NOON - 10, seed=2),
        *answered(OLD, at=NOON + 10, moved=9.0),  # asked for by its number, after the switch
        *answered(NEW, at=NOON - 10, moved=9.0),  # before it was watched
        *answered(NEW),
    )
    found = compared(home, SWITCHED)
    assert (found.share, "against 700 of version 3" in found.said) == (0.0, True)


def test_beside_each_other_the_same_stretch_counts(home: Home):
    written(home, *answered(NEW), *answered(OLD, seed=2), *answered(OLD, at=NOON - 10, moved=9.0))
    assert "against 700 of version 3" in compared(home, CANARY).said


def test_the_newest_count_when_there_are_many(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sides, "MOST", 600)
    before = answered(NEW, rows=400, moved=5.0) + answered(OLD, rows=400, moved=5.0)
    written(
        home, *before, *answered(NEW, at=NOON + 9), *answered(OLD, at=NOON + 9, seed=2),
    )  # fmt: skip
    found = compared(home, CANARY)
    assert found.share == 0.0
    assert "600 predictions against 600" in found.said


@pytest.mark.parametrize(
    ("new", "old", "said"),
    [(499, 700, "499 of the new version"), (700, 499, "499 of version 3"), (0, 0, "0 of the new")],
)
def test_few_are_not_compared(home: Home, new, old, said):
    written(home, *answered(NEW, rows=new), *answered(OLD, rows=old))
    found = compared(home, CANARY)
    assert found.share is None
    assert found.said.startswith("Not enough predictions to compare yet: ")
    assert found.said.endswith("of 500 it takes.")
    assert said in found.said


def test_rows_of_one_request_count_once(home: Home):
    many = {"inputs": {"age": [1.0] * 1000}, "outputs": {"score": [1.0] * 1000}, "rows": 1000}
    written(home, *[record(NOON + 1 + n, version=v, **many) for n in range(3) for v in (NEW, OLD)])
    assert "3 of the new version" in compared(home, CANARY).said


def test_text_of_its_own_each_time_cannot_be_compared(home: Home):
    def text(version):
        return [
            record(NOON + 1 + n / 1000, version=version, rows=1, inputs={"prompt": ["p"]},
                   outputs={"text": [f"{version} {n}"]})
            for n in range(ROWS)
        ]  # fmt: skip

    written(home, *text(NEW), *text(OLD))
    found = compared(home, CANARY)
    assert found.share is None
    assert found.said.startswith("Its answers cannot be compared: no column")


def test_yes_and_no_and_whole_figures_are_compared_too(home: Home):
    def told(version, well):
        return [
            record(NOON + 1 + n / 1000, version=version, rows=1, inputs={"x": [n]},
                   outputs={"well": [well or n % 2 == 0], "count": [n % 50]})
            for n in range(ROWS)
        ]  # fmt: skip

    written(home, *told(NEW, well=True), *told(OLD, well=False))
    found = compared(home, CANARY)
    assert (found.share, "(well: " in found.said) == (0.5, True)


def test_an_answer_of_another_type_is_named(home: Home):
    def told(version, answer):
        return [
            record(NOON + 1 + n / 1000, version=version, rows=1, inputs={"x": [n]},
                   outputs={"class": [answer(n)]})
            for n in range(ROWS)
        ]  # fmt: skip

    written(home, *told(NEW, lambda n: f"c{n % 9}"), *told(OLD, lambda n: n % 9))
    found = compared(home, CANARY)
    assert (found.share, "(class: of another type;" in found.said) == (1.0, True)


def test_what_is_missing_otherwise_is_named(home: Home):
    new = answered(NEW, outputs={"label": ["yes", "yes"]})
    written(home, *new, *answered(OLD, outputs={"label": ["yes"] * 2, "score": [0.5] * 2}))
    assert "(score: missing otherwise, 0.83;" in compared(home, CANARY).said


def test_hashes_of_before_are_not_held_against_figures(home: Home):
    log = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    for one in answered(OLD, at=NOON - 100, seed=2):
        log.append(one, privacy="hash")
    log.close()
    written(home, *answered(NEW))
    last = monitoring.hashed_until(home, P, M, NOON - 1000, NOW)
    assert last == pytest.approx(NOON - 100 + (ROWS - 1) / 1000)
    assert monitoring.hashed_until(home, P, M, NOON, NOW) is None
    assert compared(home, SWITCHED).said.startswith("Not enough predictions to compare yet: 0 of v")
    written(home, *answered(OLD, at=NOON - 50, seed=2))
    assert compared(home, SWITCHED).share == 0.0
