"""The whole of serving by a person in a browser: deployed, asked, updated under load, taken back.

Engines, model servers and answers are real; MLflow alone is a small one, and the actions are
executed here as the controller does it.
"""

import asyncio
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
import orjson
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from benchmarks.load import Load, Seen
from services.actions.action import Lane
from services.actions.executor import Executor
from services.commands import acting
from services.controller.loops import Loop
from services.settings import Settings
from tests import seed, serving_whole
from tests.browser.conftest import PASSWORD, Served, alive, idle, shot, sign_in, tab
from tests.live import eventually
from tests.serving_whole import MODEL, PROJECT

pytestmark = [
    pytest.mark.browser,
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]
NAME = f"{PROJECT}.{MODEL}"
LONG = 120_000
"""Milliseconds that keep a broken test from hanging; what it waits for takes a few seconds."""
RATE = 50.0
ENOUGH = 50


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The dashboard of an installation that serves."""
    with (
        pytest.MonkeyPatch.context() as patch,
        serving_whole.running(tmp_path_factory.mktemp("serving"), patch) as home,
    ):
        settings = Settings()
        seed.people(settings, PASSWORD)
        with (
            executing(),
            alive(home, partial(seed.keep_fresh, settings.mirror_url)) as found,
        ):
            yield found


@contextmanager
def executing() -> Iterator[None]:
    """Execute what the page asks for, as the controller does."""
    lanes: tuple[Lane, ...] = ("quick", "serving")
    loops = [Loop(lane, turning(lane), 0.1) for lane in lanes]
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.stop(60)
    assert [loop.health.crash for loop in loops] == [None, None]


def turning(lane: Lane) -> Any:
    executor = Executor(acting.context())
    return lambda: executor.execute_pending(lane=lane) > 0


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    with tab(browser, served, 1250) as found:
        yield found


def test_a_person_deploys_asks_updates_under_load_and_goes_back(page: Page):
    sign_in(page, "/deployments", name="approver")
    idle(page, "Deployments")
    deploy_the_first(page)
    key = make_a_key(page)
    address = ask_by_the_printed_programs(page, key)
    try_it(page)
    with load(f"{address}/predict/{PROJECT}/{MODEL}", key) as seen:
        eventually(lambda: seen.versions["1"] > ENOUGH)
        update(page)
        eventually(lambda: seen.versions["2"] > ENOUGH)
        expect_figures(page, "2")
        before = seen.versions["1"]
        roll_back(page)
        eventually(lambda: seen.versions["1"] > before + ENOUGH)
        expect_figures(page, "1")
        expect_in_the_table(page)
    assert seen.failed == 0, seen.faults
    assert set(seen.versions) == {"1", "2"}
    read_what_was_live(page)
    plan_what_is_packaged(page)


# What the person does


def deploy_the_first(page: Page) -> None:
    """From the empty page to an endpoint that answers."""
    expect(page.get_by_text("No model is in service yet")).to_be_visible()
    page.get_by_role("button", name="Deploy a model").click()
    page.get_by_role("combobox", name="Model", exact=True).click()
    shot(page, "journey choice")
    page.get_by_role("option", name=f"{PROJECT}/{MODEL}").click()
    page.get_by_role("button", name="Choose how").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("the version was not packaged here yet")).to_be_visible()
    expect(dialog.get_by_text(f"{NAME} comes into being")).to_be_visible()
    watched_for(page, "10 s")
    expect(dialog.get_by_text("a guard speaks within 10 s")).to_be_visible()
    shot(page, "journey first deployment")
    confirmed(dialog, "Deploy")
    expect(dialog.get_by_text("Package and sign version 1")).to_be_visible(timeout=LONG)
    followed(page, dialog)
    dialog.get_by_role("link", name="To the deployment").click()
    page.wait_for_url(re.compile(re.escape(NAME)))
    idle(page, MODEL)
    expect(badge(page, "live")).to_be_visible()


def make_a_key(page: Page) -> str:
    to(page, "Keys")
    page.get_by_role("button", name="Add a key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("shop")
    rate = dialog.get_by_label("Requests a second")
    rate.fill("1000")
    rate.press("Enter")
    confirmed(dialog, "Make it")
    shown = dialog.get_by_test_id("stCode").filter(has_text=re.compile("mlk_")).locator("code")
    expect(shown).to_be_visible(timeout=LONG)
    key = shown.inner_text().strip()
    closed(page, dialog)
    expect(page.get_by_text("1,000/s")).to_be_visible()
    return key


def ask_by_the_printed_programs(page: Page, key: str) -> str:
    """Run both programs that the page prints, as an application would; return the address."""
    to(page, "Use it")
    program = printed(page)
    assert "tritonclient" in program
    assert "[" in run(program, key)
    page.get_by_role("radio", name="Plain JSON").click()
    idle(page)
    program = printed(page)
    assert "httpx.post" in program
    assert "'version': 1" in run(program, key)
    found = re.search(r"'(http://127\.0\.0\.1:\d+)/", program)
    assert found
    return found.group(1)


def try_it(page: Page) -> None:
    """Draw with the keys and ask: the real endpoint answers."""
    to(page, "Try it")
    pad = page.get_by_role("application", name=re.compile("8 by 8 cells"))
    pad.focus()
    for pressed in ("ArrowRight", "ArrowDown", " ", "ArrowDown", " "):
        page.keyboard.press(pressed)
    idle(page)
    page.get_by_role("button", name="Ask", exact=True).click()
    answer = page.locator(".st-key-try-answer")
    expect(answer.get_by_text(re.compile(r"^\d+(\.\d)? %$"))).to_be_visible(timeout=LONG)
    expect(answer.get_by_text("version 1")).to_be_visible()
    answer.get_by_role("button", name="Right").click()
    expect(answer.get_by_text("Kept: the answer was right.")).to_be_visible()
    shot(page, "journey tried")


def update(page: Page) -> None:
    """Deploy version 2 while it is asked."""
    to(page, "Now")
    page.get_by_role("button", name="Deploy another version").click()
    dialog = page.get_by_role("dialog")
    pick(page, "Version", re.compile("^Version 2"))
    watched_for(page, "10 s")
    expect(dialog.get_by_text(f"Version 2 answers all requests to {NAME}")).to_be_visible()
    expect(dialog.get_by_text("No request is dropped")).to_be_visible()
    confirmed(dialog, "Deploy")
    followed(page, dialog)
    shot(page, "journey updated")
    closed(page, dialog)


def roll_back(page: Page) -> None:
    page.get_by_role("button", name="Roll back to version 1").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Version 1 answers all requests")).to_be_visible()
    dialog.get_by_label("Reason, for the history").fill("Labels drift.")
    confirmed(dialog, "Roll back")
    done(page, dialog)
    closed(page, dialog)


def expect_figures(page: Page, version: str) -> None:
    """Read how it does: which version is live, requests, latency, and how its rollout went."""
    to(page, "Now")
    expect(badge(page, "live")).to_be_visible(timeout=LONG)
    expect(metric(page, "Version")).to_have_text(version)
    expect(metric(page, "Requests")).to_have_text(re.compile(r"^[1-9][\d.]*/s$"), timeout=LONG)
    expect(metric(page, "Latency, p95")).to_have_text(re.compile(r"ms$"))
    expect(metric(page, "Errors")).to_have_text("0.0 %")
    expect(page.get_by_text("From the prediction log.")).to_be_visible(timeout=LONG)
    page.get_by_text(f"The last rollout: version {version}").click()
    steps = page.get_by_role("list", name=re.compile(r"(\d+) of \1 steps done"))
    expect(steps).to_contain_text("Switch")
    shot(page, f"journey version {version} live")


def expect_in_the_table(page: Page) -> None:
    page.goto("/deployments")
    idle(page, "Deployments")
    table = page.get_by_role("region", name="Deployments")
    expect(table).to_contain_text("live")
    expect(table).to_contain_text(re.compile(r"[1-9][\d.]*/s"), timeout=LONG)
    shot(page, "journey table")
    table.get_by_role("link", name=MODEL).click()
    idle(page, MODEL)


def read_what_was_live(page: Page) -> None:
    to(page, "Versions")
    told = page.get_by_role("img", name=re.compile("version 1 for .*; version 2 for .*; version 1"))
    expect(told).to_be_visible()
    expect(page.get_by_role("cell", name=re.compile("went live"))).to_have_count(3)
    begun = page.get_by_role("cell", name="Going back to version 1 was begun. Labels drift.")
    expect(begun).to_be_visible()
    shot(page, "journey history")


def plan_what_is_packaged(page: Page) -> None:
    """Of a version that was served before, the dialog tells what it takes and what is left."""
    page.get_by_role("button", name="Deploy another version").click()
    dialog = page.get_by_role("dialog")
    pick(page, "Version", re.compile("^Version 2"))
    expect(dialog.get_by_text("that are left")).to_be_visible()
    expect(dialog.get_by_text("by each replica")).to_be_visible()
    shot(page, "journey planner")
    dialog.get_by_role("button", name="Cancel").click()


# How


def to(page: Page, part: str) -> None:
    """Turn to a part of the deployment."""
    page.get_by_role("radio", name=part, exact=True).click()
    idle(page, MODEL)


def badge(page: Page, word: str) -> Locator:
    return (
        page.get_by_test_id("stMain")
        .locator(".stMarkdownBadge", has_text=re.compile(f"{word}$"))
        .first
    )


def metric(page: Page, label: str) -> Locator:
    tile = page.get_by_test_id("stMetric").filter(has=page.get_by_text(label, exact=True))
    return tile.get_by_test_id("stMetricValue")


def pick(page: Page, label: str, option: str | re.Pattern[str]) -> None:
    """Choose of a list in the dialog."""
    page.get_by_role("dialog").get_by_role("combobox", name=re.compile(label)).click()
    page.get_by_role("option", name=option).click()
    idle(page)


def watched_for(page: Page, how_long: str) -> None:
    pick(page, "Watched for", how_long)


def confirmed(dialog: Locator, verb: str) -> None:
    button = dialog.get_by_role("button", name=verb, exact=True)
    expect(button).to_be_enabled()
    button.click()


def followed(page: Page, dialog: Locator) -> None:
    """See its rollout step by step in the dialog, and that it was done."""
    steps = dialog.get_by_role("list", name=re.compile("steps done"))
    expect(steps).to_be_visible(timeout=LONG)
    done(page, dialog)


def done(page: Page, dialog: Locator) -> None:
    told = dialog.get_by_test_id("stAlert").get_by_text(re.compile("it is live"))
    expect(told).to_be_visible(timeout=LONG)
    idle(page)


def closed(page: Page, dialog: Locator) -> None:
    dialog.get_by_role("button", name="Close", exact=True).last.click()
    expect(dialog).to_have_count(0)
    idle(page, MODEL)


def printed(page: Page) -> str:
    """Return the Python program that is printed."""
    blocks = page.get_by_test_id("stCode").filter(has_text="import os").locator("code")
    return blocks.inner_text()


def run(program: str, key: str) -> str:
    """Run a program as an application with a key does; return what it printed."""
    ended = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env={"PATH": os.environ["PATH"], "MLOPS_API_KEY": key},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@contextmanager
def load(url: str, key: str) -> Iterator[Seen]:
    """Ask at a steady rate in a thread: the thread of the test has Playwright's loop."""
    headers = {"Authorization": f"Bearer {key}"}
    body = orjson.dumps({"columns": {"pixels": [[0.5] * 64]}})
    first = httpx.post(url, content=body, headers=headers)
    assert first.status_code == 200, first.text
    asks, over = Load(url, body, headers), threading.Event()
    asking = threading.Thread(target=lambda: asyncio.run(_asked(asks, over)))
    asking.start()
    try:
        yield asks.seen
    finally:
        over.set()
        asking.join()


async def _asked(asks: Load, over: threading.Event) -> None:
    until = asyncio.Event()
    asking = asyncio.create_task(asks.run(RATE, until))
    await asyncio.to_thread(over.wait)
    until.set()
    await asking
