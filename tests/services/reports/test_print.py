"""A report in Chromium, without a network: nothing is cut off on paper, nothing is asked for."""

import csv
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from services.reports.html import page
from services.reports.models import Chart, Figure, Report, Section, Table, Window, first
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.services.reports.conftest import Ask

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
WORD = "a-name-of-a-model-that-nobody-would-give_" * 5
PAPER = {"width": 1032, "height": 695}
"""Of lying A4 within its margins, in pixels of CSS."""
CUT = """() => [...document.querySelectorAll('h1,h2,h3,p,td,th,table,svg,figure,.figure,.figure *')]
  .filter((one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0)
  .map((one) => `${one.tagName} ${one.className}: ${one.textContent.slice(0, 40)}`)"""
WIDE = "document.documentElement.scrollWidth - window.innerWidth"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def opened(browser: Browser, path: Path, **more: object) -> tuple[Page, list[str]]:
    """Open a file without a network; return the page and the addresses that it asks for."""
    context = browser.new_context(offline=True, **more)  # type: ignore[arg-type]
    shown, asked = context.new_page(), []  # type: ignore[var-annotated]
    shown.on("request", lambda one: asked.append(one.url))
    shown.goto(path.as_uri())
    return shown, asked


def widest() -> Report:
    """Return a report of everything at its worst: nine columns, long words, many rows, a year."""
    window = Window(NOW - timedelta(days=366), NOW)
    columns = ("deployment", "what", "checks", "drifted", "before", "worst", "most of the columns",
               "what moved", "at the last check")  # fmt: skip
    rows = [(WORD, "data quality", "1,234,567", "12 (12.3 %)", "3", "medium", WORD, "x " * 150,
             f"row {n}") for n in range(200)]  # fmt: skip
    shown, rest = first(rows, 60)
    chart = Chart("Requests a day", window.days, (1e9,) * len(window.days), "the log", "bytes")
    line = replace(chart, title=f"{WORD}: p95 a day", line=True, unit="ms")
    figure = Figure("Median until somebody looked after it", 1e12, 2e12, WORD, "bytes", "less")
    one = Section("wide", "All of it", (figure,) * 11, (chart,),
                  (Table("Deployments", columns, shown, "the verdicts", "", rest),), (WORD,), "",
                  (line,) * 9)  # fmt: skip
    return Report(WORD, None, window, NOW, (one,) * 3)


def test_on_paper_nothing_is_cut_off(chromium: Browser, ask: Ask, tmp_path: Path):
    for name, report in (("seed", ask()), ("worst", widest())):
        path = tmp_path / f"{name}.html"
        path.write_text(page(report), encoding="utf-8")
        shown, asked = opened(chromium, path, viewport=PAPER)
        shown.emulate_media(media="print")
        assert shown.evaluate(CUT) == []
        assert shown.evaluate(WIDE) <= 0
        printed = shown.pdf(prefer_css_page_size=True)
        assert re.findall(rb"/MediaBox \[0 0 841\.\d+ 594\.\d+\]", printed)
        assert len(re.findall(rb"/Type /Page\b", printed)) > (20 if name == "worst" else 2)
        assert asked == [path.as_uri()]


@pytest.mark.parametrize("width", [1440, 1000, 420])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_screen_the_page_never_scrolls_sideways(
    chromium: Browser, tmp_path: Path, scheme: str, width: int
):
    path = tmp_path / "worst.html"
    path.write_text(page(widest()), encoding="utf-8")
    look = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    shown, asked = opened(chromium, path, **look)
    assert shown.evaluate(WIDE) <= 0  # tables scroll by themselves
    background = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 22, 29)"}[scheme]
    assert asked == [path.as_uri()]


def test_all_rows_of_a_table_are_saved_from_the_file_itself(chromium: Browser, tmp_path: Path):
    path = tmp_path / "worst.html"
    path.write_text(page(widest()), encoding="utf-8")
    shown, _ = opened(chromium, path)
    with shown.expect_download() as waiting:
        shown.get_by_text("CSV, all rows").first.click()
    assert waiting.value.suggested_filename == "deployments.csv"
    saved = tmp_path / "saved.csv"
    waiting.value.save_as(saved)
    with saved.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 201
    assert rows[0][0] == "deployment"
    assert [row[8] for row in rows[1:]] == [f"row {n}" for n in range(200)]
