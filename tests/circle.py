"""What a test of the whole circle does: ask real rows, look, and go through the pages."""

import contextlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from tests.browser.conftest import idle, shot, sign_in
from tests.live import eventually

PROJECT, MODEL = "federated-learning", "federated-learning-digits"
NAME = f"{PROJECT}.{MODEL}"
ROWS = 2_500
"""More than a check wants of a window, 2,000."""
_BATCH = 20
_VERBS = 9
"""Kinds of links there are at least, from data to the new version."""
LONG = 120_000
"""Milliseconds that keep a broken test from hanging."""
Mlops = Callable[..., str]


Digits = tuple[np.ndarray, np.ndarray]
"""Images, rows of 64 pixels in [0, 1], and which digit each is."""


def digits() -> tuple[Digits, Digits]:
    """Return the project's own 300 test images, as its code cuts, and all 1,797."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16.0).astype(np.float32)
    _, test, _, right = train_test_split(
        images, labels, test_size=300, stratify=labels, random_state=20
    )
    return (np.asarray(test), np.asarray(right)), (images, labels)


def inverted(images: np.ndarray) -> np.ndarray:
    """Return dark digits on bright paper: another scanner, the same digits."""
    return 1.0 - images


@dataclass
class Asking:
    """An application with a key: it asks for images, and later tells which digit each was."""

    gateway: str
    key: str
    seed: int = 6
    versions: Counter[int] = field(default_factory=Counter)
    """How many requests each version answered."""

    def __post_init__(self) -> None:
        self._draw = np.random.default_rng(self.seed)
        self._test, self._all = digits()

    def ask(
        self,
        requests: int = ROWS // _BATCH,
        shift: Callable[[np.ndarray], np.ndarray] | None = None,
        *,
        tells: bool = True,
    ) -> None:
        """Ask for test images, or for shifted ones of all digits; tell what they were.

        Each request has other rows than the one before.
        """
        images, labels = self._all if shift else self._test
        with httpx.Client(
            headers={"Authorization": f"Bearer {self.key}"}, timeout=60, trust_env=False
        ) as client:
            for _ in range(requests):
                drawn = self._draw.integers(0, len(images), _BATCH)
                rows = shift(images[drawn]) if shift else images[drawn]
                # The Open Inference Protocol v2, as other servers speak it.
                tensor = {"name": "image", "datatype": "FP32", "shape": list(rows.shape),
                          "data": rows.ravel().tolist()}  # fmt: skip
                answer = client.post(
                    f"{self.gateway}/v2/models/{NAME}/infer", json={"inputs": [tensor]}
                )
                assert answer.status_code == 200, answer.text
                said = answer.json()
                self.versions[int(said["model_version"])] += 1
                if not tells:
                    continue
                told = client.post(
                    f"{self.gateway}/feedback/{said['parameters']['request_id']}",
                    json={"label": labels[drawn].tolist()},
                )
                assert told.status_code == 202, told.text

    @contextlib.contextmanager
    def all_the_while(
        self, rest_s: float, shift: Callable[[np.ndarray], np.ndarray]
    ) -> Iterator[None]:
        """Ask in a thread, with a rest between two requests."""
        over, failed = threading.Event(), []

        def asking() -> None:
            while not over.wait(rest_s):
                try:
                    self.ask(1, shift)
                except (AssertionError, httpx.HTTPError) as error:
                    failed.append(str(error))

        thread = threading.Thread(target=asking)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        assert not failed, failed[:3]


@dataclass
class Seen:
    """What the platform says, by its command line."""

    mlops: Mlops

    def told(self, *arguments: str) -> Any:
        return json.loads(self.mlops(*arguments, "--json"))

    def check(self) -> str:
        """Check the deployment now; return its state."""
        self.mlops("drift", "check", NAME, "--wait")
        found = self.told("drift", "show", NAME)
        return str(found["state"])

    def alert(self, kind: str) -> dict[str, Any] | None:
        """Return the open alert of a kind of drift."""
        found = self.told("alerts", "list", "--project", PROJECT)
        return next((one for one in found if one["key"].endswith(f"{MODEL}/{kind}")), None)

    def explained(self, kind: str) -> dict[str, Any]:
        """Return the same as soon as its cause was found in what was logged."""

        def found() -> dict[str, Any] | None:
            one = self.alert(kind)
            return one if one and "cause" in one["labels"] else None

        explained: dict[str, Any] = eventually(found)
        return explained

    def proposal(self) -> dict[str, Any] | None:
        found = self.told("retrain", "list", "--project", PROJECT, "--all")
        return found[0] if found else None

    def proposed(self) -> dict[str, Any]:
        """Return the same as soon as there is one."""
        found: dict[str, Any] = eventually(self.proposal)
        return found

    def resolved(self, alert_id: int) -> bool:
        return bool(self.told("alerts", "show", str(alert_id))["state"] == "resolved")

    def resolution(self, alert_id: int) -> str:
        """Return why an alert ended."""
        return str(self.told("alerts", "show", str(alert_id))["resolution"])


def follow(watch: Seen, state: str, timeout_s: float = 400.0) -> dict[str, Any]:
    """Wait until the retraining is in a state; when it ended otherwise this fails at once."""
    end = time.monotonic() + timeout_s
    while True:
        one = watch.proposal()
        assert one is not None
        if one["state"] == state:
            return one
        if one["ended_at"] is not None or time.monotonic() > end:
            pytest.fail(watch.mlops("retrain", "show", str(one["id"])))
        time.sleep(1)


# What the approver does


def next_minute() -> datetime:
    """Wait until a minute begins and return it: the page asks for no finer time."""
    time.sleep(60.05 - time.time() % 60)  # a sleep may end some milliseconds early by this clock
    return datetime.fromtimestamp(time.time() // 60 * 60).astimezone()


def accept(
    page: Page, password: str, alert: dict[str, Any], proposal: dict[str, Any], since: datetime
) -> None:
    """From the inbox to the alert, from there to the deployment, and have it retrained.

    What was asked since a moment becomes data first: else training again would change nothing.
    """
    sign_in(page, "/alerts", name="ann", password=password)
    idle(page, "Alerts")
    shot(page, "circle inbox")
    page.get_by_role("link", name=re.compile(re.escape(alert["title"]))).first.click()
    idle(page)
    cause = page.get_by_text(re.compile(r"The input image moved"))
    expect(cause.first).to_be_visible()
    shot(page, "circle alert")
    why = page.get_by_role("link", name="Why, with its chart").get_attribute("href")
    assert why is not None
    page.get_by_role("link", name="The verdict").click()
    idle(page, MODEL)
    shot(page, "circle verdict")
    page.goto(why)
    idle(page, MODEL)
    first = page.get_by_text(re.compile(r"^1\. The input image moved")).first
    expect(first).to_be_visible(timeout=LONG)
    idle(page, MODEL)
    shot(page, "circle causes")
    is_charted(page)
    to(page, "Retraining")
    expect(page.get_by_text(f"Retraining {proposal['id']}").first).to_be_visible()
    shot(page, "circle proposed")
    collect(page, since)
    page.get_by_role("button", name="Accept").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(re.compile("trained"))).not_to_have_count(0)
    shot(page, "circle accepting")
    confirmed(dialog, "Retrain it")
    expect(dialog.get_by_test_id("stAlert").first).to_be_visible(timeout=LONG)
    shot(page, "circle accepted")
    dialog.get_by_role("button", name="Close", exact=True).last.click()
    expect(dialog).to_have_count(0)
    idle(page, MODEL)


def is_charted(page: Page) -> None:
    """What the alert says first is drawn."""
    expect(page.get_by_text("You look at what was known at").first).to_be_visible(timeout=LONG)
    expect(page.get_by_test_id("stEChartsChart").first).to_be_visible(timeout=LONG)


def collect(page: Page, since: datetime) -> None:
    """Have the rows that were asked since a moment, with their labels, made a version of data."""
    page.get_by_role("button", name="Collect rows").click()
    dialog = page.get_by_role("dialog")
    typed(dialog, since)
    told = dialog.get_by_text(re.compile("become a file of the data")).first
    expect(told).to_be_visible(timeout=LONG)
    idle(page)
    shot(page, "circle collecting")
    confirmed(dialog, "Collect them")
    done = dialog.get_by_test_id("stAlert").filter(has_text="data is now")
    expect(done).to_be_visible(timeout=LONG)
    # Not one of before the shift: the moment was read as it was typed.
    count = ROWS // _BATCH * _BATCH
    expect(done).to_contain_text(
        f"{count:,} rows of {ROWS // _BATCH:,} requests, {count:,} with a label"
    )
    shot(page, "circle collected")
    dialog.get_by_role("button", name="Close", exact=True).last.click()
    expect(dialog).to_have_count(0)
    idle(page, MODEL)


def typed(dialog: Locator, at: datetime) -> None:
    """Type a moment into the dialog's field: each part of it is one of its own."""
    field = dialog.get_by_test_id("stDateTimeInput")
    parts = {"year": f"{at:%Y}", "month": f"{at:%m}", "day": f"{at:%d}", "hour": f"{at:%H}",
             "minute": f"{at:%M}"}  # fmt: skip
    for name, value in parts.items():
        one = field.locator(f"[role=spinbutton][data-type={name}]")
        one.focus()
        one.press_sequentially(value)
    field.get_by_role("spinbutton").last.press("Enter")


