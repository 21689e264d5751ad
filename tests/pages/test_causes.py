"""The panel that says why a deployment got worse, over a real prediction log and journal."""

import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import machines, state
from services.causes import Cause, Explanation
from services.home import Home
from services.predictions.log import PredictionLog
from services.predictions.models import Record
from services.serving import store as serving
from tests import seed
from tests.deployments_seed import request_id
from tests.pages.conftest import said, said_links
from tests.seed import HOSTILE

PROJECT, MODEL = "lora-finetuning", "net"


def panel(project: str, model: str) -> None:
    from dashboard.monitoring import causes

    causes.draw(project, model, None)


@pytest.fixture
def drawn(
    home: Home, signed_in: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., AppTest]:
    """Draw the panel as somebody sees it."""

    def opened(projects: tuple[str, ...] | None = None, project: str = PROJECT) -> AppTest:
        seed.fill(state.settings().mirror_url)
        signed_in("viewer", projects)
        # A page that is no app of pages has nowhere to link to.
        monkeypatch.setattr("dashboard.navigation.link", lambda *words, **_: linked.append(words))
        linked.clear()
        return AppTest.from_function(panel, args=(project, MODEL), default_timeout=20).run()

    return opened


linked: list[tuple[Any, ...]] = []


def requests(home: Home, slow: Callable[[float, random.Random], bool]) -> None:
    """Write two hours of requests; those of key ``k2`` are slow."""
    log, now, chance = PredictionLog.open(home, "gateway"), time.time(), random.Random(5)  # noqa: S311
    for number in range(1500):
        at = now - 7200 + number * 4.8
        new = slow(now - at, chance)
        log.append(
            Record(
                request_id(at, chance), at, PROJECT, MODEL, 1, "plain", 200,
                10 * (1 + chance.random()) * (4 if new else 1), queue_ms=0.1, host="studio",
                key_id="k2" if new else "k1", inputs={"text": ["a"]}, outputs={"label": ["b"]},
            )
        )  # fmt: skip
    log.close()


def deployed(home: Home) -> None:
    serving.record_event(state.journal(), f"{PROJECT}.{MODEL}", "live", "It answers.", version=1)


def test_what_explains_most_is_drawn_first_with_its_bar_and_evidence(
    home: Home, drawn: Callable[..., AppTest]
):
    deployed(home)
    requests(home, lambda ago, chance: ago < 1800 and chance.random() < 0.6)
    app = drawn()
    told = said(app).replace("\u2060", "")  # which keeps a time from being read as an icon
    assert not app.exception
    assert "Slower since " in told
    assert "1. Others ask: key k2 has" in told
    assert "% of the change" in told
    assert "Key k2: 0 % of" in told
    assert "More failures? No. It is as it was" in told
    assert "The machine studio: " in told
    assert linked[0][:2] == ("deployments", "See the deployment")
    assert "**Who asks**" in told


def test_nothing_that_got_worse_says_so(home: Home, drawn: Callable[..., AppTest]):
    deployed(home)
    requests(home, lambda _ago, _chance: False)
    app = drawn()
    told = said(app)
    assert not app.exception
    assert "Slower? No. It is as it was" in told
    assert "1. " not in told


def test_what_nothing_explains_says_what_was_looked_at_and_what_could_not_be(
    drawn: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
):
    found = Explanation(
        PROJECT, MODEL, "accuracy", "worse", None, "Wrong answers: 3 % → 9 %.", (),
        ("Who asks: there are no keys.",), ("version", "feature"),
    )  # fmt: skip
    monkeypatch.setattr(machines, "why_deployment", lambda *_: (found,))
    app = drawn()
    told = said(app)
    assert not app.exception
    assert "None was found of 2 things looked at." in told
    assert "Who asks: there are no keys." in told
    assert "Another version" in told or "another version" in told
    assert "inputs that moved" in told
    (looked,) = app.expander
    assert looked.label == "2 things looked at that explain nothing"
    assert looked.proto.expanded


def test_an_endpoint_that_nobody_asked_says_that_it_is_not_known(
    home: Home, drawn: Callable[..., AppTest]
):
    deployed(home)
    assert "Slower? Not known. Nothing can be told: 0 requests" in said(drawn())


def test_what_cannot_be_asked_is_a_sentence(drawn: Callable[..., AppTest]):
    app = drawn()
    assert not app.exception
    assert "There is no deployment lora-finetuning.net." in said(app)


def test_who_does_not_see_the_project_sees_nothing(home: Home, drawn: Callable[..., AppTest]):
    deployed(home)
    app = drawn(("stable-diffusion",))
    assert not app.exception
    assert said(app).strip() == ""


def test_what_people_named_is_text(
    home: Home, drawn: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
):
    cause = Cause("feature", HOSTILE, HOSTILE, 0.4, False, (HOSTILE,), HOSTILE, "/nowhere?a=b")
    found = Explanation(PROJECT, MODEL, "data", "worse", None, HOSTILE, (cause,), (HOSTILE,), ())
    monkeypatch.setattr(machines, "why_deployment", lambda *_: (found,))
    app = drawn()
    assert not app.exception
    assert "<img" not in "".join(str(one.value) for one in app.markdown)
    assert "about 40\u202f% of the change" in said(app) or "about 40 % of the change" in said(app)
    assert linked == []
    assert said_links(app) == ""
