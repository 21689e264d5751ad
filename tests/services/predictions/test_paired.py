"""Labels with their pairs are read once of each file, and are what they are from scratch."""

import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from services.errors import PlatformError
from services.home import Home
from services.monitoring import labels
from services.predictions import columns, paired, parquet, retention
from services.predictions import labels as unmatched
from services.predictions import monitoring as log
from services.predictions.folder import Folder, day
from services.predictions.labels import MATCHED_TYPES
from services.predictions.merging import MANY, STAYS_S, Merging
from tests.services.predictions.records import DAY_S, NOON, request_id

M = ("p", "m")
_SAID: list[Callable[[np.random.Generator], Any]] = [
    lambda rng: int(rng.integers(4)),
    lambda rng: int(rng.integers(3)) / 2,
    lambda rng: ("cat", "dog", "1", "1.5", "nan")[int(rng.integers(5))],
    lambda rng: bool(rng.random() < 0.5),
    lambda rng: {"y": int(rng.integers(4))},
    lambda _: {"no such output": 1},
    lambda _: [1, 2],
    lambda _: None,
]


def row(at: float, label: Any = 1, answer: Any = 1, *, said_at: float | None = None,
        one: str = "", version: int = 3, kept: str = "full") -> tuple[Any, ...]:  # fmt: skip
    said, outputs = (orjson.dumps(value).decode() for value in (label, {"y": [answer]}))
    said_us = round((at + 60 if said_at is None else said_at) * 1e6)
    return one or request_id(at), said_us, round(at * 1e6), version, "", kept, said, outputs


def put(home: Home, name: str, rows: list[tuple[Any, ...]], at: float = NOON) -> Path:
    """Keep labels of a day in a file; it changed when the last of them was said."""
    where = Folder(home).of_feedback(*M, day(at))
    parquet.write(where, name, columns.table(rows, MATCHED_TYPES))
    path = where / f"{name}.parquet"
    changed = max(one[1] for one in rows) / 1e6
    os.utime(path, (changed, changed))
    return path


