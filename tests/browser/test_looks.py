"""Every page in both themes and two widths: nothing overflows, no console error, a picture each."""

import pytest
from playwright.sync_api import Browser, ConsoleMessage, expect

from tests import seed
from tests.browser.conftest import Served, idle, shot, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]

PAGES = (
    ("", "Overview"),
    ("alerts", "Alerts"),
    ("registry", "Registry"),
    ("model?of=clip-finetuning&model=clip-finetuning", "clip-finetuning"),
    ("data", "Data"),
    ("data?of=lora-finetuning", "Data of LoRA fine-tuning"),
    ("data?of=clip-finetuning&part=Used+by", "Data of CLIP fine-tuning"),
    ("data?of=stable-diffusion", "Data of Stable diffusion"),
    ("workflows", "Workflows"),
    ("workflows?dag=lora-finetuning.train", "LoRA fine-tuning: train"),
    ("workflows?dag=lora-finetuning.train&part=Definition", "LoRA fine-tuning: train"),
    ("workflows?dag=lora-finetuning.train&run=train-03", "Run of LoRA fine-tuning: train"),
    ("projects", "Projects"),
    ("project?id=cpu-compression", "CPU compression"),
    ("hardware", "Hardware"),
    ("hardware?host=studio-1a2b3c4d&range=1h", "studio-1a2b3c4d"),
    ("hardware?host=book-5e6f7a8b&part=Figures", "book-5e6f7a8b"),
    ("hardware?host=mini-3a4b5c6d&part=Machine", "mini-3a4b5c6d"),
    (f"run?run={seed.run_id(1, 0)}&part=Hardware", "baseline-0"),
    ("activity", "Activity"),
    ("activity?view=Audit", "Activity"),
    ("admin", "Admin"),
    ("admin?view=Platform", "Admin"),
)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1000])
def test_pages_fit_their_window_and_say_nothing_on_the_console(
    browser: Browser, served: Served, theme: str, width: int
):
    context = browser.new_context(
        viewport={"width": width, "height": 960},
        color_scheme=theme,  # type: ignore[arg-type]  # one of the two words
        base_url=served.url,
    )
    page = context.new_page()
    said: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # Streamlit tries its health route below a page's path before the root: a 404 it expects.
        if message.type == "error" and "404" not in message.text:
            said.append(message.text)

    page.on("console", listen)
    sign_in(page, "/projects")
    for address, heading in PAGES:
        page.goto(f"/{address}")
        idle(page, heading)
        shot(page, f"{address or 'overview'} {theme} {width}")
        overflow = page.evaluate(
            "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow <= 0, address
        if address == "":
            drawn = page.locator('img[alt*="finished runs"]').first
            expect(drawn).to_be_visible()
            assert drawn.evaluate("picture => picture.naturalWidth") > 0
        expect(page.get_by_text("fault of its own")).to_have_count(0)
    assert not said
    context.close()
