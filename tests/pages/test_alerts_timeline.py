"""The timeline of alerts, and the history of those that are over."""

from tests.alerts_seed import CLIP, DRIFT, LORA
from tests.pages.alerts_shown import Scene, scene
from tests.pages.conftest import Open, said

__all__ = ["scene"]


def test_the_timeline_has_a_lane_a_project_and_kind_and_says_what_explains_what(
    scene: Scene, open_page: Open
):
    found = scene()
    app = open_page("alerts", mirror="empty", view="timeline", range="6h")
    told = said(app)
    assert f"{LORA} <span" in told
    assert "drift · 1 alert" in told
    assert "endpoint · 1 alert" in told
    assert f"/alerts?range=6h&amp;alert={found[DRIFT].id}" in told
    assert "explains 1 alert" in told
    assert "What explains what" in told


def test_the_timeline_keeps_to_the_project(scene: Scene, open_page: Open):
    scene()
    told = said(open_page("alerts", mirror="full", view="timeline", range="1h", project=CLIP))
    assert "endpoint · 1 alert" in told
    assert "drift" not in told


def test_history_tells_how_it_ended_who_looked_after_it_and_who_was_told(
    scene: Scene, open_page: Open
):
    scene()
    app = open_page("alerts", mirror="empty", view="history")
    told = said(app)
    assert "Run baseline-2 finished." in told
    assert "I take less of a batch." in told
    assert ">ops<" in told
    told = said(open_page("alerts", mirror="as it is", view="history", find="baseline-2"))
    assert "Run baseline-1 failed" in told
    assert "Ray Serve is down" not in told
    told = said(open_page("alerts", mirror="as it is", view="history", before="1"))
    assert "Nothing like this fired" in told
