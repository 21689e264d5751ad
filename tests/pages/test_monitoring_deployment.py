"""The checks of one deployment, as the app draws them."""

import re
import time
from typing import Any

import pytest
from sqlalchemy import Engine

from dashboard import state
from services.actions.journal import Journal
from services.alerting import deciding
from services.alerting.models import Event, Policy
from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.monitoring import courses
from services.monitoring.models import ColumnVerdict, Histogram
from services.monitoring.store import VerdictStore
from services.monitoring.verdict import Judged
from services.platform.files import write_json
from services.settings import Settings
from tests import deployments_hostile, hostile_seed, monitoring_seed
from tests.monitoring_seed import CLIP, FEW, IMAGES, LORA, PIXELS, TEXT
from tests.pages.conftest import Open, said, said_links, words
from tests.pages.monitoring_shown import PARTS, Laid, drawn, ids, laid, opened
from tests.pages.roles import EVERY_ROLE
from tests.pages.test_hostile_names import SIGNS, read_as_markdown

__all__ = ["laid"]


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("part", PARTS)
def test_every_part_draws_for_every_role(laid: Laid, open_page: Open, role: str, part: str):
    laid()
    app = opened(open_page, LORA, role=role, part=part)
    assert not app.exception
    assert not app.error
    assert "3 of 10 inputs moved from the evaluation data" in said(app)


@pytest.mark.parametrize("name", [CLIP, PIXELS, TEXT, IMAGES, FEW])
@pytest.mark.parametrize("part", PARTS)
def test_every_kind_of_deployment_draws(laid: Laid, open_page: Open, name: str, part: str):
    laid()
    app = opened(open_page, name, role="approver", part=part)
    assert not app.exception
    assert not app.error


def test_what_moved_comes_first_with_its_drivers_and_its_spread(laid: Laid, open_page: Open):
    laid()
    app = opened(open_page, LORA)
    told = drawn(app)
    columns = re.findall(r"column=input\.([\w+]+)", told)
    assert {one.replace("+", " ") for one in columns[:3]} == set(monitoring_seed.MOVED)
    assert "worst+concave+points" in columns[0], "importance times effect"
    assert "What the shift goes with" in words(app)
    assert "it proves no cause" in said(app)
    assert "standard deviations" in told
    assert "&lt; 0.0001" in told
    assert "285<br>2,000" in told


def test_the_column_of_the_address_is_shown_whole(laid: Laid, open_page: Open):
    laid()
    app = opened(open_page, LORA, column="input.mean smoothness")
    assert "mean smoothness is as it was" in said(app)
    assert 'aria-current="true"' in drawn(app)
    app = opened(open_page, LORA, column="input.nothing")
    assert not app.exception
    assert "worst concave points moved" in said(app)


def test_the_check_of_the_address_is_shown_and_the_slider_writes_it(laid: Laid, open_page: Open):
    laid()
    found = ids(LORA)
    app = opened(open_page, LORA, verdict=found[3])
    assert not app.exception
    assert "You look at an earlier check." in app.info[0].value
    assert "The inputs are as in the evaluation data" in said(app)
    assert f"Check 4 of {len(found)} checks" in said(app)
    slider = app.select_slider(key="monitoring-check")
    assert slider.value == found[3]
    slider.set_value(found[5]).run()
    assert app.query_params["verdict"] in (found[5], [found[5]])
    assert f"Check 6 of {len(found)} checks" in said(app)
    app.select_slider(key="monitoring-check").set_value(found[-1]).run()
    assert "verdict" not in app.query_params, "of the newest the address names none"
    assert "3 of 10 inputs moved" in said(app)


def test_a_link_to_any_verdict_of_a_check_shows_that_check(laid: Laid, open_page: Open, home: Home):
    laid()
    store = VerdictStore(home)
    project, _, model = LORA.partition(".")
    quality = store.history(project, model, "quality")[2]
    store.close()
    app = opened(open_page, LORA, verdict=quality.id, part="Quality")
    assert not app.error
    assert "Check 3 of" in said(app)


@pytest.mark.parametrize("verdict", ["nonsense", "<img src=x>", "of another"])
def test_a_check_that_is_not_there_is_told_and_the_newest_is_shown(
    laid: Laid, open_page: Open, verdict: str
):
    laid()
    app = opened(open_page, LORA, verdict=ids(CLIP)[0] if verdict == "of another" else verdict)
    assert not app.exception
    assert len(app.error) == 1
    assert "3 of 10 inputs moved" in said(app)


def test_versions_have_their_own_checks(laid: Laid, open_page: Open):
    laid()
    app = opened(open_page, PIXELS)
    assert "version 1 · live" in str([one.proto for one in app.markdown]).replace("\\", "")
    assert "The inputs are as in the evaluation data of version 1" in said(app)
    app = opened(open_page, PIXELS, version="2")
    assert "Too few predictions yet to tell whether the inputs moved" in said(app)
    app = opened(open_page, PIXELS, verdict=ids(PIXELS, 2)[0])
    assert not app.error
    assert "Too few predictions yet to tell whether the inputs moved" in said(app)


