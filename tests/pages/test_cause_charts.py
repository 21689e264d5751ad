"""Each claim about a deployment that got worse leads to a page with its chart."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import machines, state
from services.causes import Cause, Explanation, explain
from services.monitoring.models import State
from tests import seed
from tests.pages.conftest import said
from tests.services.causes.blamed import FIRST, one_sided
from tests.services.causes.scenes import ONSET

PROJECT, MODEL = "lora", "net"
Linked = list[tuple[tuple[Any, ...], dict[str, Any]]]


def panel(project: str, model: str) -> None:
    from dashboard.monitoring import causes

    causes.draw(project, model, None)


@pytest.fixture
def shown(
    signed_in: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> tuple[Callable[[Explanation, str], str], Linked, list[Any]]:
    """Return what draws the page at a link, its links, and what was asked."""
    seed.fill(state.settings().mirror_url)
    signed_in("viewer")
    linked: Linked = []
    asked: list[Any] = []
    monkeypatch.setattr("dashboard.navigation.link", lambda *a, **said: linked.append((a, said)))
    app = AppTest.from_function(panel, args=(PROJECT, MODEL), default_timeout=20)

    def drawn(found: Explanation, link: str) -> str:
        linked.clear()
        monkeypatch.setattr(machines, "why_deployment", lambda *a: (asked.append(a), (found,))[1])
        app.query_params.clear()
        for name, value in parse_qsl(urlsplit(link).query):
            app.query_params[name] = value
        app.run()
        assert not app.exception
        return said(app)

    return drawn, linked, asked


def charts_of(found: Explanation) -> list[Cause]:
    return [one for one in found.causes if one.chart is not None]


def test_the_link_of_each_kind_of_cause_opens_its_chart(shown):
    drawn, _, asked = shown
    for kind, made in FIRST.items():
        found = explain(made())
        assert found.first is not None
        assert found.first.chart is not None
        told = drawn(found, found.first.link)
        assert f"**{found.first.chart.title}**" in told, kind
        assert asked[-1] == (PROJECT, MODEL, found.symptom, ONSET, found.now.until), kind
        assert "You look at what was known at" in told


def test_the_cause_that_is_named_has_its_chart_and_the_others_a_way_to_theirs(shown):
    drawn, linked, _ = shown
    found = explain(FIRST["low_power"]())
    first, *rest = charts_of(found)
    second = Cause("load", "More ask", "s", 0.1, True, (), "", FIRST_LINK, chart=first.chart)
    found = Explanation(PROJECT, MODEL, "slow", "worse", ONSET, "", (first, second), (), ())
    drawn(found, FIRST_LINK)
    ways = [said["cause"] for a, said in linked if a[1] == "See its chart"]
    assert ways == ["low_power"]
    assert not rest
    drawn(found, "/monitoring")
    ways = [said["cause"] for a, said in linked if a[1] == "See its chart"]
    assert ways == ["load"]


FIRST_LINK = "/monitoring?symptom=slow&cause=load"


@pytest.mark.parametrize("broken", ["since=x&until=2", "since=5&until=2", "since=nan&until=1e999"])
def test_an_address_with_a_time_that_is_none_shows_now(shown, broken: str):
    drawn, _, asked = shown
    found = explain(FIRST["batch"]())
    told = drawn(found, f"/monitoring?symptom=slow&cause=batch&{broken}")
    assert asked[-1] == (PROJECT, MODEL, None, None, None)
    assert "**Rows a request**" in told
    assert "You look at" not in told


@pytest.mark.parametrize(("state", "came"), [("missing", 0), ("new", 1)])
def test_an_input_that_came_or_went_is_drawn_without_what_got_worse(shown, state: State, came: int):
    drawn, _, _ = shown
    found = explain(one_sided(state, came))
    told = drawn(found, found.causes[0].link)
    assert "**The input a**" in told
