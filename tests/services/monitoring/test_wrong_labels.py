"""Labels that are wrong cost themselves alone: the others measure how right the answers were."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.home import Home
from services.monitoring import accuracy, labels
from services.monitoring.computing import Monitor
from services.monitoring.store import VerdictStore
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback, Record
from tests.services.monitoring.test_accuracy import matched
from tests.services.monitoring.test_computing import HOUR_S, NOW, by_kind
from tests.services.predictions.records import request_id

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("wrong", ["n/a", "", True, "Ulm", "nan", "inf", [1.5, 2.5], {"no": 1}])
def test_a_label_that_is_no_figure_is_left_out_and_the_error_is_measured(wrong: object):
    pairs = [(1.5 + n, {"price": [2.0 + n]}) for n in range(40)]
    found = labels.paired(matched(*pairs, (wrong, {"price": [7.25]})))
    assert (found.task, found.requests, found.unusable) == ("regression", 40, 1)
    quality = accuracy.measured(found, 41, NOW, NOW + 60, 3600).overall
    assert quality is not None
    assert (quality.metric, quality.value, quality.rows) == ("mae", 0.5, 40)


def test_a_figure_that_was_written_as_text_is_one():
    found = labels.paired(matched(("1.5", {"y": [1.0]}), (2.25, {"y": [3.5]})))
    assert (found.target, found.prediction, found.unusable) == ((1.5, 2.25), (1.0, 3.5), 0)


def test_names_beside_numbers_of_classes_are_classes():
    pairs = [("cat", {"label": [n % 2]}) for n in range(9)]
    found = labels.paired(matched(*pairs, (1, {"label": [1]})))
    assert (found.task, found.requests, found.strange) == ("classification", 10, 9)
    thousand = [(str(n), {"label": [n]}) for n in range(1000)]
    assert labels.paired(matched(*thousand)).task == "classification"


def test_names_beside_figures_fit_no_answer():
    found = labels.paired(matched(*[("cat", {"score": [0.25 * n]}) for n in range(9)]))
    assert (found.requests, found.unusable, len(found.at)) == (0, 9, 0)
    none = accuracy.measured(found, 9, NOW, NOW + 60, 3600)
    assert none.overall is None
    assert "9 labels fit no answer" in none.said


def test_each_row_keeps_its_label_and_its_time():
    found = labels.paired(matched(
        ([1.5, 2.5], {"y": [1.25, 2.0]}), ("x", {"y": [1.5]}), (None, {"y": [1.5]}),
        ([3.5, "x"], {"y": [3.25, 3.0]}), (4.5, {"y": [4.25]}),
    ))  # fmt: skip
    assert found.target == (1.5, 2.5, 4.5)
    assert list(found.label_of) == [0, 0, 4]
    assert list(found.at - NOW) == [0.0, 0.0, 4.0]
    assert (found.requests, found.unusable) == (2, 3)
    beside = labels.of_rows([1.5, "x", 4.5], [1.25, 0.5, 4.25])
    assert (beside.target, list(beside.label_of), beside.unusable) == ((1.5, 4.5), [0, 2], 1)


def test_a_label_beyond_all_bounds_leaves_figures_that_can_be_told():
    pairs = [(1.5, {"y": [1.25]})] * 40
    found = labels.paired(matched(*pairs, (1e308, {"y": [-1e308]})))
    quality = accuracy.of_values(found.target, found.prediction)
    assert quality is not None
    assert np.isfinite([quality.value, quality.low, quality.high, quality.deviation]).all()
    assert accuracy.judge(quality, quality).state == "steady"


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
)
"""What JSON says, and the log keeps."""


@given(st.lists(st.tuples(VALUES | st.lists(VALUES, max_size=3), st.lists(VALUES, max_size=3))))
def test_whatever_labels_and_answers_come_each_is_used_or_counted(
    pairs: list[tuple[object, list[object]]],
):
    found = labels.paired(matched(*[(label, {"y": said}) for label, said in pairs]))
    assert found.requests + found.unusable == len(pairs)
    assert len(found.target) == len(found.prediction) == len(found.at) == len(found.label_of)
    quality = accuracy.of_values(found.target, found.prediction)
    assert quality is None or np.isfinite([quality.value, quality.low, quality.high]).all()


def test_one_client_that_labels_wrongly_does_not_switch_the_check_off(home: Home):
    """Through the real log: prices, of which an hour has some labels that are none."""
    log = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    for n in range(300):
        at, price = NOW - HOUR_S + 10 * n, float(RNG.normal(100, 10))
        one, said = request_id(at), {"price": [price]}
        log.append(
            Record(one, at, "p", "m", 3, "plain", 200, 1.0, inputs={"a": [1.0]}, outputs=said)
        )
        wrong = n % 30 == 0
        log.append_feedback(Feedback(one, at + 5, "unknown" if wrong else price + 0.5))
    log.close()
    store = VerdictStore(home)
    checked = by_kind(Monitor(home, store).check("p", "m", 3, now=NOW))
    store.close()
    assert "Mean absolute error 0.5 " in checked["accuracy"].said
    found = accuracy.read(home, "p", "m", NOW - HOUR_S, NOW, HOUR_S)
    assert (found.labelled, found.unusable) == (290, 10)
    assert "10 labels fit no answer and are left out" in found.said
