"""An acknowledgement on the page: for how long, until when, and given back."""

from collections.abc import Callable

import pytest

from dashboard import state
from services.alerting import store
from tests.alerts_seed import DRIFT, ENGINE, RUN, WILD
from tests.pages.alerts_shown import Scene, scene
from tests.pages.conftest import Open, said
from tests.pages.test_alerts_acting import wishing

__all__ = ["scene"]


@pytest.mark.parametrize(
    ("key", "chosen", "hours"), [(WILD, None, 24.0), (DRIFT, None, 4.0), (DRIFT, "3 days", 72.0)]
)
def test_the_dialog_asks_for_how_long_and_begins_with_what_is_usual(
    scene: Scene,
    open_page: Open,
    carry_out: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    chosen: str | None,
    hours: float,
):
    found = scene()
    with wishing(monkeypatch, "ack", found[key]):
        app = open_page("alerts", role="operator", mirror="empty")
        if chosen is not None:
            app.segmented_control(key="alert-ack-for").set_value(chosen).run()
            assert f"for {chosen}, unless it gets worse" in said(app)
        app.button(key="acting-do").click().run()
    assert carry_out() == 1
    done = store.alert(state.journal(), found[key].id)
    assert done.acknowledged_at is not None
    assert done.acknowledged_until == done.acknowledged_at + hours * 3600


def test_several_are_acknowledged_for_the_shortest_of_what_is_usual(
    scene: Scene,
    open_page: Open,
    carry_out: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
):
    found = scene()
    with wishing(monkeypatch, "ack", found[WILD], found[ENGINE]):
        app = open_page("alerts", role="operator", mirror="empty")
        assert app.segmented_control(key="alert-ack-for").value == "4 hours"
        app.button(key="several-do").click().run()
    assert carry_out() == 2
    done = store.alert(state.journal(), found[WILD].id)
    assert done.acknowledged_until == (done.acknowledged_at or 0.0) + 4 * 3600


def test_an_operator_gives_back_and_the_page_says_who_had_it(
    scene: Scene,
    open_page: Open,
    carry_out: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
):
    found = scene()
    one = found[RUN]
    assert "(until " in said(open_page("alerts", role="operator", mirror="empty"))
    detail = open_page("alerts", role="operator", mirror="as it is", alert=str(one.id))
    assert "then it fires again if it is still open" in said(detail)
    assert not detail.button(key="alert-release").disabled
    with wishing(monkeypatch, "release", one):
        app = open_page("alerts", role="operator", mirror="as it is")
        assert "ben looks after" in said(app)
        app.button(key="acting-do").click().run()
    assert carry_out() == 1
    assert store.alert(state.journal(), one.id).owner is None


def test_what_was_given_back_says_who_had_it_until_when(scene: Scene, open_page: Open):
    one = scene()[RUN]
    store.take_back(state.journal(), one.id, "mira", store.alert(state.journal(), one.id).last_at)
    assert "nobody looks after it; ben did until" in said(
        open_page("alerts", role="operator", mirror="empty")
    )
    detail = open_page("alerts", role="operator", mirror="as it is", alert=str(one.id))
    assert "Nobody now; ben did until" in said(detail)
    assert "Nobody looks after it any more" in said(detail)
    assert "alert-release" not in {button.key for button in detail.button}


def test_several_are_given_back_when_each_is_looked_after(
    scene: Scene,
    open_page: Open,
    carry_out: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
):
    found = scene()
    app = open_page("alerts", role="operator", mirror="empty")
    app.button(key="alerts-choose").click().run()
    assert "alerts-release" not in {button.key for button in app.button}
    store.acknowledge(state.journal(), found[WILD].id, "ann", "", found[WILD].last_at)
    chosen = [found[RUN], found[WILD]]
    with wishing(monkeypatch, "release", *chosen):
        app = open_page("alerts", role="operator", mirror="as it is")
        app.button(key="several-do").click().run()
    assert carry_out() == 2
    assert {store.alert(state.journal(), one.id).owner for one in chosen} == {None}


def test_a_viewer_gives_nothing_back(scene: Scene, open_page: Open):
    one = scene("viewer")[RUN]
    app = open_page("alerts", role="viewer", mirror="empty")
    assert app.button(key=f"alert-release-{one.id}").disabled
