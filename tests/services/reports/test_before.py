"""Figures beside those of the period before: levels, techniques, latency, machines, drift."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.engines.mlflow.models import Metric
from services.engines.silicon.models import Sample
from services.engines.silicon.provider import measured
from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.monitoring.models import Verdict
from services.monitoring.store import VerdictStore, verdict_id
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback
from services.reports.headline import headline
from services.reports.html import change, page
from services.reports.models import Chart, Figure, Report, Section, Window
from services.settings import Settings
from services.telemetry.store import Store as Telemetry
from tests import hardware_seed
from tests import lineage_seed as seed
from tests.lineage_seed import CLIP, LORA
from tests.services.predictions.records import record
from tests.services.reports.conftest import Ask, figures, section, table

HOUR, DAY = 3600.0, 86_400.0
NOW = time.time()
NAME = f"{CLIP}.{CLIP}"


@pytest.fixture
def answered(home: Home) -> Callable[..., None]:
    """Return what writes requests of a moment, the first of them failed, all with labels."""

    def write(ago: float, count: int, bad: int, ms: float, right: int = 0) -> None:
        log = PredictionLog.open(home, f"w{ago:.0f}", reserve_bytes=1 << 16)
        for number in range(count):
            one = record(NOW - ago, project=CLIP, model=CLIP, version=1, rows=1, latency_ms=ms,
                         status=500 if number < bad else 200, energy_j=0.5,
                         inputs={"x": [1]}, outputs={"label": ["yes"]})  # fmt: skip
            log.append(one)
            if right:
                log.append_feedback(Feedback(one.id, NOW, "yes" if number < right else "no"))
        log.close()

    return write


def charted(report: Report, key: str, title: str) -> Chart:
    one = section(report, key)
    return next(chart for chart in (*one.charts, *one.small) if chart.title == title)


def known(chart: Chart) -> list[float]:
    return [value for value in chart.values if value is not None]


def test_objectives_tell_the_period_the_one_before_and_how_they_stood(
    ask: Ask, answered: Callable[..., None]
):
    answered(9 * DAY, 400, 40, 10.0)
    answered(HOUR, 600, 3, 10.0)
    (row,) = table(ask(CLIP), "levels", "Objectives")
    assert row[2] == "95.7 %"  # over 30 days
    assert row[6:] == ("99.5 % of 600", "90 % of 400", "missed, 90 %")
    assert figures(ask(CLIP), "levels")["Objectives missed"] == (1, 1)


def test_where_nobody_asked_in_a_period_it_says_so(ask: Ask, answered: Callable[..., None]):
    answered(9 * DAY, 400, 0, 10.0)
    (row,) = table(ask(CLIP), "levels", "Objectives")
    assert row[6:] == ("nobody asked", "100 % of 400", "met, 100 %")


def test_versions_tell_latency_answers_and_joules_before(ask: Ask, answered: Callable[..., None]):
    answered(9 * DAY, 100, 10, 40.0)
    answered(HOUR, 200, 0, 20.0)
    rows = table(ask(CLIP), "deployments", "Versions and how they answered")
    assert rows == [
        (NAME, "1", "200", "100", "100.000 % (90.000 %)", "20 (40)", "20 (40)", "0.5 (0.5)")
    ]
    assert figures(ask(CLIP), "deployments")["Rows per joule"] == (2.0, 2.0)
    assert known(charted(ask(CLIP), "deployments", f"{NAME}: p95 a day")) == [20.0]


def test_accuracy_is_drawn_by_the_day_with_gaps(ask: Ask, answered: Callable[..., None]):
    answered(3 * DAY, 40, 0, 10.0, right=30)
    answered(HOUR, 40, 0, 10.0, right=10)
    report = ask(CLIP)
    drawn = charted(report, "drift", f"{NAME}: accuracy a day")
    assert known(drawn) == [0.75, 0.25]
    assert drawn.line
    text = page(report)
    assert text.count("<polyline") == 0  # two days apart are no line
    assert text.count("<circle") >= 2
    assert section(ask(LORA), "drift").small == ()


def test_drift_is_drawn_as_a_share_of_the_checks_that_could_tell(ask: Ask, home: Home):
    kept, noon = VerdictStore(home), NOW // DAY * DAY - DAY / 2
    for ago, state in ((60, "drifted"), (120, "steady"), (180, "too few"), (9 * DAY, "drifted")):
        at = noon - ago
        kept.record([Verdict(verdict_id(at), LORA, LORA, 1, "data", at, "evaluation", at - HOUR, at,
                             9, (), 0.0, "none", state, state)])  # type: ignore[arg-type]  # fmt: skip
    kept.close()
    drawn = charted(ask(), "drift", "Checks that drifted a day, of those that could tell")
    assert known(drawn) == [0.5]
    assert section(ask(CLIP), "drift").charts[0].values == (None,) * 8


def tried(home: Home, ago_min: float, technique: str, accuracy: float, joules: float | None):
    """Write a finished run of a technique that took a minute."""
    values = {"accuracy": Metric(accuracy, 1, 0)}
    if joules is not None:
        values["system/energy_j"] = Metric(joules, 1, 0)
    number = f"{int(ago_min):032x}"
    tags = {"mlops.technique": technique, "mlops.energy.quality": "measured"}
    if technique == "plain":
        tags["mlops.role"] = "baseline"
    run = seed.tracked(number, ago_min)
    engine = schema.open_engine(Settings().mirror_url)
    document = {"title": LORA, "kind": "easy", "priority": 1, "path": f"/x/{LORA}",
                "primary_metric": "accuracy", "goal": "max"}  # fmt: skip
    Store(engine).write_project(LORA, "connected", document)
    Store(engine).write_runs(LORA, (replace(run, metrics=values, tags={**run.tags, **tags}),))
    engine.dispose()


def test_techniques_tell_their_gain_the_period_before_and_what_beats_nothing(ask: Ask, home: Home):
    tried(home, 12_000, "lora", 0.7, 90.0)
    tried(home, 30, "plain", 0.6, 50.0)
    tried(home, 20, "lora", 0.8, 100.0)
    tried(home, 10, "slow", 0.55, 200.0)
    rows = {row[1]: row for row in table(ask(LORA), "techniques", "Medians of repeats")}
    assert set(rows) == {"lora", "plain (baseline)", "slow"}
    lora, plain, slow = rows["lora"], rows["plain (baseline)"], rows["slow"]
    assert lora[2:5] == ("1 (1)", "accuracy 0.8 (0.7)", "+0.2, better")
    assert lora[5:] == ("1 min (1 min)", "not known", "100 J (90 J)", "seconds, joules")
    assert plain[4] == "–"
    assert plain[8] == "joules"
    assert (slow[4], slow[8]) == ("-0.05, worse", "–")
    assert figures(ask(LORA), "techniques")["Techniques tried"] == (3, 1)


def test_machines_tell_power_and_energy_before(ask: Ask, home: Home):
    store = Telemetry(home.telemetry, merge_in_background=False)
    store.introduce(hardware_seed.STUDIO, ())
    noon = NOW // DAY * DAY - DAY / 2  # nothing of it crosses a day
    for ago, watts in ((9 * DAY, 10.0), (0.0, 30.0)):
        for second in range(0, 1200, 30):
            at = datetime.fromtimestamp(noon - ago, UTC) + timedelta(seconds=second)
            said = (measured("system_w", watts, "macmon", window_s=30.0),)
            store.append(Sample(hardware_seed.STUDIO.host, at, 30.0, said))
    store.close()
    report = ask()
    (row,) = table(report, "hardware", "Machines")
    assert row[4] == "30 (10)"
    now, before = figures(report, "hardware")["Energy of the machines"]
    assert now == pytest.approx(30 * 1200, rel=0.06)  # by the minute
    assert before == pytest.approx(10 * 1200, rel=0.06)
    assert row[3] == row[7] == "not sampled"
    name = f"{hardware_seed.STUDIO.host}: system power a day, mean"
    assert known(charted(report, "hardware", name)) == [30.0]


def test_a_machine_without_power_has_no_energy(ask: Ask, home: Home):
    assert figures(ask(), "hardware")["Energy of the machines"] == (None, None)


# The headline


def made_of(*found: Figure) -> Report:
    window = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 8, tzinfo=UTC))
    return Report("t", None, window, datetime.now(UTC), (Section("x", "x", found),))


def test_a_headline_is_three_figures_and_the_worst_change():
    found = headline(made_of(
        Figure("Runs", 8, 4, "s"), Figure("Alerts fired", 6, 3, "s", "", "less"),
        Figure("Requests answered", 0.99, 0.999, "s", "ratio", "more"),
        Figure("Deployments that drifted", None, None, "s", "", "less", "Nothing was checked."),
        Figure("Median duration", 60.0, 90.0, "s", "s", "less"),
    ))  # fmt: skip
    assert found == (
        "Requests answered: 99 % (before: 99.9 %)",
        "Alerts fired: 6 (before: 3)", "Runs: 8 (before: 4)",
        "Worst change: Requests answered: 99 % (before: 99.9 %)",
    )  # fmt: skip


def test_where_nothing_got_worse_no_change_is_told():
    assert headline(made_of(Figure("Runs", 0, 4, "s"))) == ("Runs: 0 (before: 4)",)
    assert headline(made_of(Figure("x", 3, 0, "s", "", "less")))[-1] == (
        "Worst change: x: 3 (before: 0)"
    )
    assert headline(made_of()) == ()


def test_little_changes_are_told_and_not_judged():
    assert "worse" not in change(Figure("x", 1.001, 1.0, "s", "s", "less"))
    assert "worse" in change(Figure("x", 1.01, 1.0, "s", "s", "less"))
    assert "worse" in change(Figure("x", 0.998, 0.999, "s", "ratio", "more"))
