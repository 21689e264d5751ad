"""Service levels in the matrix, from plain values: their cell, what comes first, what is found."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from dashboard.charts.theme import Colours
from dashboard.monitoring import looks, matrix, promise, table
from dashboard.monitoring.matrix import Beside
from services.alerting.asking import Count
from services.objectives.levels import Level, Stretch
from services.objectives.models import ANSWERED, Objective, Standing, State
from tests.dashboard.monitoring.test_matrix import NOW, board, deployment, version

HUES = Colours(("#000010", "#000011"), (), (), *(f"#{n:06x}" for n in range(9)))
LATENCY = Objective("latency", 0.95, 7, 10.0)
ACCURACY = Objective("accuracy", 0.9, 7)
CALM = Stretch(300, 0.5, few=False)


def level(
    state: State, objective: Objective = ANSWERED, *, strip: tuple[Stretch, ...] = (CALM,),
    asked_at: float | None = NOW - 30, **more: Any,
) -> Level:  # fmt: skip
    standing = Standing("p", "m", objective, state, "It is said.", **{"requests": 300, **more})
    return Level((standing,), strip, asked_at)


def row(found: Level | None, state: str = "steady", severity: str = "none", **more: Any) -> Any:
    name = more.pop("name", "p.m")
    one = deployment(name, version(1, 1.0, live=True, **more))
    of = (one.project, one.model)
    beside = Beside({} if found is None else {of: found})
    (made,) = matrix.rows([one], board((name, 1, state, severity)), {}, NOW, beside)
    return made


@pytest.mark.parametrize(
    ("found", "word", "figure"),
    [
        (level("met", budget_left=0.634), "met", "errors, 63 % left"),
        (level("at risk", LATENCY, budget_left=0.1), "at risk", "latency, 10 % left"),
        (level("missed", LATENCY, spent=2.42, budget_left=0.0), "missed", "latency, 2.42 × spent"),
        (level("missed", ACCURACY, achieved=0.8712), "missed", "accuracy 0.871"),
        (level("unknown", requests=7), "too few requests", "errors, 7 requests"),
        (level("unknown", requests=0), "not asked", ""),
        (level("unknown", ACCURACY), "unknown", "accuracy"),
        (level("unknown", requests=0, strip=()), "not known", ""),
        (Level((), (), None), "not known", ""),
    ],
)
def test_each_state_of_an_objective_has_its_word_and_what_is_left(
    found: Level, word: str, figure: str
):
    cell = promise.promise(found)
    assert (cell.look.word, cell.figure) == (word, figure)
    assert (cell.look.colour == "green") == (word == "met")


def test_the_strip_is_taller_the_faster_a_budget_is_spent():
    rates = [None, 0.0, 1.0, 1.1, 6.1, 14.5]
    found = tuple(Stretch(200, rate, few=False) for rate in rates)
    few = Stretch(3, 30.0, few=True)
    cell = promise.promise(level("met", strip=(*found, few)))
    assert cell.strip == (None, "steady", "steady", "low", "medium", "high", "too few")
    assert promise.told(cell.strip, "in the last day") == (
        "In the last day: its budget was spent too fast in 3 of 6 stretches"
    )
    assert promise.told((None,), "in the last day") == "Nobody asked it in the last day"
    assert promise.asked(cell.requests, "in the last day") == (
        "In the last day: 1,203 requests of the deployment, 200 in the busiest stretch"
    )


def test_what_missed_its_objective_is_not_steady_and_is_found_by_it():
    assert row(level("missed")).states == (promise.MISSED,)
    assert row(level("at risk"), "drifted", "low").states == ("drifted", promise.AT_RISK)
    (never,) = matrix.rows(
        [deployment("p.m", version(1, 1.0, live=True))], board(), {}, NOW,
        Beside({("p", "m"): level("missed")}),
    )  # fmt: skip
    assert never.states == ("not checked yet", promise.MISSED)
    assert row(level("met")).states == row(None).states == ("steady",)
    both = [row(level("missed"), name="p.a"), row(level("met"), name="p.b")]
    assert [one.name for one in matrix.matching(both, "", [promise.MISSED])] == ["p.a"]
    assert [one.name for one in matrix.matching(both, "", ["steady"])] == ["p.b"]
    assert {promise.MISSED, promise.AT_RISK} < set(matrix.STATES)


def test_a_missed_objective_comes_before_all_but_high_drift_though_nobody_asks_now():
    found = [
        row(level("met"), name="p.calm"),
        row(level("missed"), name="p.missed", requests=0),
        row(level("at risk"), name="p.risk"),
        row(level("met"), "drifted", "low", name="p.low"),
        row(level("missed"), "drifted", "high", name="p.both"),
        row(level("met"), name="p.failing", errors=30),
        row(level("met"), "drifted", "medium", name="p.medium"),
    ]
    assert [one.name for one in matrix.ordered(found, "Need")] == [
        "p.both", "p.missed", "p.medium", "p.risk", "p.low", "p.failing", "p.calm",
    ]  # fmt: skip


def test_of_a_deployment_with_a_canary_the_first_row_tells_what_is_promised():
    live, canary = version(1, 0.9, live=True), version(2, 0.1)
    asked = level("missed", asked_at=NOW + 5)
    beside = Beside({("p", "m"): asked}, {("p", "p.m"): Count(2, "critical")}, {("p", "m"): "open"})
    first, second = matrix.rows([deployment("p.m", live, canary)], board(), {}, NOW, beside)
    assert (first.promise is None, first.alerts, first.retraining) == (
        False, Count(2, "critical"), "open",
    )  # fmt: skip
    assert (second.promise, second.alerts, second.retraining) == (None, None, None)
    # The log does not say here which of the two was asked.
    assert first.predicted_at is None
    (alone,) = matrix.rows([deployment("p.m", live)], board(), {}, NOW, beside)
    assert alone.predicted_at == NOW + 5


def test_a_check_of_what_nobody_asked_since_is_no_prediction():
    one = deployment("p.m", version(1, 1.0, live=True))
    checked = board(("p.m", 1, "steady", "none"))
    (made,) = matrix.rows([one], checked, {}, NOW)
    assert made.checked_at is not None
    assert made.predicted_at is None
    beside = Beside({("p", "m"): level("met", asked_at=NOW - 6 * 3600)})
    (made,) = matrix.rows([one], checked, {}, NOW, beside)
    assert made.predicted_at == NOW - 6 * 3600


def drawn(beside: Beside, monkeypatch: pytest.MonkeyPatch, **more: Any) -> str:
    monkeypatch.setattr("dashboard.navigation.has", lambda name: name == "alerts")
    monkeypatch.setattr("dashboard.scope.as_query", dict)
    one = deployment("p.m", version(1, 1.0, live=True, **more))
    found = matrix.rows([one], board(("p.m", 1, "steady", "none")), {}, NOW, beside)
    return table.html(found, {}, HUES, datetime.fromtimestamp(NOW, UTC), UTC, "in the last day")


def test_alerts_and_a_retraining_lead_to_where_they_are(monkeypatch: pytest.MonkeyPatch):
    beside = Beside({}, {("p", "p.m"): Count(2, "critical")}, {("p", "m"): "running"})
    text = drawn(beside, monkeypatch)
    assert re.search(r'href="/alerts\?find=p\.m&amp;quiet=true"[^>]*>✕ 2 alerts<', text)
    assert re.search(r'part=Retraining"[^>]*>◔ retraining trains<', text)
    quiet = drawn(Beside({}, {("p", "p.m"): Count(1, None)}), monkeypatch)
    assert "◌ 1 alert<" in quiet
    assert "retraining" not in drawn(Beside(), monkeypatch).casefold()
    assert "alert" not in drawn(Beside(), monkeypatch)


def test_the_cell_has_the_standing_the_strip_the_budget_and_now(monkeypatch: pytest.MonkeyPatch):
    rates = ((100, 0.0), (0, None), (50, 20.0))
    strip = tuple(Stretch(requests, rate, few=False) for requests, rate in rates)
    beside = Beside({("p", "m"): level("missed", spent=2.0, strip=strip)})
    text = drawn(beside, monkeypatch, errors=30)
    assert "✕&nbsp;missed" in text
    text = text.replace("\xa0", " ")
    assert "errors, 2 × spent" in text
    assert "50.0 % errors" in text
    assert "spent too fast in 1 of 2 stretches" in text
    assert "150 requests of the deployment" in text
    heights = re.findall(r"(\d+)px no-repeat", text.split("150 requests", 1)[1])
    assert heights == [str(looks.STRIP_PX), str(looks.STRIP_PX // 2)]


def test_bars_of_nothing_are_an_empty_strip():
    assert "background" not in looks.bars((), HUES, "told")
    assert "background" not in looks.bars((0, 0), HUES, "told")
    assert looks.bars((1, 0, 100_000), HUES, "told").count("2px no-repeat") == 1
