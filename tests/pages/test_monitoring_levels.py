"""The panel of objectives, over a real log and journal: drawn, set by a person, taken back."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from services.home import Home
from services.objectives import store as objectives
from services.objectives.models import Objective
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback, Record
from services.serving import in_service
from services.serving.in_service import Run
from tests import seed
from tests.pages.conftest import said, words
from tests.pages.moulds import Moulds
from tests.services.predictions.records import record, written

PROJECT = MODEL = seed.PROJECTS[0][0]


def panel() -> None:
    from dashboard.monitoring import levels
    from tests.pages.test_monitoring_levels import MODEL, PROJECT

    levels.draw(PROJECT, MODEL, None)


def of_version_two() -> None:
    from dashboard.monitoring import levels
    from tests.pages.test_monitoring_levels import MODEL, PROJECT

    levels.draw(PROJECT, MODEL, 2)


def asked(count: int, bad: int = 0, ago_s: float = 3600.0, **changes: Any) -> list[Record]:
    now = time.time()
    given = {"project": PROJECT, "model": MODEL, "inputs": None, "outputs": None, **changes}
    return [record(now - ago_s + n, status=500 if n < bad else 200, **given) for n in range(count)]


@pytest.fixture
def drawn(home: Home, moulds: Moulds, signed_in: Callable[..., str]) -> Callable[..., AppTest]:
    moulds.mirror("full", home).engine.dispose()

    def run(script: Callable[[], None] = panel, role: str = "operator") -> AppTest:
        signed_in(role)
        app = AppTest.from_function(script, default_timeout=20).run()
        assert not app.exception, app.exception
        return app

    return run


def test_budgets_burns_and_the_machine_are_told(home: Home, drawn: Callable[..., AppTest]):
    hot = {"thermal_level": 2, "memory_pressure": 1}
    written(
        home, *asked(600, 3, host_state={"thermal_level": 0}, latency_ms=10.0, energy_j=None),
        *asked(400, 0, 401, host_state=hot, latency_ms=80.0, energy_j=0.5, rows=1),
    )  # fmt: skip
    objectives.put(
        state.journal(), PROJECT, MODEL, Objective("latency", 0.95, 7, 50.0, set_by="ana")
    )
    app = drawn()
    told = said(app)
    assert "99.7 % of 1,000 requests in the last 30 days were answered" in told
    assert "the platform's default" in told
    assert "said of this model by ana" in told
    left = [one.proto.text for one in app.get("progress")]
    assert left == ["70 % of the budget is left",
                    "Nothing is left of the budget: 8.02 times as much was spent"]  # fmt: skip
    assert "local_fire_department" in told
    assert "an alert from 14.4 on" in told
    table = app.dataframe[0].value
    assert list(table["level"]) == ["0 (nominal)", "2 (heavy)", "1 (normal)"]
    assert list(table["p50"]) == ["10 ms", "80 ms", "80 ms"]
    assert list(table["answers"]) == ["597", "400", "400"]
    assert "Low Power Mode: unavailable, because none of the 997 answers" in told
    assert "400 predictions took 200 J, 500 J a thousand: 2 a second per watt" in told
    charts = [one.proto.spec for one in app.get("echarts_chart")]
    assert len(charts) == 2
    assert "Budget of errors" in charts[0]
    assert "Budget of latency" in charts[0]
    assert "Predictions a second per watt" in charts[1]


def test_minutes_in_service_are_told_with_the_outages(home: Home, drawn: Callable[..., AppTest]):
    now = time.time()
    runs = (Run(now - 7200, now - 4200, "up"), Run(now - 4200, now - 3600, "down"),
            Run(now - 3600, now, "up"))  # fmt: skip
    in_service.write(home, {f"{PROJECT}.{MODEL}": runs})
    objectives.put(state.journal(), PROJECT, MODEL, Objective("availability", 0.99))
    app = drawn()
    told = said(app)
    assert "91.6667 % of the 120 minutes that were watched" in told
    assert "Out of service: " in told
    assert "10 min" in told
    (chart,) = [one.proto.spec for one in app.get("echarts_chart")]
    assert "Budget of availability" in chart


def test_what_this_machine_cannot_measure_is_unavailable(home: Home, drawn: Callable[..., AppTest]):
    written(home, *asked(120, host_state=None, energy_j=None))
    told = words(drawn())
    for title in ("Thermal level", "Memory pressure", "Low Power Mode"):
        assert f"{title}: unavailable, because none of the 120 answers" in told.replace("\\", "")
    assert "Throughput per watt and energy: unavailable, because no prediction" in told


def test_nobody_asked(drawn: Callable[..., AppTest]):
    app = drawn()
    told = words(app).replace("\\", "")
    assert "Nobody asked it in the last 30 days." in told
    assert "unavailable, because nobody asked it in this stretch." in told
    assert not app.get("progress")
    assert not app.get("echarts_chart")


def test_the_machine_is_told_of_one_version(home: Home, drawn: Callable[..., AppTest]):
    written(home, *asked(30, version=2, host_state={"thermal_level": 0}), *asked(90, version=1))
    app = drawn(of_version_two)
    assert list(app.dataframe[0].value["answers"]) == ["30"]
    assert "of version 2" in " ".join(one.value for one in app.subheader)
    assert "120 requests" in words(app)


def test_labels_are_counted_and_then_told(home: Home, drawn: Callable[..., AppTest]):
    log = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    for one in asked(40, rows=1, outputs={"label": ["yes"]}, inputs={"x": [1]}):
        log.append(one)
        log.append_feedback(Feedback(one.id, time.time(), "no"))
    log.close()
    objectives.put(state.journal(), PROJECT, MODEL, Objective("accuracy", 0.9, 7))
    for _ in range(50):
        told = words(drawn())
        if "is being counted" not in told:
            break
        time.sleep(0.1)
    assert "It is beyond its bound of 0.9; that is hardly chance." in told.replace("\\", "")


def test_a_log_that_cannot_be_read_is_said(home: Home, drawn: Callable[..., AppTest]):
    from services.predictions.folder import Folder
    from tests.services.predictions.records import compacted

    written(home, *asked(10))
    compacted(home, time.time())
    for path in [path for one in Folder(home).rows(PROJECT, MODEL) for path in one.files()]:
        path.write_bytes(b"no more")
    app = drawn()
    assert "cannot be read" in app.error[0].value
    assert "cannot be read" in words(app)


# What is done


@pytest.mark.parametrize(
    ("fill", "wanted"),
    [
        ({}, Objective("errors", 0.99)),
        ({"objective-errors": 99.5, "objective-days-errors": 7},
         Objective("errors", 0.995, 7)),
        ({"kind": "latency", "objective-bound": 120.0, "objective-quantile": 90.0},
         Objective("latency", 0.9, 30, 120.0)),
        ({"kind": "accuracy", "objective-bound-accuracy": 0.8}, Objective("accuracy", 0.8)),
        ({"kind": "accuracy", "objective-metric": "mae", "objective-bound-mae": 2.5},
         Objective("accuracy", 2.5, metric="mae")),
        ({"kind": "accuracy", "objective-metric": "f1", "objective-bound-f1": 0.7},
         Objective("accuracy", 0.7, metric="f1")),
    ],
)  # fmt: skip
def test_an_operator_sets_one(
    drawn: Callable[..., AppTest], dialog_open: Callable[[str], None],
    carry_out: Callable[[], int], fill: dict[str, Any], wanted: Objective,
):  # fmt: skip
    dialog_open("objective-set")
    app = drawn()
    if "kind" in fill:
        app.button_group(key="objective-kind").set_value(fill["kind"]).run()
    if "objective-metric" in fill:
        app.selectbox(key="objective-metric").set_value(fill["objective-metric"]).run()
    for key, value in fill.items():
        if key not in {"kind", "objective-metric"}:
            app.number_input(key=key).set_value(value).run()
    assert not app.exception, app.exception
    app.button(key="acting-do").click().run()
    assert not app.exception, app.exception
    assert carry_out() == 1
    (found,) = objectives.said(state.journal())[PROJECT, MODEL].values()
    assert (found.kind, found.target, found.days, found.bound_ms, found.metric) == (
        wanted.kind, wanted.target, wanted.days, wanted.bound_ms, wanted.metric,
    )  # fmt: skip
    assert found.set_by == "mira"


def test_one_is_set_for_the_project_and_taken_back(
    drawn: Callable[..., AppTest], dialog_open: Callable[[str], None], carry_out: Callable[[], int]
):
    dialog_open("objective-set")
    app = drawn()
    app.toggle(key="objective-whole").set_value(True).run()
    app.button(key="acting-do").click().run()
    assert carry_out() == 1
    assert list(objectives.said(state.journal())) == [(PROJECT, "")]


def test_one_is_taken_back(
    drawn: Callable[..., AppTest], dialog_open: Callable[[str], None], carry_out: Callable[[], int]
):
    objectives.put(state.journal(), PROJECT, MODEL, Objective("errors", 0.9))
    dialog_open("objective-remove-errors")
    app = drawn()
    assert "Then it promises 99 % of requests answered" in words(app).replace("\\", "")
    app.button(key="acting-do").click().run()
    assert carry_out() == 1
    assert objectives.said(state.journal()) == {}


def test_a_viewer_may_not(drawn: Callable[..., AppTest]):
    objectives.put(state.journal(), PROJECT, MODEL, Objective("errors", 0.9))
    app = drawn(role="viewer")
    for key in ("objective-set", "objective-remove-errors"):
        assert app.button(key=key).disabled
