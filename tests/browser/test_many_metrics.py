"""A run with 5,000 metric names: its pages open, stay small, and any metric can be found."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from services.engines.mlflow.models import Metric, Point, TrackedRun
from services.mirror import schema
from services.mirror.events import now_ms
from services.mirror.store import Store
from tests import seed
from tests.browser.conftest import Served, idle, installed, serving, shot, sign_in, tab

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]

MANY = 5_000
PROJECT = "lora-finetuning"
FIRST, SECOND = f"{1:032x}", f"{2:032x}"
WANTED = "layer_3210/grad_norm"
_NODES = 2_000
_PAGE_BYTES = 200_000


def run(run_id: str, shift: float) -> TrackedRun:
    now = now_ms()
    return TrackedRun(
        run_id=run_id, experiment_id="1", name=f"wide-{run_id[-1]}", status="finished",
        user="mira", started_ms=now - 60_000, ended_ms=now, deleted=False, artifact_uri=None,
        metrics={
            f"layer_{i:04}/grad_norm": Metric(i / MANY + shift, 9, now) for i in range(MANY)
        },
        params={}, tags={"mlops.project": PROJECT},
    )  # fmt: skip


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A dashboard over a mirror with two such runs."""
    with installed(tmp_path_factory.mktemp("wide")) as (home, settings):
        seed.fill(settings.mirror_url)
        engine, _ = schema.prepare(settings.mirror_url)
        store = Store(engine)
        store.write_runs(PROJECT, [run(FIRST, 0.0), run(SECOND, 0.5)])
        for run_id in (FIRST, SECOND):
            store.extend_curve(run_id, WANTED, [Point(1 / (s + 1), s, 0) for s in range(10)])
        engine.dispose()
        with serving(home) as url:
            yield Served(url, home)


@pytest.fixture
def page(browser: Browser, wide: Served) -> Iterator[Page]:
    with tab(browser, wide) as found:
        found.context.set_default_timeout(20_000)
        yield found


def received(page: Page) -> list[int]:
    """Return a list that grows by the size of each message the page gets."""
    sizes: list[int] = []
    page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda frame: sizes.append(len(frame))),
    )
    return sizes


PAGES = (
    *(
        "run?" + urlencode({"run": FIRST, "part": part})
        for part in ("Curves", "Metrics", "Parameters", "Environment")
    ),
    *(
        "compare?" + urlencode({"runs": f"{FIRST},{SECOND}", "side": side})
        for side in ("Metrics", "Curves", "Parallel", "Techniques")
    ),
    "experiments?" + urlencode({"project": PROJECT}),
    "project?" + urlencode({"id": PROJECT}),
)


def test_its_pages_are_small(page: Page):
    sign_in(page, "/projects")
    sizes = received(page)
    for address in PAGES:
        sizes.clear()
        page.goto(f"/{address}")
        idle(page)
        shot(page, f"wide {address[:4]} {address[-14:]}")
        expect(page.get_by_text("fault of its own")).to_have_count(0)
        nodes = page.evaluate("() => document.querySelectorAll('*').length")
        assert nodes < _NODES, address
        assert sum(sizes) < _PAGE_BYTES, address


def test_a_metric_is_found_on_the_runs_page(page: Page):
    sign_in(page, "/run?" + urlencode({"run": FIRST, "part": "Metrics"}))
    expect(page.get_by_text("The first 200 of 5,000")).to_be_visible()
    page.get_by_label("Find one of 5,000 metrics").fill("3210 grad")
    expect(page.get_by_text("The first 200 of 5,000")).to_have_count(0)
    idle(page)
    shot(page, "wide metric found")
    expect(page.locator("[data-testid=stDataFrame] td").filter(has_text=WANTED)).to_have_count(1)


def test_a_curve_is_found_and_drawn(page: Page):
    sign_in(page, "/run?" + urlencode({"run": FIRST}))
    page.get_by_label("Find one of 5,000 curves").fill("3210")
    idle(page)
    page.get_by_label("Curves", exact=True).last.click()
    page.get_by_role("option", name=WANTED).click()
    idle(page)
    expect(page.get_by_text(WANTED).last).to_be_visible()
    shot(page, "wide curve drawn")
