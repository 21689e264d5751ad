"""Journeys through the runs: the table, the drawer, the comparison, one run; in real Chromium."""

import csv
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from services.engines.mlflow.models import Metric, Point, TrackedRun
from services.mirror import schema
from services.mirror.events import now_ms
from services.mirror.store import Store
from services.settings import Settings
from tests import seed
from tests.browser.conftest import IN_WINDOWS, Served, idle, sign_in, window

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]

_ROW_PX = 35
RUNNING = seed.run_id(0, 4)


@pytest.fixture(scope="module")
def store(served: Served) -> Iterator[Store]:
    """The served mirror, with curves for two runs."""
    engine, _ = schema.prepare(Settings().mirror_url)
    made = Store(engine)
    for index in (0, 1):
        points = [Point(1 / (step + 1), step, now_ms() + step) for step in range(40)]
        made.extend_curve(seed.run_id(0, index), "loss", points)
    yield made
    engine.dispose()


def table(page: Page) -> Locator:
    found = page.get_by_test_id("stDataFrame").first
    expect(found).to_be_visible()
    return found


def click(page: Page, x: int, row: int) -> None:
    """Click into the table, which is one canvas: row 0 is the headings."""
    box = table(page).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + x, box["y"] + _ROW_PX * row + _ROW_PX / 2)


def turn_round(page: Page, wanted: re.Pattern[str]) -> None:
    """Click the first heading again; the canvas takes no click in the moment it is drawn anew."""
    for _ in range(3):
        click(page, 160, 0)
        try:
            expect(page).to_have_url(wanted)
        except AssertionError:
            idle(page)
        else:
            return
    expect(page).to_have_url(wanted)


def test_headings_sort_boxes_choose_and_back_and_reload_bring_it_back(page: Page, store: Store):
    sign_in(page, "/experiments")
    click(page, 15, 1)
    expect(page).to_have_url(re.compile(r"sel=[0-9a-z]{32}$"))
    click(page, 15, 3)
    expect(page).to_have_url(re.compile(r"sel=[0-9a-z]{32}%2C[0-9a-z]{32}"))
    expect(page.get_by_text("2 runs chosen")).to_be_visible()
    click(page, 160, 0)
    expect(page).to_have_url(re.compile(r"sort=name"))
    idle(page)
    turn_round(page, re.compile(r"sort=-name"))

    page.go_back()
    expect(page).to_have_url(re.compile(r"sort=name"))
    page.reload()
    idle(page, "Experiments")
    expect(page.get_by_text("2 runs chosen")).to_be_visible()
    assert "sort=name" in page.url

    page.get_by_role("link", name="Compare", exact=True).click()
    idle(page, "Compare runs")
    expect(page.get_by_text("Differences only")).to_be_visible()
    page.go_back()
    idle(page, "Experiments")
    expect(page.get_by_text("2 runs chosen")).to_be_visible()


def test_a_name_opens_the_drawer_and_from_there_the_page_and_back(page: Page, store: Store):
    sign_in(page, "/experiments?q=status+%3D+finished")
    click(page, 75, 1)
    drawer = page.get_by_role("dialog")
    expect(drawer).to_be_visible()
    page.wait_for_timeout(3_000)  # the table behind it is drawn again: the drawer stays
    expect(drawer).to_be_visible()
    drawer.get_by_role("link", name="Open the run’s page").click()
    expect(page).to_have_url(re.compile(r"/run\?.*run="))
    idle(page)
    expect(page.get_by_role("link", name="All runs")).to_be_visible()
    page.go_back()
    idle(page, "Experiments")
    expect(page.get_by_label("Filter", exact=True)).to_have_value("status = finished")


def test_a_filter_is_built_typed_taken_back_and_exported(page: Page, store: Store, tmp_path: Path):
    sign_in(page, "/experiments")
    expect(page.get_by_text("of 54 runs")).to_be_visible()
    page.get_by_role("button", name="Add filter").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Value").fill("lora")
    dialog.get_by_label("Value").press("Enter")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(page).to_have_url(re.compile(r"q=lora"))
    expect(page.get_by_role("button", name="anywhere: lora")).to_be_visible()

    box = page.get_by_label("Filter", exact=True)
    box.fill("metrics.loss <")
    box.press("Enter")
    expect(page.get_by_text("A value is missing")).to_be_visible()
    expect(page.get_by_text("^", exact=False).first).to_be_visible()
    box.fill("status in (finished, failed)")
    box.press("Enter")
    expect(page.get_by_text("of 36 runs")).to_be_visible()
    idle(page)

    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV", exact=True).click()
    target = tmp_path / "runs.csv"
    waiting.value.save_as(target)
    with target.open(newline="") as file:
        found = list(csv.DictReader(file))
    assert len(found) == 36
    assert {row["status"] for row in found} == {"finished", "failed"}