def test_accuracy_has_its_interval_and_what_it_was(laid: Laid, open_page: Open):
    laid()
    app = opened(open_page, LORA, part="Accuracy")
    tiles = {one.label: one.value for one in app.metric}
    assert tiles["Accuracy"].endswith("%")
    assert tiles["On the evaluation data"].endswith("%")
    assert "predictions have a label" in said(app)
    spec = str([one.proto for one in app.get("echarts_chart")])
    assert "on the evaluation data" in spec
    assert "labels to come" in spec


def test_without_labels_it_says_how_they_come(laid: Laid, open_page: Open):
    laid()
    app = opened(open_page, CLIP, part="Accuracy")
    assert not app.exception
    assert "No label came in this stretch" in said(app)
    assert "/feedback/" in said(app)


def test_a_kept_report_is_linked_and_a_removed_one_is_not(laid: Laid, open_page: Open, home: Home):
    laid()
    project, _, model = LORA.partition(".")
    store = VerdictStore(home)
    last = store.check(ids(LORA)[-1])
    store.record([one.with_report("reports/x.html") for one in _again(last)])
    app = opened(open_page, LORA)
    assert "/monitoring/report/" in str([one.proto for one in app.get("link_button")])
    (newest, *_) = store.check(ids(LORA)[-1])
    plain = [one.with_report(None) for one in _again(store.check(newest.id))]
    store.record(plain)  # the check of an hour later, which wrote none
    state.st.cache_resource.clear()
    app = opened(open_page, LORA)
    (link,) = [one.proto for one in app.get("link_button")]
    assert link.label.startswith("Evidently's report of ")
    assert newest.id[:15] in link.url
    runs = {"name": "evidently", "title": "E", "phase": "live", "url": "http://127.0.0.1:8000"}
    write_json(home.run / "state.json", {"supervisor": None, "wanted": [], "engines": [runs]})
    app = opened(open_page, LORA)
    assert "http://127.0.0.1:8000" in str([one.proto for one in app.get("link_button")])
    (home.run / "state.json").unlink()
    store.prune_reports(time.time() + 1)
    store.close()
    state.st.cache_resource.clear()
    app = opened(open_page, LORA)
    assert not app.get("link_button")
    assert "No report of Evidently's is kept" in said(app)
    del project, model


def _again(verdicts: Any) -> list[Any]:
    from dataclasses import replace

    return [replace(one, id=f"{one.id}-again") for one in verdicts]


def test_alerts_of_the_deployment_are_told_beside_a_storm_of_others(laid: Laid, open_page: Open):
    journal, project = laid(), LORA.partition(".")[0]
    now = time.time()
    others = [
        Event(f"run/{project}/{n}", now, "firing", project=project, title=f"Run {n} failed")
        for n in range(300)
    ]
    mine = Event(
        f"drift/{LORA}/data", now - 60, "firing", "critical", project,
        title="The inputs drifted <b>", labels={"endpoint": LORA},
    )  # fmt: skip
    deciding.decide(journal, [mine], now, Policy(group_wait_s=0.0))
    deciding.decide(journal, others, now, Policy(group_wait_s=0.0))
    app = opened(open_page, LORA)
    assert not app.exception
    assert "1 alert" in said(app)
    assert "301 alerts" not in said(app)
    assert "The inputs drifted" in said(app) + said_links(app)
    app = opened(open_page, CLIP)
    assert "The inputs drifted" not in said(app) + said_links(app)


def test_every_word_of_a_verdict_is_text(home: Home, open_page: Open, monkeypatch):
    monkeypatch.setenv("MLOPS_SERVING_ENABLED", "1")
    bad = hostile_seed.TEXT
    engine, _ = schema.prepare(Settings().mirror_url)
    hostile_seed.fill(Store(engine))
    Store(engine).write_engine("controller", "Controller", "live")
    _dispose(engine)
    name = deployments_hostile.fill(home, Journal.open(Settings()))
    spread = Histogram((), (bad, "b"), (0.4, 0.6))
    column = ColumnVerdict(
        f"input.{bad}", "input", "category", "drifted", 0.4, 0.1, bad, 0.0, 9, 9, 0.5, spread,
        spread, bad,
    )  # fmt: skip
    store = VerdictStore(home)
    judged = [
        Judged(kind, (column,) if kind != "accuracy" else (), 1.0, "high", "drifted", bad)
        for kind in courses.FAMILIES
    ]
    for back in (120.0, 60.0):
        monitoring_seed.keep(
            store, name, 1, time.time() - back, judged, monitoring_seed.Reference(None, bad), 9  # type: ignore[arg-type]
        )  # fmt: skip
    store.close()
    for query in ({}, *({"deployment": name, "part": part} for part in PARTS)):
        app = open_page("monitoring", mirror="mine", role="admin", **query)
        assert not app.exception, query
        texts = list(read_as_markdown(app))
        assert not [text for text in texts if any(sign in text for sign in SIGNS)], query
        assert "<img src=x" not in drawn(app), query
        assert "<b>loud" not in drawn(app), query


def _dispose(engine: Engine) -> None:
    engine.dispose()
