"""What people name their things is shown as they typed it: on no page is it HTML or markdown."""

from collections.abc import Iterator
from functools import partial
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from services.actions.journal import Journal
from services.mirror import schema
from services.mirror.store import Store
from tests import hostile_seed, seed
from tests.browser.conftest import Served, alive, idle, installed, shot, sign_in
from tests.hostile_seed import MODEL, PROJECT, run_id

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]

RUNS = ",".join(run_id(index) for index in range(3))
PAGES = (
    "overview",
    "overview?" + urlencode({"project": PROJECT}),
    "experiments",
    "experiments?" + urlencode({"project": PROJECT}),
    *(
        "run?" + urlencode({"run": run_id(0), "part": part})
        for part in ("Curves", "Metrics", "Parameters", "Artifacts", "Environment")
    ),
    *(
        "compare?" + urlencode({"runs": RUNS, "side": side})
        for side in ("Metrics", "Curves", "Parameters", "Environment", "Parallel", "Techniques")
    ),
    "registry",
    "model?" + urlencode({"of": PROJECT, "model": MODEL}),
    "projects",
    "project?" + urlencode({"id": PROJECT}),
    "project?" + urlencode({"id": "broken:hostile"}),
    "activity",
    "activity?view=audit",
    "admin",
    # What nobody knows is repeated by the page that says so.
    "run?" + urlencode({"run": hostile_seed.TEXT}),
    "model?" + urlencode({"of": PROJECT, "model": hostile_seed.TEXT}),
    "project?" + urlencode({"id": hostile_seed.TEXT}),
    "experiments?" + urlencode({"project": hostile_seed.TEXT}),
    "experiments?" + urlencode({"q": hostile_seed.TEXT, "filter": hostile_seed.TEXT}),
)
DRAWN = """() => {
  const inside = document.querySelector('[data-testid="stApp"]');
  const texts = (selector, word) => [...inside.querySelectorAll(selector)]
    .filter(e => e.textContent.trim() === word && !e.closest('code'))
    .map(e => e.outerHTML.slice(0, 200));
  return [
    ...(window.hit ? ['a script ran'] : []),
    ...[...inside.querySelectorAll('img[src="x"], script, .katex, a[href^="javascript"]')]
      .map(e => e.outerHTML.slice(0, 200)),
    ...texts('b, strong, tspan[style*="bold"], em', 'loud'),
    ...texts('b, strong', 'strong'),
    ...texts('span, strong', 'dyed'),
    ...texts('a', 'link'),
    ...texts('[data-testid="stIconMaterial"]', 'skull'),
  ];
}"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A dashboard over an installation whose every name is hostile."""
    with installed(tmp_path_factory.mktemp("hostile")) as (home, settings):
        seed.fill(settings.mirror_url)
        engine, _ = schema.prepare(settings.mirror_url)
        hostile_seed.fill(Store(engine))
        engine.dispose()
        journal = Journal.open(settings)
        hostile_seed.note(journal)
        journal.close()
        with alive(home, partial(seed.keep_fresh, settings.mirror_url)) as found:
            yield found


@pytest.fixture(scope="module")
def context(browser: Browser, hostile: Served) -> Iterator[BrowserContext]:
    """Somebody signed in, once for all."""
    context = browser.new_context(viewport={"width": 1440, "height": 1600}, base_url=hostile.url)
    context.set_default_timeout(15_000)
    sign_in(context.new_page(), "/projects")
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    yield page
    page.close()
    assert not asked, "a script asked"


def drawn(page: Page) -> list[str]:
    """Return every element the hostile text has become."""
    found: list[str] = page.evaluate(DRAWN)
    return found


def test_no_page_draws_it_as_anything_but_text(page: Page):
    wrong = {}
    for address in PAGES:
        page.goto(f"/{address}")
        idle(page)
        expect(page.get_by_text("fault of its own")).to_have_count(0)
        shot(page, f"hostile {address[:40]}")
        if found := drawn(page):
            wrong[address] = found
    assert not wrong, "\n".join(f"{a}: {f}" for a, f in wrong.items())


def test_the_search_for_everything_draws_it_as_text(page: Page):
    page.goto("/projects")
    idle(page)
    page.keyboard.press("Control+k")
    search = page.get_by_role("dialog").get_by_role("searchbox")
    expect(search).to_be_focused()
    page.keyboard.type("loud")
    expect(page.get_by_role("dialog").get_by_text("<b>loud</b>").first).to_be_visible()
    idle(page)
    shot(page, "hostile palette")
    assert not drawn(page)


@pytest.mark.parametrize(
    ("address", "button"),
    [
        ("model?" + urlencode({"of": PROJECT, "model": MODEL}), "Promote"),
        ("model?" + urlencode({"of": PROJECT, "model": MODEL}), "Tag"),
        ("experiments?" + urlencode({"project": PROJECT}), "Columns"),
        ("experiments?" + urlencode({"project": PROJECT}), "Add filter"),
        ("run?" + urlencode({"run": run_id(0)}), "Archive"),
    ],
)
def test_a_dialog_draws_it_as_text(page: Page, address: str, button: str):
    page.goto(f"/{address}")
    idle(page)
    page.get_by_role("button", name=button, exact=True).click()
    expect(page.get_by_role("dialog").or_(page.get_by_test_id("stPopoverBody"))).to_be_visible()
    idle(page)
    shot(page, f"hostile dialog {button}")
    assert not drawn(page)


def test_a_chart_names_its_lines_as_text(page: Page):
    page.goto("/compare?" + urlencode({"runs": RUNS, "side": "Curves"}))
    idle(page)
    chart = page.locator(".js-plotly-plot").first
    chart.wait_for()
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.locator(".js-plotly-plot .hoverlayer text").first.wait_for()
    shot(page, "hostile hover")
    assert "<b>loud</b>" in chart.inner_text()
    assert not drawn(page)