def kept(home: Home) -> list[Path]:
    return sorted((Folder(home).path / "paired").rglob("*.parquet"))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of files whose labels were read, not what was kept of them."""
    names: list[str] = []
    real = parquet.read

    def noted(path: Path, wanted: Any = None) -> Any:
        if "feedback" in path.parts:
            names.append(path.stem)
        return real(path, wanted)

    monkeypatch.setattr(parquet, "read", noted)
    return names


def same(home: Home, **asked: Any) -> int:
    """Hold what is kept against what comes from scratch; return how many rows there are."""
    now = labels.paired(log.paired(home, *M, **asked))
    scratch = labels.paired(log.labelled(home, *M, **asked))
    for name in ("task", "requests", "unusable", "strange"):
        assert getattr(now, name) == getattr(scratch, name), name
    # Those of one moment have no order.
    assert sorted(_rows(now), key=repr) == sorted(_rows(scratch), key=repr)
    assert np.array_equal(np.sort(now.at), now.at)
    return len(now.target)


def _rows(found: labels.Labelled) -> list[tuple[Any, ...]]:
    return list(zip(found.target, found.prediction, found.at, found.delay_s, strict=True))


class Files:
    """What may happen to files of labels, by chance."""

    def __init__(self, home: Home, seed: int) -> None:
        self.home, self.rng = home, np.random.default_rng(seed)
        self.ids = [request_id(NOON + n) for n in range(60)]
        self.turn = 0
        self.answer: Callable[[], Any] = (
            lambda: int(self.rng.integers(4)),
            lambda: "cat" if self.rng.random() < 0.5 else "dog",
            self.rng.random,
        )[seed % 3]

    def happen(self) -> None:
        """Let one thing happen to them."""
        self.turn += 1
        there = sorted(Folder(self.home).path.glob("feedback/project=*/**/*.parquet"))
        happens = [self.new] * 6 + [Merging(Folder(self.home)).run] * 2
        happens += [self.gone, self.changed] if there else []
        happens += [self.torn] if kept(self.home) else []
        one = self.any_of(happens)
        one(NOON + self.turn * 60) if one not in (self.gone, self.changed) else one(there)

    def any_of(self, values: Sequence[Any]) -> Any:
        return values[int(self.rng.integers(len(values)))]

    def new(self, _now: float) -> None:
        at = NOON - int(self.rng.integers(4)) * DAY_S
        put(self.home, f"f{self.turn}", self.rows(at), at)

    def gone(self, there: Sequence[Path]) -> None:
        self.any_of(there).unlink()

    def changed(self, there: Sequence[Path]) -> None:
        old = self.any_of(there)
        at = datetime.fromisoformat(f"{old.parent.name.removeprefix('date=')}T12:00Z").timestamp()
        put(self.home, old.stem, self.rows(at), at)

    def torn(self, _now: float) -> None:
        self.any_of(kept(self.home)).write_bytes(b"torn")

    def rows(self, at: float) -> list[tuple[Any, ...]]:
        rows = []
        for _ in range(int(self.rng.integers(1, 15))):
            number = int(self.rng.integers(len(self.ids)))
            rows.append(row(
                at + number, self.any_of(_SAID)(self.rng), self.answer(),
                said_at=NOON + self.turn * 100 + self.rng.random(),
                one=f"{self.ids[number]}{day(at)}", version=self.any_of((3, 3, 4)),
                kept=self.any_of(("full", "full", "full", "hashed", "dropped")),
            ))  # fmt: skip
        return rows

    def asked(self) -> dict[str, Any]:
        asked: dict[str, Any] = {}
        if self.rng.random() < 0.5:
            asked["since"] = NOON - int(self.rng.integers(4)) * DAY_S
            asked["until"] = NOON + int(self.rng.integers(60))
        if self.rng.random() < 0.3:
            asked["version"] = 3
        return asked


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_to_files_the_answer_is_that_from_scratch(home: Home, seed: int):
    files = Files(home, seed)
    rows = []
    for _ in range(30):
        files.happen()
        rows.append(same(home, **files.asked()))
    assert max(rows) > 10


def test_a_file_is_read_once(home: Home, read: list[str]):
    put(home, "a", [row(NOON)])
    put(home, "b", [row(NOON + 1)])
    for _ in range(3):
        assert len(log.paired(home, *M)) == 2
    assert read == ["a", "b"]
    put(home, "c", [row(NOON + 2)])
    assert len(log.paired(home, *M)) == 3
    assert read == ["a", "b", "c"]
    assert len(kept(home)) == 3


def test_a_file_that_changed_is_read_again_and_one_that_went_is_forgotten(
    home: Home, read: list[str]
):
    path = put(home, "a", [row(NOON, 1)])
    put(home, "b", [row(NOON + 1)])
    assert labels.paired(log.paired(home, *M)).target == ("1", "1")
    size = path.stat().st_size
    put(home, "a", [row(NOON, 0)])
    os.utime(path, (NOON + 61, NOON + 61))
    assert path.stat().st_size == size, "its time alone tells it apart"
    assert labels.paired(log.paired(home, *M)).target == ("0", "1")
    assert read == ["a", "b", "a"]
    assert len(kept(home)) == 2, "what it held before is kept no longer"
    path.unlink()
    assert labels.paired(log.paired(home, *M)).target == ("1",)
    assert [one.name.partition("~")[0] for one in kept(home)] == ["b"]


def test_merged_files_are_one_and_nothing_is_doubled(home: Home):
    for n in range(MANY):
        put(home, f"f{n:02}", [row(NOON + n)])
    assert len(log.paired(home, *M)) == MANY
    merging = Merging(Folder(home))
    merging.run(NOON)
    assert len(log.paired(home, *M)) == MANY
    merging.run(NOON + 10 * DAY_S + STAYS_S)
    assert len(log.paired(home, *M)) == MANY
    assert len(kept(home)) == 1


def test_what_is_damaged_is_made_again(home: Home, read: list[str]):
    put(home, "a", [row(NOON)])
    log.paired(home, *M)
    (one,) = kept(home)
    good = one.read_bytes()
    for bad in (b"", b"no parquet", good[:-40], good[: len(good) // 2] + b"x" * 40):
        one.write_bytes(bad)
        assert labels.paired(log.paired(home, *M)).target == ("1",)
        assert one.read_bytes() == good
    assert read == ["a"] * 5


def test_of_another_form_it_counts_no_more(home: Home, monkeypatch: pytest.MonkeyPatch):
    put(home, "a", [row(NOON)])
    log.paired(home, *M)
    (old,) = kept(home)
    monkeypatch.setattr(paired, "_FORM", paired._FORM + 1)
    log.paired(home, *M)
    (new,) = kept(home)
    assert new.name != old.name


def test_without_room_it_is_read_each_time(
    home: Home, read: list[str], monkeypatch: pytest.MonkeyPatch
):
    put(home, "a", [row(NOON)])

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet, "write", full)
    for _ in range(2):
        assert labels.paired(log.paired(home, *M)).target == ("1",)
    assert read == ["a", "a"]
    assert kept(home) == []


def test_a_damaged_file_of_labels_is_named(home: Home):
    path = put(home, "a", [row(NOON)])
    path.write_bytes(b"no parquet, though it is as long as one")
    for ask in (lambda: log.paired(home, *M), lambda: log.delays(home, *M, NOON)):
        with pytest.raises(PlatformError, match=r"a\.parquet is damaged"):
            ask()


def test_it_goes_with_the_days_that_go(home: Home):
    put(home, "a", [row(NOON)])
    put(home, "b", [row(NOON - 50 * DAY_S)], NOON - 50 * DAY_S)
    assert len(log.paired(home, *M)) == 2
    retention.remove_old(Folder(home), 30, NOON)
    (left,) = kept(home)
    assert left.stem.startswith("a~")


def test_delays_are_those_of_the_newest_and_older_files_are_not_read(home: Home, read: list[str]):
    rng = np.random.default_rng(1)
    all_rows = []
    for ago in range(8):
        at = NOON - ago * DAY_S
        rows = [row(at + n, said_at=at + n + rng.random() * DAY_S) for n in range(20)]
        put(home, f"f{ago}", rows, at)
        all_rows += rows
    old = [row(NOON - 9 * DAY_S + n) for n in range(20)]
    path = put(home, "merged", old, NOON - 9 * DAY_S)  # it changed last, and has the oldest
    os.utime(path, (NOON + 9e5, NOON + 9e5))
    all_rows += old
    for until, many in ((NOON + 9e5, 30), (NOON + 9e5, 1000), (NOON - 2 * DAY_S, 30), (NOON, 7)):
        there = sorted((one[1:3] for one in all_rows if one[1] < until * 1e6), reverse=True)
        expected = [(said - predicted) / 1e6 for said, predicted in there[:many]]
        assert log.delays(home, *M, until, many) == pytest.approx(expected)
    read.clear()
    log.delays(home, *M, NOON + 9e5, 30)
    assert set(read) <= {"merged", "f0", "f1", "f2", "f3"}
    assert read


def test_whether_a_label_came_reads_what_changed_alone(home: Home, monkeypatch: pytest.MonkeyPatch):
    put(home, "old", [row(NOON - DAY_S, said_at=NOON - DAY_S)], NOON - DAY_S)
    asked: list[str] = []
    real = log.querying.query

    def noted(sql: str, paths: Any, *more: Any, **named: Any) -> Any:
        asked.extend(Path(one).stem for one in paths)
        return real(sql, paths, *more, **named)

    monkeypatch.setattr(log.querying, "query", noted)
    assert not log.came(home, *M, 3, NOON)
    put(home, "new", [row(NOON - DAY_S, said_at=NOON + 5)], NOON - DAY_S)
    assert log.came(home, *M, 3, NOON)
    assert not log.came(home, *M, 4, NOON), "it is another version's"
    assert not log.came(home, *M, 3, NOON + 6)
    assert set(asked) == {"new"}


@pytest.mark.parametrize(("ago_s", "is_read"), [(60.0, True), (7200.0, False)])
def test_labels_without_prediction_are_left_to_the_compactor_after_an_hour(
    home: Home, monkeypatch: pytest.MonkeyPatch, ago_s: float, *, is_read: bool
):
    unknown = Folder(home).unknown
    parquet.write(unknown, "u", columns.table([("x", 1, "", "", "full", "1")], columns.LABEL_TYPES))
    at = time.time() - ago_s
    os.utime(unknown / "u.parquet", (at, at))
    seen: list[str] = []
    real = unmatched.read
    monkeypatch.setattr(unmatched, "read", lambda path: (seen.append(path.stem), real(path))[1])
    assert len(log.paired(home, *M)) == 0
    assert bool(seen) == is_read
