"""Minutes of a real prediction log: written, compacted, merged, and read again."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.errors import PlatformError
from services.home import Home
from services.objectives import counting
from services.objectives.budget import Counts
from services.objectives.counting import Counter, Minutes
from services.predictions import querying
from services.predictions.columns import table as table_of
from services.predictions.folder import Folder
from services.predictions.log import PredictionLog
from services.predictions.models import Record
from tests.services.predictions.records import DAY_S, NOON, compacted, record, written

CLIP = ("clip-finetuning", "clip")


def asked(at: float, **changes: Any) -> Record:
    return record(at, **{"inputs": None, "outputs": None, **changes})


def by_hand(records: list[Record], bound_ms: float) -> dict[int, tuple[int, int, int]]:
    found: dict[int, tuple[int, int, int]] = {}
    for one in records:
        if one.shadow or (one.project, one.model) != CLIP:
            continue
        n, failed, slow = found.get(int(one.at // 60), (0, 0, 0))
        bad = one.status >= 500
        late = not bad and one.latency_ms > bound_ms
        found[int(one.at // 60)] = (n + 1, failed + bad, slow + late)
    return found


def columns(found: Minutes) -> dict[int, tuple[int, int, int]]:
    counts = zip(found.requests.tolist(), found.failed.tolist(), found.slow.tolist(), strict=True)
    return dict(zip(found.minute.tolist(), counts, strict=True))


def some(count: int, begin: float, length_s: float) -> list[Record]:
    rng = random.Random(begin)  # noqa: S311  no secret
    return [
        asked(
            begin + rng.random() * length_s,
            status=rng.choice([200, 200, 200, 500, 503, 429]),
            latency_ms=rng.lognormvariate(3, 1),
            shadow=rng.random() < 0.1,
            **rng.choice([{}, {}, {"model": "other"}]),
        )
        for _ in range(count)
    ]


def test_counts_are_those_of_the_rows_wherever_they_lie(home: Home):
    old, new = some(300, NOON - 2 * DAY_S, 7200), some(300, NOON - 7200, 7200)
    written(home, *old)
    compacted(home)
    written(home, *new)
    counter = Counter(home)
    expected = by_hand(old + new, 25.0)
    for _ in range(2):  # the second time from what was counted
        found = counter.minutes(*CLIP, NOON - 3 * DAY_S, NOON, 25.0)
        assert columns(found) == expected
    assert found.first_at == min(expected) * 60.0
    compacted(home)
    assert columns(counter.minutes(*CLIP, NOON - 3 * DAY_S, NOON, 25.0)) == expected
    assert columns(Counter(home).minutes(*CLIP, NOON - 3 * DAY_S, NOON, 25.0)) == expected


def test_a_file_is_read_once(home: Home, monkeypatch: pytest.MonkeyPatch):
    read: list[Path] = []
    real = counting._read

    def noted(path: Path) -> Any:
        read.append(path)
        return real(path)

    monkeypatch.setattr(counting, "_read", noted)
    counter = Counter(home)
    for number in range(3):
        written(home, asked(NOON - number * DAY_S))
        compacted(home)
        found = counter.minutes(*CLIP, NOON - 30 * DAY_S, NOON)
        assert int(found.requests.sum()) == number + 1
    assert len(read) == 3
    counter.minutes(*CLIP, NOON - DAY_S / 4, NOON)
    counter.minutes(*CLIP, NOON - 30 * DAY_S, NOON)
    assert len(read) == 3, "a shorter look forgets no file"
    counter.minutes(*CLIP, NOON - 30 * DAY_S, NOON, 5.0)
    assert len(read) == 6, "with another bound what is slow is another"


def test_what_went_into_another_file_is_forgotten_and_counts_once(home: Home):
    counter = Counter(home)
    for number in range(13):
        written(home, asked(NOON - 600 + number))
        compacted(home)
        counter.minutes(*CLIP, NOON - DAY_S, NOON)
    assert int(counter.minutes(*CLIP, NOON - DAY_S, NOON).requests.sum()) == 13
    there = [path for one in Folder(home).rows(*CLIP) for path in one.files()]
    assert len(there) < 13, "they were merged"
    assert {path for path, _ in counter._known[CLIP]} == set(there)


def test_a_log_that_goes_on_is_seen_at_once(home: Home):
    log = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    counter = Counter(home)
    for number in range(1, 4):
        log.append(asked(NOON - 30))
        assert int(counter.minutes(*CLIP, NOON - 60, NOON).requests.sum()) == number
    log.close()


def test_a_damaged_file_is_named(home: Home):
    written(home, asked(NOON))
    compacted(home)
    (path,) = [path for one in Folder(home).rows(*CLIP) for path in one.files()]
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(PlatformError, match=path.name):
        Counter(home).minutes(*CLIP, NOON - 60, NOON + 60)


def test_nothing_asked_is_no_minute(home: Home):
    found = Counter(home).minutes(*CLIP, NOON - 60, NOON)
    assert (len(found.minute), found.first_at) == (0, None)
    assert found.within(0, NOON, "errors") == Counts(0, 0)


def test_a_clock_that_jumped_takes_no_memory(home: Home):
    odd = [asked(60.0), asked(NOON), asked(2e11)]
    written(home, *odd)
    found = Counter(home).minutes(*CLIP, 0, 2.1e11)
    assert columns(found) == by_hand(odd, 1e9)


def test_windows_take_whole_minutes_and_failed_answers_have_no_latency():
    whole = np.array([10, 11, 15], dtype=np.int64)
    found = Minutes(whole, np.array([5, 6, 7]), np.array([1, 0, 2]), np.array([3, 0, 4]))
    assert found.within(610.0, 700.0, "errors") == Counts(11, 1)
    assert found.within(660.0, 959.9, "latency") == Counts(11, 4)
    assert found.within(600.0, 600.0, "latency") == Counts(4, 3)
    assert columns(counting.summed([found, found, Minutes.none()])) == {
        10: (10, 2, 6), 11: (12, 0, 0), 15: (14, 4, 8),
    }  # fmt: skip


def test_values_that_are_missing_are_no_failures(home: Home):
    broken = replace(asked(NOON), status="broken", latency_ms="x")  # type: ignore[arg-type]
    written(home, asked(NOON), broken)
    table = querying.consistently(home, lambda _folder, look: look.table())
    assert table["status"].null_count == 1
    assert columns(counting.tally(table, 1.0)) == {int(NOON // 60): (2, 0, 1)}
    assert len(counting.tally(table_of([]), 1.0).minute) == 0