def to(page: Page, part: str) -> None:
    page.get_by_role("radio", name=part, exact=True).click()
    idle(page, MODEL)


def confirmed(dialog: Locator, verb: str) -> None:
    button = dialog.get_by_role("button", name=verb, exact=True)
    expect(button).to_be_enabled()
    button.click()


def see_it_end(page: Page) -> None:
    """The panel says that it was promoted."""
    page.goto(f"/monitoring?deployment={NAME}&part=retraining")
    idle(page, MODEL)
    expect(page.get_by_text(re.compile("promoted")).first).to_be_visible(timeout=LONG)
    page.get_by_text(re.compile(r"Retraining \d+ ·")).first.click()
    idle(page, MODEL)
    shot(page, "circle promoted")


def see_the_thread(
    page: Page, watch: Seen, alert: dict[str, Any], made: dict[str, Any], learned_from: str
) -> None:
    """From the alert to its lineage: all kinds of things in one thread, and each of its links.

    ``learned_from``: the version of the data that the new version's run noted.
    """
    page.goto(f"/alerts?alert={alert['id']}")
    idle(page, f"Alert {alert['id']}")
    story = page.get_by_role("list").filter(has_text="It fired")
    expect(story).to_contain_text(f"Retraining {made['id']} is promoted")
    expect(story).to_contain_text("It is over")
    shot(page, "circle alert resolved")
    page.get_by_role("link", name="Its lineage").click()
    idle(page, "Lineage")
    shot(page, "circle lineage")
    version = f"{{}}:{PROJECT}/{MODEL}:{{}}".format
    named = {
        f"alert:{alert['id']}", f"verdict:{alert['labels']['verdict']}",
        f"retraining:{made['id']}", f"workflow:{made['workflow']}", f"run:{made['run_id']}",
        f"data:{made['data']['before']}", version("predictions", 1),
        *(version(kind, n) for kind in ("version", "bundle", "deployment") for n in (1, 2)),
    }  # fmt: skip
    is_drawn(page, named)
    is_listed(page, watch.told("lineage", f"alert:{alert['id']}"))
    # The other way: from what answers now over the data that it learned from to what was asked.
    page.goto(f"/lineage?id={quote(version('version', 2), safe='')}")
    idle(page, "Lineage")
    is_drawn(page, named | {f"data:{learned_from}", version("predictions", 2)})
    shot(page, "circle lineage of the new version")
    page.get_by_text(re.compile(r"The thread as a list")).click()
    lines = page.get_by_test_id("stExpander").get_by_role("listitem")
    asked = f"{version('predictions', 1)} were collected into data:{learned_from}"
    expect(lines.filter(has_text=asked)).to_have_count(1)


def is_drawn(page: Page, names: set[str]) -> None:
    """Each thing has one box in the drawing."""
    drawing = page.get_by_role("list").filter(has=page.locator("[aria-current=true]"))
    for name in sorted(names):
        box = drawing.locator(f'a[href$="lineage?id={quote(name, safe="")}"]')
        expect(box, name).to_have_count(1)


def is_listed(page: Page, thread: dict[str, Any]) -> None:
    """Each link of the thread is a line of the page's list, word for word."""
    verbs = {one["how"] for one in thread["links"]}
    assert len(verbs) >= _VERBS, verbs
    page.get_by_text(re.compile(r"The thread as a list")).click()
    lines = page.get_by_test_id("stExpander").get_by_role("listitem")
    expect(lines).to_have_count(len(thread["links"]))
    shown = Counter(lines.all_inner_texts())
    wanted = Counter(f"{one['before']} {one['how']} {one['after']}" for one in thread["links"])
    assert shown == wanted
