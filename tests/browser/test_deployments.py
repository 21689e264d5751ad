"""The page of deployments in a browser: read, followed, tried by hand and by keys, acted on."""

import re
import threading
from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from services.actions.journal import Journal
from services.home import Home
from services.serving import store
from services.serving.routes import Replica, Route, Routes, VersionRoute
from services.settings import Settings
from tests import deployments_seed, gateway_double, seed
from tests.browser.conftest import (
    IN_WINDOWS,
    Served,
    alive,
    executor,
    idle,
    installed,
    shot,
    sign_in,
    tab,
    window,
)
from tests.deployments_seed import CLIP, FEW, IMAGES, LORA, PIXELS, TEXT
from tests.gateway_double import Asked

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]
PAGE = "Deployments"
_asked: list[Asked] = []


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A dashboard over six endpoints whose engines write every second, and a gateway."""
    folder = tmp_path_factory.mktemp("home")
    with installed(folder, MLOPS_SERVING_ENABLED="1") as (home, settings):
        seed.fill(settings.mirror_url)
        deployments_seed.connect(settings.mirror_url)
        deployments_seed.package(home, LORA, 2, 212)
        journal = Journal.open(settings)
        deployments_seed.fill(home, journal)
        with (
            gateway_double.standing_in(home, journal) as asked,
            alive(
                home,
                partial(seed.keep_fresh, settings.mirror_url),
                partial(deployments_seed.keep_fresh, home),
            ) as served,
        ):
            _asked[:] = [asked]
            yield served


@pytest.fixture
def page(browser: Browser, deployed: Served) -> Iterator[Page]:
    with tab(browser, deployed, 1250) as found:
        yield found


def at(name: str, part: str = "") -> str:
    return f"/deployments?deployment={name}" + (f"&part={part}" if part else "")


def test_from_the_table_to_a_deployment_and_back(page: Page):
    sign_in(page, "/deployments", name="viewer")
    idle(page, PAGE)
    shot(page, "deployments")
    page.get_by_role("link", name="cpu-compression").click()
    page.wait_for_url(re.compile(re.escape(PIXELS)))
    idle(page, "cpu-compression")
    expect(page.get_by_text("Takes 10 % of the requests; 214 answered")).to_be_visible()
    expect(page.get_by_test_id("stEChartsChart")).to_be_visible()
    for key in ("Scale", "Undeploy", "Deploy another version", "End it"):
        expect(page.get_by_role("button", name=key, exact=True)).to_be_disabled()
    page.go_back()
    idle(page, PAGE)
    page.get_by_role("button", name="canary", exact=True).click()
    page.wait_for_url(re.compile("state=canary"))
    idle(page, PAGE)
    expect(page.get_by_text("1 of 6 deployments.")).to_be_visible()


def test_a_canary_by_an_operator_through_the_dialog(page: Page):
    sign_in(page, at(LORA), name="operator")
    idle(page, "lora-finetuning")
    page.get_by_role("button", name="Deploy another version").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("takes the role approver")).to_be_visible()
    expect(dialog.get_by_role("button", name="Deploy", exact=True)).to_be_disabled()
    dialog.get_by_role("radio", name="Canary").click()
    expect(dialog.get_by_text("10 % of the requests to")).to_be_visible()
    expect(dialog.get_by_text("that are left")).to_be_visible()
    expect(dialog.get_by_text("by each replica")).to_be_visible()
    page.wait_for_timeout(4_000)  # the page is drawn again meanwhile, and closes no dialog
    shot(page, "deployments dialog")
    dialog.get_by_role("button", name="Deploy", exact=True).click()
    expect(dialog.get_by_text("The controller takes it up")).to_be_visible()
    page.keyboard.press("Escape")
    idle(page, "lora-finetuning")
    (asked,) = executor().history(kinds=("deploy",))
    assert (asked.actor, asked.state) == ("operator", "pending")
    assert asked.title == "Deploy lora-finetuning version 2 as a canary of 10 %"


def test_a_digit_is_drawn_by_hand_and_by_keys_and_asked(page: Page):
    sign_in(page, at(PIXELS, "Try+it"), name="operator")
    idle(page, "cpu-compression")
    ask = page.get_by_role("button", name="Ask", exact=True)
    expect(ask).to_be_disabled()
    pad = page.get_by_role("application", name=re.compile("8 by 8 cells"))
    box = pad.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + box["height"] - 20, steps=12)
    page.mouse.up()
    expect(ask).to_be_enabled()
    page.wait_for_timeout(2_500)  # the page is drawn again meanwhile: what was drawn stays
    pad.focus()
    for key in ("ArrowRight", "ArrowDown", " "):
        page.keyboard.press(key)
    idle(page)
    ask.click()
    answer = page.locator(".st-key-try-answer")
    expect(answer.get_by_text("87.3 %")).to_be_visible()
    expect(answer.get_by_text("version 1")).to_be_visible()
    shot(page, "deployments drawn and asked")
    path, body = _asked[0].bodies[-1]
    assert path == f"/v2/models/{PIXELS}/infer"
    (sent,) = body["inputs"]
    assert sent["shape"] == [1, 64]
    assert max(sent["data"]) == 1.0
    assert sent["data"][9] == 1.0, "column 2, row 2: by the keys"
    answer.get_by_role("button", name="Right").click()
    expect(answer.get_by_text("Kept: the answer was right.")).to_be_visible()
    assert _asked[0].bodies[-1][1] == {"label": 3, "model": PIXELS}


def stroke(page: Page, pad: Locator) -> None:
    box = pad.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + box["height"] - 20, steps=12)
    page.mouse.up()


def test_a_picture_is_drawn_in_colours_and_widths(page: Page):
    sign_in(page, at(CLIP, "Try+it"), name="operator")
    idle(page, "clip-finetuning")
    pad = page.get_by_role("application", name=re.compile("12 by 12 cells"))
    page.get_by_role("button", name="Red", exact=True).click()
    page.get_by_role("button", name="Broad", exact=True).click()
    stroke(page, pad)
    page.get_by_role("button", name="Blue", exact=True).click()
    page.get_by_role("button", name="Fine", exact=True).click()
    pad.focus()
    for key in ("ArrowRight", "ArrowDown", " "):
        page.keyboard.press(key)
    idle(page)
    shot(page, "deployments drawn in colours")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator(".st-key-try-answer")).to_be_visible()
    (sent,) = [one for one in _asked[0].bodies[-1][1]["inputs"] if one["name"] == "image"]
    assert sent["shape"] == [1, 12, 12, 3]
    cells = [tuple(sent["data"][n : n + 3]) for n in range(0, 432, 3)]
    assert set(cells) == {(0.0, 0.0, 0.0), (0.9, 0.1, 0.1), (0.1, 0.3, 0.9)}
    assert cells[13] == (0.1, 0.3, 0.9), "column 2, row 2: by the keys"
    assert sum(one == (0.1, 0.3, 0.9) for one in cells) == 1, "fine"
    middle = cells[6 * 12 : 7 * 12]
    assert sum(one == (0.9, 0.1, 0.1) for one in middle) == 3, "broad"


def test_a_model_is_taught_by_drawing(page: Page, monkeypatch: pytest.MonkeyPatch):
    ways = deployments_seed.ways

    def with_few(home: Home, now: float) -> Routes:
        found, info = ways(home, now), deployments_seed.infos()[FEW]
        told = VersionRoute(1, info, "mlx", "", (Replica("one", "unix:/nowhere"),))
        way = Route(FEW, info.project, info.model, 1, {1: 1.0}, {1: told})
        return Routes(8, {**found.endpoints, FEW: way})

    monkeypatch.setattr(deployments_seed, "ways", with_few)
    page.wait_for_timeout(2_500)  # the engines write it
    sign_in(page, at(FEW, "Try+it"), name="operator")
    idle(page, "meta-learning-peft")
    pads = page.get_by_role("application", name=re.compile("8 by 8 cells"))
    add = page.get_by_role("button", name="Add this example")
    expect(add).to_be_disabled()
    stroke(page, pads.first)
    expect(add).to_be_enabled()
    add.click()
    expect(page.get_by_text("1 example of 1 class. None yet of 1, 2")).to_be_visible()
    idle(page)
    expect(add).to_be_disabled()  # the next one is drawn on a clean sheet
    page.get_by_role("button", name="Fill in example data").click()
    expect(page.get_by_text("10 examples of 10 classes.")).to_be_visible()
    idle(page)
    shot(page, "deployments taught")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator(".st-key-try-answer").get_by_text("87.3 %")).to_have_count(1)
    pixels, label = _asked[0].bodies[-1][1]["inputs"]
    assert (pixels["shape"], label["data"]) == ([11, 64], [*range(10), -1])


def test_a_picture_is_sent_as_a_file(page: Page):
    from tests.dashboard.deployments.test_pictures import png

    sign_in(page, at(PIXELS, "Try+it"), name="operator")
    idle(page, "cpu-compression")
    file = {"name": "white.png", "mimeType": "image/png", "buffer": png(20, 20, 255)}
    page.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]  # a file
    ask = page.get_by_role("button", name="Ask", exact=True)
    expect(ask).to_be_enabled()
    ask.click()
    expect(page.locator(".st-key-try-answer")).to_be_visible()
    (sent,) = _asked[0].bodies[-1][1]["inputs"]
    assert sent["data"] == [1.0] * 64


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (TEXT, "The north wind blew colder than <b>ever</b> before"),
        (IMAGES, "image: 16 by 16 pixels"),
        (CLIP, "1 vector of 32 numbers"),
        (LORA, "<b>card</b> problem"),
    ],
)
def test_every_kind_is_asked_and_its_answer_drawn(page: Page, name: str, told: str):
    sign_in(page, at(name, "Try+it"), name="operator")
    idle(page)
    page.get_by_role("button", name="Ask", exact=True).click()
    answer = page.locator(".st-key-try-answer")
    expect(answer).to_contain_text(re.compile(re.escape(told).replace(r"\ ", r"\s+")))
    if name == IMAGES:
        expect(answer.locator("img")).to_be_visible()


def test_a_key_is_made_shown_once_and_revoked(page: Page):
    sign_in(page, at(LORA, "Keys"), name="approver")
    idle(page, "lora-finetuning")
    page.get_by_role("button", name="Add a key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("shop")
    expect(dialog.get_by_text("The key is shown once")).to_be_visible()
    dialog.get_by_role("button", name="Make it").click()
    expect(dialog.get_by_text("The controller takes it up")).to_be_visible()
    executing = threading.Thread(target=lambda: executor().execute_pending(lane="quick"))
    executing.start()
    executing.join()
    shown = dialog.get_by_test_id("stCode").filter(has_text=re.compile("mlk_")).locator("code")
    expect(shown).to_be_visible()
    key = shown.inner_text()
    shot(page, "deployments key")
    dialog.get_by_role("button", name="Close", exact=True).last.click()
    idle(page, "lora-finetuning")
    expect(page.get_by_text(key)).to_have_count(0)
    (made,) = [one for one in store.keys(Journal.open(Settings())) if one.name == "shop"]
    assert made.hash == store.key_hash(key)
    card = page.locator(f".st-key-key-{made.id}")
    card.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("dialog").get_by_text("is refused (401)")).to_be_visible()


def test_what_the_engines_write_is_drawn_while_nobody_touches_the_page(
    page: Page, monkeypatch: pytest.MonkeyPatch
):
    sign_in(page, at(LORA), name="viewer")
    idle(page, "lora-finetuning")
    page.evaluate("() => { window.same = true }")
    real = deployments_seed.passing

    def slower(now: float):
        from dataclasses import replace

        found = real(now)
        one = replace(found.endpoints[LORA][1], p95_ms=77.0)
        return replace(found, endpoints={**found.endpoints, LORA: {1: one}})

    monkeypatch.setattr(deployments_seed, "passing", slower)
    expect(page.get_by_test_id("stMetricValue").get_by_text("77 ms")).to_be_visible()
    assert page.evaluate("() => window.same")


@IN_WINDOWS
def test_all_parts_fit_their_window_and_say_nothing_on_the_console(
    browser: Browser, deployed: Served, width: int, theme: str
):
    parts = ("Now", "Versions", "Replicas", "Try+it", "Use+it", "Keys")
    with window(browser, deployed, width, theme, 1000) as (page, fits):
        sign_in(page, "/projects")
        for address in ("/deployments", *(at(PIXELS, part) for part in parts), at(CLIP), at(TEXT)):
            page.goto(address)
            idle(page)
            fits(f"deployments {address[12:]}")
