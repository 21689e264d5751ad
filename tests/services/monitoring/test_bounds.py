"""What is promised of accuracy, in the verdict and its sentence: any measure, any world."""

import contextlib
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.actions.journal import Journal
from services.home import Home
from services.monitoring import accuracy, checking
from services.monitoring.accuracy import Bound, Quality
from services.monitoring.checking import Asked, Round
from services.monitoring.models import Verdict
from services.objectives import store as objectives
from services.objectives.models import Objective
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback
from services.settings import Settings
from tests.services.monitoring.test_checking import served
from tests.services.monitoring.test_computing import TrackingServer
from tests.services.predictions.records import record as answer

FLOOR, CEILING = Bound("accuracy", 0.9), Bound("mae", 3.5)


def hits(count: int, rows: int) -> Quality:
    found = accuracy.of_values([1] * count + [0] * (rows - count), [1] * rows)
    assert found is not None
    return found


def errors(mean: float, rows: int = 100, spread: float = 0.5) -> Quality:
    answers = np.resize([mean - spread, mean + spread], rows) + 0.25
    found = accuracy.of_values([0.25] * rows, answers.tolist())
    assert found is not None
    assert found.metric == "mae"
    return found


def test_a_bound_is_broken_beyond_chance_alone():
    near = accuracy.judge(hits(88, 100), None, FLOOR)
    assert near.state == "steady"
    assert near.said.endswith("on 100 rows, beyond the bound of 0.9, which may be chance.")
    assert accuracy.judge(hits(800, 1000), None, FLOOR).severity == "high"
    assert accuracy.judge(hits(10, 12), None, FLOOR).state == "too few"
    well = accuracy.judge(hits(95, 100), None, FLOOR)
    assert well.state == "steady"
    assert well.said.endswith("on 100 rows, within the bound of 0.9.")


def test_a_mean_error_is_held_against_its_bound():
    broken = accuracy.judge(errors(4.0), None, CEILING)
    assert (broken.state, broken.severity) == ("drifted", "high")
    assert broken.said == (
        "Mean absolute error 4 (3.902 to 4.098) on 100 rows, beyond the bound of 3.5; severity "
        "high."
    )
    near = accuracy.judge(errors(3.52), None, CEILING)
    assert near.state == "steady"
    assert near.said.endswith("beyond the bound of 3.5, which may be chance.")
    assert accuracy.judge(errors(3.0), None, CEILING).said.endswith("within the bound of 3.5.")
    assert accuracy.judge(errors(9.0, rows=29), None, CEILING).state == "too few"


@pytest.mark.parametrize(
    ("now", "expected", "bound", "end"),
    [
        (errors(4.0), None, None, "rows; it was not measured before, and no bound is set."),
        (errors(4.0), None, FLOOR, "rows; it was not measured before, and the bound that is set "
         "is one of accuracy, which these labels do not give."),
        (hits(90, 100), None, CEILING, "rows; it was not measured before, and the bound that is "
         "set is one of mean absolute error, which these labels do not give."),
        (errors(4.0), hits(90, 100), None, "rows; its evaluation data has a figure of accuracy, "
         "and no bound is set."),
        (errors(4.0), hits(90, 100), FLOOR, "rows; its evaluation data has a figure of accuracy, "
         "and the bound that is set is one of accuracy, which these labels do not give."),
    ],
)  # fmt: skip
def test_what_nothing_can_be_held_against_is_unknown_and_says_truly_why(now, expected, bound, end):
    found = accuracy.judge(now, expected, bound)
    assert (found.state, found.severity) == ("unknown", "none")
    assert found.said.endswith(end)


@pytest.mark.parametrize(
    ("now", "expected", "bound", "state", "end"),
    [
        (errors(2.0), errors(2.0), None, "steady", "rows, as expected (it was 2 on 100 rows)."),
        (errors(2.0), errors(2.0), CEILING, "steady",
         "within the bound of 3.5, as expected (it was 2 on 100 rows)."),
        (errors(4.0), errors(4.0), CEILING, "drifted",
         "beyond the bound of 3.5, was 4 on 100 rows; severity high."),
        (errors(3.0), errors(2.0), CEILING, "drifted",
         "within the bound of 3.5, was 2 on 100 rows; severity high."),
        (errors(2.3), errors(2.0), None, "drifted", "rows, was 2 on 100 rows; severity medium."),
        (errors(2.0), errors(2.0), FLOOR, "steady", "as expected (it was 2 on 100 rows); the bound "
         "that is set is one of accuracy, which these labels do not give."),
        (errors(2.0), hits(9, 10), CEILING, "steady",
         "within the bound of 3.5; its evaluation data has a figure of accuracy."),
    ],
)  # fmt: skip
def test_the_sentence_says_what_the_figure_was_held_against(now, expected, bound, state, end):
    found = accuracy.judge(now, expected, bound)
    assert (found.state, found.said[-len(end) :]) == (state, end)


