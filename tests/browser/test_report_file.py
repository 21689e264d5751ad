"""A report of a whole installation, opened from its file while there is no network, and printed."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from services.actions.journal import Journal
from services.reports import kept, making
from services.reports.collecting import SECTIONS
from services.reports.making import Wish
from tests import (
    alerts_seed,
    data_seed,
    hardware_seed,
    monitoring_seed,
    retraining_seed,
    seed,
)
from tests.browser.conftest import installed, shot

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WEEK_S = 7 * 86_400.0
PAPER = {"width": 1032, "height": 695}
"""Of lying A4 within its margins, in pixels of CSS."""
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])
TOO_WIDE = """() => [...document.querySelectorAll('html, section, table, .wide, figure, .figure')]
  .filter(one => one.scrollWidth > one.clientWidth
    || one.getBoundingClientRect().right > document.documentElement.clientWidth)
  .map(one => `${one.tagName} ${one.className}: ${one.textContent.slice(0, 60)}`)"""
COLOURS = """() => { const one = getComputedStyle(document.body);
  return [one.backgroundColor, one.color]; }"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of nine projects that were trained, served, checked, alarmed about and retrained."""
    with installed(tmp_path_factory.mktemp("home"), MLOPS_SERVING_ENABLED="1") as (home, settings):
        seed.fill(settings.mirror_url)
        hardware_seed.fill(home.telemetry, minutes=20)
        data_seed.fill(home, tmp_path_factory.mktemp("projects"))
        journal = Journal.open(settings)
        monitoring_seed.fill(home, journal)
        alerts_seed.fill(journal, home)
        retraining_seed.fill(journal)
        journal.close()
        now = time.time()
        wish = Wish(kept.new_name(now), None, now - WEEK_S, now, "ana")
        made = making.make(home, wish)
        assert made.missing == ()
        return kept.base(home) / f"{made.name}.html"


@contextmanager
def opened(browser: Browser, path: Path, scheme: str, width: int = 1032) -> Iterator[Page]:
    """Open a file with the network cut; at the end nothing was asked for and nothing said."""
    context = browser.new_context(
        color_scheme=scheme,  # type: ignore[arg-type]  # one of the two words
        viewport={**PAPER, "width": width},  # type: ignore[arg-type, typeddict-item]
    )
    context.set_offline(offline=True)
    page, asked, told = context.new_page(), [], []  # type: ignore[var-annotated]
    page.on("request", lambda one: asked.append(one.url))
    page.on("console", lambda one: told.append(one.text))
    page.on("pageerror", lambda one: told.append(str(one)))
    page.route(lambda url: url != path.as_uri(), lambda way: way.abort())
    try:
        page.goto(path.as_uri())
        yield page
        assert asked == [path.as_uri()]
        assert told == []
    finally:
        context.close()


@SCHEMES
def test_it_opens_from_its_file_without_a_network(browser: Browser, report: Path, scheme: str):
    for width in (1440, 1000):
        with opened(browser, report, scheme, width) as page:
            assert page.locator("section").count() == len(SECTIONS)
            assert page.locator("table tbody tr").count() > 60
            assert page.get_by_text("Could not be read").count() == 0
            assert page.locator("img, script").count() == 0  # what people typed is text
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert page.evaluate(wide) <= 0
            shot(page, f"report {scheme} {width}")
            page.get_by_role("link", name="Drift and actions").click()  # within the file
            assert page.url == f"{report.as_uri()}#drift"


@SCHEMES
def test_it_prints_in_dark_ink_on_white_and_no_table_is_wider_than_the_paper(
    browser: Browser, report: Path, scheme: str
):
    with opened(browser, report, scheme) as page:
        page.emulate_media(media="print", color_scheme=scheme)  # type: ignore[arg-type]
        assert page.evaluate(COLOURS) == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]
        assert page.evaluate(TOO_WIDE) == []
        shot(page, f"report print {scheme}")
        printed = page.pdf(prefer_css_page_size=True)
        assert len(re.findall(rb"/Type /Page\b", printed)) >= 5
        assert set(re.findall(rb"/MediaBox \[0 0 (\d+)\.\d+ (\d+)\.\d+\]", printed)) == {
            (b"841", b"594")  # lying A4, as its own style says
        }
