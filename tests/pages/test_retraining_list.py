"""All retrainings as a list, one by its own address, and proposed from the page of a model."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from dashboard.components.tables import PAGE_SIZE
from services.home import Home
from services.retraining import store
from services.retraining.models import Happened, Proposal
from tests.pages.conftest import Open, said, said_links
from tests.pages.roles import EVERY_ROLE, ROLES
from tests.services.retraining.things import evidence, proposal

LORA, CLIP = "lora-finetuning", "clip-finetuning"
MINUTE = 60.0
LAID = "as it is"


@pytest.fixture
def kept(home: Home) -> Callable[..., Proposal]:
    """Keep a retraining of this installation."""

    def put(project: str = LORA, **said: Any) -> Proposal:
        at = said.pop("at", time.time() - 90 * MINUTE)
        given = {"version": 1, "created_at": at, "evidence": (evidence(None, at=at),), **said}
        return store.put(state.journal(), proposal(0, project=project, model=project, **given))

    return put


@pytest.fixture
def three(kept: Callable[..., Proposal]) -> None:
    """One that was promoted, one that failed before it trained, one of another project waits."""
    now = time.time()
    kept(
        state="promoted", candidate=2, said="Version 2 is live and champion.", ended_at=now,
        took_minutes=9.0, took_joules=450.0, change=0.012, approved_by="ana",
        decided_at=now, evidence=(evidence(7, at=now),),
    )  # fmt: skip
    kept(state="failed", said="The workflow failed: <b>out of memory</b>.", ended_at=now)
    kept(CLIP, refused="It would take 500 J; 20 are allowed.", why="Too <i>many</i> cats.")


def shown(open_page: Open, **query: Any) -> AppTest:
    app = open_page("monitoring", **{"mirror": "full", "view": "retrainings", **query})
    assert not app.exception
    return app


def row(app: AppTest, number: int) -> str:
    rows = "".join(str(one.value) for one in app.get("html")).split("<tr>")
    return next(one for one in rows if f">Retraining {number}<" in one)


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_it_says_how_far_each_is_why_what_it_took_and_what_came_of_it(
    three: None, open_page: Open, role: str
):
    app = shown(open_page, role=role)
    good, failed, waits = (row(app, number) for number in (1, 2, 3))
    for words in (
        f"{LORA} · {LORA} <", ">1 → 2<", "promoted", "3 of 20 columns drifted.", "/alerts?alert=7",
        "9 min<br>450 J<br>", "measured", "Version 2 is live and champion.", "metric +0.012",
        "1 h ago", "lasted 1 h 30 min", "/monitoring?retraining=1",
        "/lineage?id=retraining%3A1",
    ):  # fmt: skip
        assert words in good
    assert "&lt;b&gt;out of memory&lt;/b&gt;" in failed
    assert "measured" not in failed  # it did not train, and nothing is made up
    assert "by history" not in failed
    for words in ("waits for a decision", "Too &lt;i&gt;many&lt;/i&gt; cats.",
                  "10 min<br>500 J<br>",
                  "by history", "20 are allowed", "for 1 h 30 min"):  # fmt: skip
        assert words in waits


def test_the_filters_of_the_address_hold(three: None, open_page: Open):
    whole = shown(open_page)
    assert "/monitoring?retraining=3" in said(whole)
    mine = said(shown(open_page, mirror=LAID, project=LORA))
    assert "retraining=2" in mine
    assert "retraining=3" not in mine
    app = shown(open_page, mirror=LAID, status="failed")
    assert "retraining=2" in said(app)
    assert "retraining=1" not in said(app)
    assert app.button_group(key="status").value == ["failed"]
    none = said(shown(open_page, mirror=LAID, status="dropped"))
    assert "None of these at any time. Take a state away." in none
    assert "No retraining" not in none


def test_what_had_ended_before_the_time_range_is_left_out(
    kept: Callable[..., Proposal], open_page: Open
):
    ended = time.time() - 3 * 86_400
    kept(state="dropped", at=ended - 60, ended_at=ended)
    kept(at=ended)
    app = said(shown(open_page, range="24h"))
    assert "retraining=2" in app
    assert "retraining=1" not in app


def test_before_there_is_one_it_teaches(open_page: Open):
    app = shown(open_page, mirror="empty")
    assert "None was proposed at any time." in said(app)
    assert "mlops retrain propose PROJECT/MODEL --why TEXT" in said(app)
    assert "To the registry" in said_links(app)


def test_a_person_of_another_project_sees_none_of_them(three: None, open_page: Open):
    given: dict[str, Any] = {"role": "approver", "projects": (CLIP,)}
    told = said(shown(open_page, **given))
    assert "retraining=3" in told
    assert LORA not in told
    app = open_page("monitoring", mirror=LAID, retraining="1", **given)
    assert not app.exception
    assert "There is no retraining 1." in said(app)
    assert "promoted" not in said(app)


def test_older_ones_are_on_the_next_page(kept: Callable[..., Proposal], open_page: Open):
    for number in range(PAGE_SIZE + 2):
        kept(state="failed", at=float(number), ended_at=time.time())
    app = shown(open_page)
    assert f">Retraining {PAGE_SIZE + 2}<" in said(app)
    assert ">Retraining 2<" not in said(app)
    app.button(key="older").click().run()
    assert ">Retraining 2<" in said(app)
    assert ">Retraining 3<" not in said(app)


# One by its address


@pytest.mark.parametrize("role", ROLES)
def test_one_that_waits_is_decided_about_where_its_address_leads(
    three: None, open_page: Open, role: str
):
    app = open_page("monitoring", role=role, mirror="full", retraining="3")
    assert not app.exception
    assert app.title[0].value == "Retraining 3"
    for words in ("Too <i>many</i> cats.", "Data: Version abab of Monday.", "Not by itself: It"):
        assert words in said(app).replace("&lt;", "<").replace("&gt;", ">")
    assert app.button(key="retraining-accept").disabled == (role in {"viewer", "operator"})
    assert f"{CLIP} / {CLIP}" in said_links(app)


def test_of_one_that_ended_it_says_what_it_took_and_offers_nothing(three: None, open_page: Open):
    def steps(one: Proposal) -> store.Changed:
        return one, (Happened(time.time(), "promoted", "Version 2 is the champion."),)

    store.change(state.journal(), 1, steps)
    app = open_page("monitoring", role="admin", mirror="full", retraining="1")
    assert not app.exception
    told = said(app)
    for words in ("It took 9 min and 450 J, measured.", "+0.0120, each version by its own",
                  "accepted by ana", "Version 2 is the champion.", "3 of 20 columns"):  # fmt: skip
        assert words in told
    assert "by history" not in told
    keys = {one.key for one in app.button}
    assert not keys & {"retraining-accept", "retraining-dismiss", "retraining-stop"}


@pytest.mark.parametrize(("number", "told"), [("99", "There is no retraining 99."), ("x", "")])
def test_a_number_of_none_is_a_sentence_and_no_number_is_the_page_itself(
    open_page: Open, number: str, told: str
):
    app = open_page("monitoring", retraining=number)
    assert not app.exception
    assert len(app.error) == bool(told)
    assert told in said(app)


# From the page of a model


@pytest.mark.parametrize("role", ROLES)
def test_a_model_that_is_not_in_service_is_proposed_from_its_page(open_page: Open, role: str):
    app = open_page("model", role=role, of=CLIP, model=CLIP)
    assert not app.exception
    assert app.button(key="retraining-propose").disabled == (role == "viewer")


def test_what_is_proposed_there_is_the_same_action_as_elsewhere(
    open_page: Open, dialog_open: Callable[[str], None], carry_out: Callable[[], int]
):
    dialog_open("retraining-propose")
    app = open_page("model", role="operator", of=CLIP, model=CLIP)
    assert app.button(key="acting-do").disabled
    app.text_input(key="retraining-why").input("Cats became dogs.").run()
    assert "An approver decides about it" in said(app)
    app.button(key="acting-do").click().run()
    assert carry_out() == 1
    (one,) = store.proposals(state.journal())
    assert (one.project, one.model, one.why) == (CLIP, CLIP, "Cats became dogs.")
    assert one.requested_by == "mira"


def test_while_one_waits_the_page_of_its_model_leads_there(three: None, open_page: Open):
    app = open_page("model", role="admin", of=CLIP, model=CLIP)
    assert not app.exception
    assert "Retraining 3 waits for a decision" in said_links(app)
    assert "retraining-propose" not in {one.key for one in app.button}


def test_one_that_a_person_dismissed_is_not_said_to_be_accepted(
    kept: Callable[..., Proposal], open_page: Open
):
    one = kept(state="dismissed", ended_at=time.time(), approved_by="ana")
    app = open_page("monitoring", retraining=str(one.id))
    assert "dismissed by ana" in said(app)
    store.change(state.journal(), one.id, lambda it: (replace(it, stopped="ana stopped it."), ()))
    app = open_page("monitoring", mirror="full", retraining=str(one.id))
    assert "accepted by ana" in said(app)
