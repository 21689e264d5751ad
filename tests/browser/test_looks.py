"""Every page in both themes and two widths: nothing overflows, no console error, a picture each."""

import pytest
from playwright.sync_api import Browser, expect

from tests import seed
from tests.browser.conftest import IN_WINDOWS, Served, idle, sign_in, window

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


@IN_WINDOWS
def test_pages_fit_their_window_and_say_nothing_on_the_console(
    browser: Browser, served: Served, width: int, theme: str
):
    with window(browser, served, width, theme) as (page, fits):
        sign_in(page, "/projects")
        for address, heading in PAGES:
            page.goto(f"/{address}")
            idle(page, heading)
            fits(address or "overview")
            if address == "":
                drawn = page.locator('img[alt*="finished runs"]').first
                expect(drawn).to_be_visible()
                assert drawn.evaluate("picture => picture.naturalWidth") > 0