def test_errors_that_are_all_the_same_are_no_excuse():
    same = errors(4.0, spread=0.0)
    assert same.deviation == 0.0
    assert accuracy.judge(same, None, CEILING).state == "drifted"
    assert accuracy.judge(same, errors(2.0, spread=0.0)).state == "drifted"
    assert accuracy.judge(same, same).state == "steady"
    noisy = accuracy.of_values([0.1 * n for n in range(100)], [0.1 * n + 3.5 for n in range(100)])
    assert noisy is not None
    assert accuracy.judge(noisy, None, CEILING).state == "steady"  # rounding is no error


@given(
    mean=st.floats(0.01, 50), spread=st.floats(0, 0.01), rows=st.integers(30, 5000),
    bound=st.floats(0.01, 50), past=st.none() | st.floats(0.01, 50),
)  # fmt: skip
def test_no_sentence_says_within_where_it_is_beyond(mean, spread, rows, bound, past):
    now = errors(mean, rows, spread)
    expected = None if past is None else errors(past, 200, spread)
    found = accuracy.judge(now, expected, Bound("mae", bound))
    assert ("beyond the bound" in found.said) == (now.value > bound)
    assert ("within the bound" in found.said) == (now.value <= bound)
    if accuracy.is_broken(now, Bound("mae", bound)):
        assert (found.state, found.severity) == ("drifted", "high")
        assert now.value > bound
    assert found.state in ("drifted", "steady")


# On the log, with what is in the journal


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    made = Home.locate()
    made.create()
    served(made, ("p", "m", 3))
    return made


def promised(*said: Objective, model: str = "m") -> None:
    with contextlib.closing(Journal.open(Settings())) as journal:
        for one in said:
            objectives.put(journal, "p", model, one)


def measured(home: Home, off: float, rows: int = 100) -> None:
    """Have answers been off by so much on average, and their labels come."""
    log = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    for n in range(rows):
        one = answer(time.time() - 3000 + n, project="p", model="m", version=3, rows=1,
                     inputs={"a": [0.1]}, outputs={"y": [0.25 + n]})  # fmt: skip
        log.append(one)
        log.append_feedback(Feedback(one.id, one.at + 60, 0.25 + n + off * (1.1 if n % 2 else 0.9)))
    log.close()


def round_(home: Home) -> Round:
    server = TrackingServer(None)
    return checking.run(home, Asked(report=False), mlflow=server)  # type: ignore[arg-type]


def right(came: Round) -> Verdict:
    (checked,) = came.checked.values()
    assert not isinstance(checked, Exception), checked
    return next(one for one in checked.verdicts if one.kind == "accuracy")


@pytest.mark.parametrize(
    ("off", "state", "word"),
    [(4.0, "drifted", "beyond the bound of 3.5; severity high"),
     (2.0, "steady", "within the bound of 3.5")],
)  # fmt: skip
def test_a_promised_mean_error_reaches_the_verdict(home: Home, off: float, state: str, word: str):
    promised(Objective("accuracy", 3.5, 7, metric="mae"), Objective("errors", 0.99))
    measured(home, off)
    found = right(round_(home))
    assert (found.state, word in found.said) == (state, True), found.said


def test_a_promised_accuracy_is_not_held_against_a_mean_error(home: Home):
    promised(Objective("accuracy", 0.9), model="")
    measured(home, 2.0)
    found = right(round_(home))
    assert found.state == "unknown"
    assert "the bound that is set is one of accuracy, which these labels do not give" in found.said


def test_a_new_promise_is_a_new_question_though_nothing_came(home: Home):
    measured(home, 4.0)
    assert "no bound is set" in right(round_(home)).said
    assert round_(home).checked == {}
    promised(Objective("accuracy", 3.5, 7, metric="mae"))
    assert right(round_(home)).state == "drifted"
    assert round_(home).checked == {}
    promised(Objective("accuracy", 5.0, 7, metric="mae"))
    assert right(round_(home)).state == "steady"
