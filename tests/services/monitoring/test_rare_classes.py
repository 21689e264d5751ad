"""Means over classes of which some are rare: how far back a verdict looks, and what it says."""

import pytest

from services.home import Home
from services.monitoring import accuracy, labels_window
from services.monitoring.accuracy import Bound
from services.predictions.columns import table
from services.predictions.folder import Folder, day
from services.predictions.labels import MATCHED_TYPES
from services.predictions.parquet import write
from tests.services.predictions.records import NOON, request_id

DAY_S, M = 86_400.0, ("p", "m")


def labelled(home: Home, ago: int, **counts: int) -> None:
    """Keep so many labels of each class of a day, all answered right."""
    at = NOON - ago * DAY_S - 7200
    names = [name for name, many in counts.items() for _ in range(many)]
    rows = [
        (request_id(at + n / 100), round((at + n / 100 + 60) * 1e6), round((at + n / 100) * 1e6),
         3, "", "full", f'"{name}"', f'{{"y": ["{name}"]}}')
        for n, name in enumerate(names)
    ]  # fmt: skip
    write(Folder(home).of_feedback(*M, day(at)), f"f{ago}", table(rows, MATCHED_TYPES))


def looked_back(home: Home, metric: accuracy.Metric = "recall") -> tuple[int, accuracy.Quality]:
    """Return over how many days the verdict is, and its figure."""
    seen = labels_window.read(home, *M, 3, NOON, metric=metric)
    assert seen.found.overall is not None
    return round((seen.until - seen.since) / DAY_S), seen.found.overall


def test_rows_enough_of_too_little_worth_are_not_enough(home: Home):
    for ago in range(10):
        labelled(home, ago, yes=245, no=5)
    days, found = looked_back(home)
    assert (days, found.rows) == (7, 7 * 250), "a day is worth 20 of an even mix"
    assert looked_back(home, "accuracy")[0] == 1


def test_a_class_of_which_a_day_has_too_few_labels_counts(home: Home):
    for ago in range(10):
        labelled(home, ago, a=150, b=150, rare=2)
    days, found = looked_back(home)
    assert (days, found.classes, found.left_out) == (7, ("a", "b", "rare"), 0)


def test_a_typing_error_makes_no_window_longer(home: Home):
    for ago in range(10):
        labelled(home, ago, a=150, b=150, **({"bb": 1} if ago == 0 else {}))
    days, found = looked_back(home)
    assert (days, found.classes, found.left_out) == (1, ("a", "b"), 1)


@pytest.mark.parametrize(("bound", "state"), [(None, "unknown"), (0.5, "steady"), (1.5, "drifted")])
def test_a_verdict_says_what_is_left_out(bound: float | None, state: str):
    names = ["a"] * 100 + ["b"] * 100 + ["bb"]
    now = accuracy.of_values(names, names, "recall")
    judged = accuracy.judge(now, None, None if bound is None else Bound("recall", bound))
    assert judged.state == state
    assert "; 1 class with fewer than 5 labels is left out of the mean over classes" in judged.said


def test_so_does_one_of_too_few_rows():
    names = ["a"] * 10 + ["b"] * 10 + ["c", "d"]
    judged = accuracy.judge(accuracy.of_values(names, names, "f1"), None, Bound("f1", 0.5))
    assert judged.state == "too few"
    assert "2 classes with fewer than 5 labels are left out" in judged.said