def test_columns_are_found_added_and_stay_after_a_reload(page: Page, store: Store):
    sign_in(page, "/experiments?project=clip-finetuning")
    page.get_by_role("button", name="Columns", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Find").fill("chip")
    dialog.get_by_role("button", name=re.compile("mlops.chip")).click()
    expect(page).to_have_url(re.compile(r"cols=.*mlops\.chip"))
    dialog.get_by_role("button", name="Done").click()
    expect(dialog).to_have_count(0)
    page.reload()
    idle(page, "Experiments")
    assert "mlops.chip" in page.url


def test_a_view_is_saved_and_opened_with_its_scope(page: Page, store: Store):
    sign_in(page, "/experiments?project=clip-finetuning&q=status+%3D+finished")
    page.get_by_role("button", name="Views", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Save what is shown now as").fill("Finished CLIP")
    dialog.get_by_label("Save what is shown now as").press("Enter")
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(dialog.get_by_role("button", name="Finished CLIP")).to_be_visible()
    page.keyboard.press("Escape")

    page.goto("/experiments")
    idle(page, "Experiments")
    expect(page.get_by_text("of 54 runs")).to_be_visible()
    page.get_by_role("button", name="Views", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Finished CLIP").click()
    expect(page).to_have_url(re.compile(r"project=clip-finetuning"))
    expect(page).to_have_url(re.compile(r"q=status"))
    expect(page.get_by_text("of 3 runs")).to_be_visible()


def test_a_running_run_is_followed_without_a_reload(page: Page, store: Store):
    _log(store, step=1)
    sign_in(page, f"/run?run={RUNNING}")
    expect(page.get_by_text("at step 1", exact=False)).to_be_visible()
    _log(store, step=7)
    expect(page.get_by_text("at step 7", exact=False)).to_be_visible()


def _log(store: Store, step: int) -> None:
    at = now_ms()
    run = replace(_running(), metrics={"loss": Metric(0.5, step, at)})
    points = [Point(1 / (s + 1), s, at + s) for s in range(step + 1)]
    store.write_runs(seed.PROJECTS[0][0], [run])
    store.extend_curve(RUNNING, "loss", points)


def _running() -> TrackedRun:
    started = now_ms() - 60_000
    tags = {"mlops.project": seed.PROJECTS[0][0], "mlops.technique": "lora-r8"}
    return TrackedRun(
        run_id=RUNNING,
        experiment_id="0",
        name="followed",
        status="running",
        user="mira",
        started_ms=started,
        ended_ms=None,
        deleted=False,
        artifact_uri=None,
        metrics={},
        params={"rank": "8"},
        tags=tags,
    )


@IN_WINDOWS
def test_the_pages_fit_their_window_and_say_nothing_on_the_console(
    browser: Browser, served: Served, store: Store, width: int, theme: str
):
    runs = ",".join(seed.run_id(0, index) for index in range(4))
    hostile = seed.run_id(0, 0)
    places = [
        ("experiments", "Experiments"),
        ("experiments?q=metrics.loss+%3C", "Experiments"),
        (f"run?run={hostile}", None),
        *((f"run?run={hostile}&part={part}", None) for part in ("Metrics", "Environment")),
        ("run?run=nothing", None),
        *(
            (f"compare?runs={runs}&side={side}", "Compare runs")
            for side in ("Metrics", "Curves", "Parallel", "Techniques")
        ),
    ]
    asked: list[str] = []
    with window(browser, served, width, theme) as (page, fits):
        page.on("dialog", lambda alert: asked.append(alert.message))
        sign_in(page, "/experiments")
        for address, heading in places:
            page.goto(f"/{address}")
            idle(page, heading)
            fits(f"{address[:30]}-{address[-12:]}")
            assert page.locator("img[src=x]").count() == 0
    assert not asked
