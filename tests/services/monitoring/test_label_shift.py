"""Labels that moved, the figure of a verdict, and the measure that a project is judged by."""

import time
from dataclasses import replace

import pytest

from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.monitoring import labelled, primaries
from services.monitoring.accuracy import Bound
from services.monitoring.computing import Monitor
from services.monitoring.models import Verdict
from services.monitoring.store import VerdictStore
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback
from services.settings import Settings
from tests.services.monitoring.predicted import HOUR_S, asked
from tests.services.monitoring.test_computing import NOW, TrackingServer, by_kind, evaluated

OF = ("p", "m", 3)


def checked(home: Home, **said: object) -> dict[str, Verdict]:
    store = VerdictStore(home)
    try:
        server = TrackingServer(evaluated())
        found = by_kind(
            Monitor(home, store, server).check(*OF, report=False, now=NOW, **said)  # type: ignore[arg-type]
        )
        assert store.verdict(found["accuracy"].id) == found["accuracy"]
        return found
    finally:
        store.close()


def labels(home: Home, ones: float) -> None:
    """Have labels come of which so many are 1, whatever was answered."""
    ids = asked(home, NOW - HOUR_S, 600, seed=1)
    log = PredictionLog.open(home, "late", reserve_bytes=1 << 16)
    for place, one in enumerate(ids):
        said_at = NOW - HOUR_S + place * HOUR_S / len(ids) + 1
        log.append_feedback(Feedback(one, said_at, int(place % 10 < ones * 10)))
    log.close()


def test_labels_that_moved_are_one_more_output_that_did(home: Home):
    labels(home, 0.9)
    found = checked(home)["prediction"]
    assert found.named("drifted") == (labelled.TRUTH,)
    assert "1 of 3 outputs moved from" in found.said
    assert "true labels" in found.said
    assert found.severity in ("medium", "high")
    (one,) = (column for column in found.columns if column.name == labelled.TRUTH)
    assert (one.n_current, one.n_reference) == (600, 600)


def test_labels_that_are_as_they_were_are_steady(home: Home):
    asked(home, NOW - HOUR_S, 600, seed=1, right=0.95)
    found = checked(home)["prediction"]
    assert (found.state, found.named("drifted")) == ("steady", ())
    assert labelled.TRUTH in {one.name for one in found.columns}


def test_without_labels_there_is_no_such_column(home: Home):
    asked(home, NOW - HOUR_S, 600, seed=1)
    found = checked(home)
    assert labelled.TRUTH not in {one.name for one in found["prediction"].columns}
    assert found["accuracy"].figure is None


def test_a_verdict_has_its_figure_in_the_measure_that_is_wanted(home: Home):
    asked(home, NOW - HOUR_S, 600, seed=1, right=0.8)
    plain = checked(home)["accuracy"].figure
    assert plain is not None
    assert (plain.metric, plain.rows, plain.bound) == (
        "accuracy",
        590,
        None,
    )  # 60 s late: the newest wait
    assert plain.low < plain.value < plain.high
    assert plain.expected == pytest.approx(0.95, abs=0.03)
    wanted = checked(home, metric="f1")["accuracy"]
    assert wanted.figure is not None
    assert wanted.figure.metric == "f1"
    assert wanted.said.startswith("F1 ")
    promised = checked(home, metric="f1", bound=Bound("recall", 0.9))["accuracy"]
    assert promised.figure is not None
    assert (promised.figure.metric, promised.figure.bound) == ("recall", 0.9)
    assert (promised.state, promised.severity) == ("drifted", "high")


def test_a_verdict_of_before_there_were_figures_has_none(home: Home):
    asked(home, NOW - HOUR_S, 100, seed=1, right=0.8)
    one = checked(home)["accuracy"]
    said = one.as_json()
    del said["figure"]
    assert Verdict.from_json(said) == replace(one, figure=None)
    assert Verdict.from_json(one.as_json()) == one


def test_a_project_is_measured_by_its_main_metric(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLOPS_HOME", str(home.root))
    assert primaries.metrics_of({"p"}, Settings()) == {}, "no mirror yet"
    engine, _ = schema.prepare(Settings().mirror_url)
    store = Store(engine)
    for name, metric in (("p", "val_f1"), ("q", "val_frechet"), ("r", "rmse")):
        store.write_project(name, "connected", {"title": name, "primary_metric": metric})
    engine.dispose()
    assert primaries.metrics_of({"p", "q"}, Settings()) == {"p": "f1"}


def test_a_round_takes_it(home: Home, monkeypatch: pytest.MonkeyPatch):
    from services.monitoring import checking
    from tests.services.monitoring.test_checking import served

    monkeypatch.setenv("MLOPS_HOME", str(home.root))
    monkeypatch.setattr(primaries, "metrics_of", lambda *_: {"p": "precision"})
    served(home, OF)
    now = time.time()
    asked(home, now - HOUR_S, 200, right=0.9, span_s=HOUR_S - 120)
    came = checking.run(home, checking.Asked(report=False), mlflow=TrackingServer(None))  # type: ignore[arg-type]
    (one,) = came.checked.values()
    assert not isinstance(one, Exception), one
    assert by_kind(one)["accuracy"].said.startswith("Precision ")
