"""One alert: its story, what explains it and where it leads."""

import re
import time
from dataclasses import replace

import pytest

from dashboard import state
from dashboard.alerts import links
from services.retraining import store as retrainings
from tests.alerts_seed import DISK, DRIFT, ENDPOINT, ENGINE, LORA, OVER, RUN, WILD
from tests.pages.alerts_shown import Scene, scene
from tests.pages.conftest import Open, said, said_links
from tests.services.retraining.things import evidence, proposal

__all__ = ["scene"]


def test_the_story_of_an_alert_is_told_in_the_order_of_time(scene: Scene, open_page: Open):
    found = scene()
    app = open_page("alerts", role="viewer", mirror="empty", alert=str(found[RUN].id))
    assert not app.exception
    told = said(app)
    assert "Out of memory at step 412." in told
    story = next(str(one.value) for one in app.get("html") if 'role="list"' in str(one.value))
    places = [story.index(word) for word in ("It fired", "Arrived", "Acknowledged")]
    assert places == sorted(places)
    assert "ops, that it fires; it arrived after 1.2 s" in told
    assert "ben: I take less of a batch." in told
    assert "What it said" in story
    assert "The run" in said_links(app)
    assert "Its lineage" in said_links(app)
    assert found[RUN].thread in told


def test_the_detail_says_what_explains_it_and_what_keeps_it_quiet(scene: Scene, open_page: Open):
    found = scene()
    app = open_page("alerts", mirror="empty", alert=str(found[ENDPOINT].id))
    assert "Explained by: Ray Serve is down" in said_links(app)
    app = open_page("alerts", mirror="empty", alert=str(found[DISK].id))
    assert "Silenced by ann until" in said(app)
    assert "The disk is being grown" in said(app)
    app = open_page("alerts", mirror="empty", alert=str(found[DRIFT].id))
    assert "age: effect 0.62, from 0.1 on it counts" in said(app)
    evidence_of = said(app)
    assert "MLflow was down then." in evidence_of
    assert "(/alerts?alert=1)" not in evidence_of
    assert re.search(r'<a href="[^"]*alerts\?[^"]*alert=1[^"]*"[^>]*>The alert</a>', evidence_of)
    assert "Not ours. (/nowhere?a=1)" in evidence_of, "a page that is not there is no link"
    app = open_page("alerts", mirror="empty", alert=str(found[OVER].id))
    assert "Run baseline-2 finished." in said(app)
    assert not [one for one in app.button if str(one.key).startswith("alert-")]


@pytest.mark.parametrize("number", ["99999", "0", "x", "9" * 40, "-1"])
def test_a_number_of_nothing_is_a_sentence_and_what_is_none_is_the_inbox(
    scene: Scene, open_page: Open, number: str
):
    scene()
    app = open_page("alerts", mirror="empty", alert=number)
    assert not app.exception
    if number in {"99999", "0"}:
        assert "There is no alert" in app.error[0].value
    else:
        assert app.title[0].value == "Alerts"


def test_links_of_alerts_lead_to_pages_that_are_there(scene: Scene, open_page: Open):
    found = scene("admin")
    app = open_page("alerts", role="admin", mirror="empty", alert=str(found[ENGINE].id))
    assert "Engines and disks" in said_links(app)
    app = open_page("alerts", mirror="empty", alert=str(found[DRIFT].id))
    assert any(label in said_links(app) for label in ("The verdict", "The deployment"))
    app = open_page("alerts", mirror="empty", alert=str(found[WILD].id))
    assert "javascript" not in said_links(app)


def test_the_lineage_of_an_alert_of_drift_is_its_own(scene: Scene):
    told = scene()[DRIFT]
    way = links.origin(told)
    assert way is not None
    assert way.params == {"id": f"deployment:{LORA}/{LORA}:2"}
    way = links.origin(replace(told, labels={**told.labels, "verdict": "v1"}))
    assert way is not None
    assert way.params == {"id": f"alert:{told.id}"}


def test_the_story_tells_of_the_retraining_that_answers_it(scene: Scene, open_page: Open):
    alert = scene()[DRIFT]
    at = time.time()
    draft = proposal(
        0,
        project=LORA,
        model=LORA,
        alert_id=alert.id,
        created_at=at,
        evidence=(evidence(alert.id),),
    )
    retrainings.put(state.journal(), draft)
    told = said(open_page("alerts", mirror="empty", alert=str(alert.id)))
    assert "Retraining 1 is open: 3 of 20 columns drifted." in told
    assert "/monitoring?retraining=1" in told


def test_who_may_not_open_a_page_is_led_to_what_everybody_sees(scene: Scene, open_page: Open):
    found = scene("viewer")
    app = open_page("alerts", mirror="empty", alert=str(found[ENGINE].id))
    assert "Engines and disks" not in said_links(app)
    assert "Engines" in said_links(app)
