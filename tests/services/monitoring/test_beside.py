"""A shadow beside the live version, by the labels of the same requests."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.home import Home
from services.monitoring import accuracy, beside, checking, deployed
from services.monitoring.checking import Asked
from services.predictions import columns
from services.predictions.labels import MATCHED_TYPES
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback, Record
from services.serving import routes
from services.serving.models import Privacy
from services.serving.routes import Route, Routes
from tests.services.monitoring.test_computing import TrackingServer, evaluated
from tests.services.predictions.records import compacted, request_id

SHADOW = 4


def both(
    home: Home, answers: list[tuple[object, object, object]], privacy: Privacy = "full"
) -> float:
    """Write requests with (truth, live, shadow) each; return when the first was answered."""
    begin = time.time() - 600
    log = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    for n, (truth, live, shadow) in enumerate(answers):
        at = begin + n * 0.1
        name = request_id(at)
        for version, said in ((3, live), (SHADOW, shadow)):
            log.append(
                Record(name, at + (version == SHADOW) * 0.01, "p", "m", version, "plain", 200, 1.0,
                       inputs={"a": [float(n)]}, outputs={"label": [said]},
                       shadow=version == SHADOW),
                privacy=privacy,
            )  # fmt: skip
        if truth is not None:
            log.append_feedback(Feedback(name, at + 1.0, truth, project="p"), privacy=privacy)
    log.close()
    return begin - 1


def found(home: Home, since: float) -> beside.Paired | None:
    return beside.read(home, "p", "m", SHADOW, since, time.time())


@pytest.mark.parametrize("privacy", ["full", "hash"])
def test_both_are_held_against_the_same_labels_before_and_after_parquet(
    home: Home, privacy: Privacy
):
    """The shadow is right in 20 of 60, the live one in 50; ten requests have no label."""
    since = both(home, [("a", "a" if n < 50 else "b", "a" if n < 20 else "b") for n in range(60)]
                 + [(None, "a", "b")] * 10, privacy)  # fmt: skip
    for _ in range(2):
        paired = found(home, since)
        assert paired is not None
        assert (paired.metric, paired.rows) == ("accuracy", 60)
        assert (paired.mine, paired.theirs) == (pytest.approx(1 / 3), pytest.approx(5 / 6))
        assert paired.is_worse()
        compacted(home, time.time())


def test_an_answer_beside_one_that_is_as_good_is_not_worse(home: Home):
    since = both(home, [("a", "a" if n % 10 else "b", "a" if (n + 1) % 10 else "b")
                        for n in range(200)])  # fmt: skip
    paired = found(home, since)
    assert paired is not None
    assert paired.enough
    assert not paired.is_worse()


def test_of_errors_the_differences_tell(home: Home):
    """Rows that are hard for both hide nothing: the shadow is off by a little more each time."""
    since = both(home, [(float(n * n), n * n + 50.0 + n, n * n + 51.0 + n + n % 3 / 10)
                        for n in range(120)])  # fmt: skip
    paired = found(home, since)
    assert paired is not None
    assert paired.metric == "mae"
    assert paired.mine - paired.theirs == pytest.approx(1.1)
    assert paired.is_worse()


def test_few_labels_tell_nothing_and_none_is_none(home: Home):
    since = both(home, [("a", "a", "b")] * 29)
    paired = found(home, since)
    assert paired is not None
    assert not (paired.enough)
    assert not (paired.is_worse())
    assert beside.read(home, "p", "m", 9, since, time.time()) is None


@given(lost=st.integers(0, 60), won=st.integers(0, 60))
def test_the_exact_test_is_that_of_a_coin(lost: int, won: int):
    def table(answers: list[str]) -> object:
        rows = [(f"{n}", 0, 0, 1, "", "full", '"a"', f'{{"label":"{said}"}}')
                for n, said in enumerate(answers)]  # fmt: skip
        return columns.table(rows, MATCHED_TYPES)

    live = ["a"] * lost + ["b"] * won + ["a"] * 30
    shadow = ["b"] * lost + ["a"] * won + ["a"] * 30
    paired = beside.compared(table(live), table(shadow))  # type: ignore[arg-type]  # a table
    from math import comb

    wanted = sum(comb(lost + won, k) for k in range(lost, lost + won + 1)) / 2 ** (lost + won)
    assert paired is not None
    assert paired.p_value == pytest.approx(wanted, abs=1e-12)


def test_a_shadow_is_checked_by_its_copies_in_each_round(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLOPS_HOME", f"{tmp_path}/home")
    monkeypatch.setattr("services.monitoring.checking.Evidently", lambda: None)
    home = Home.locate()
    home.create()
    routes.write(home, Routes(1, {"p.m": Route("p.m", "p", "m", 3, {3: 1.0}, {}, shadow=SHADOW)}))
    assert deployed.shadows(home) == (("p", "m", SHADOW),)
    assert deployed.shadows(home, ["p.other"]) == ()
    since = both(home, [(n % 2, n % 2, 1 - n % 2) for n in range(300)])
    server = TrackingServer(evaluated())
    for _ in range(2):  # the second has nothing new of the live one
        came = checking.run(home, Asked(report=False), mlflow=server)  # type: ignore[arg-type]
        checked = came.checked[("p", "m", SHADOW)]
        assert not isinstance(checked, Exception)
        verdicts = {one.kind: one for one in checked.verdicts}
        assert verdicts["data"].rows == 300
        assert verdicts["accuracy"].state == "drifted"
    right = accuracy.read(home, "p", "m", since, time.time(), 3600.0, SHADOW, shadow=True)
    assert right.overall is not None
    assert (right.overall.value, right.predictions) == (0.0, 300)
