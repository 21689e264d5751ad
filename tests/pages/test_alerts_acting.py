"""What people do with alerts: acknowledge, silence, close."""

import time
from collections.abc import Callable
from contextlib import contextmanager

import pytest

from dashboard import state
from dashboard.alerts import acting
from dashboard.components import actions
from services.alerting import store
from services.alerting.models import Alert
from tests.alerts_seed import DRIFT, ENGINE, GONE, LORA, WILD
from tests.pages.alerts_shown import Scene, scene
from tests.pages.conftest import Open, said

__all__ = ["scene"]


@contextmanager
def wishing(monkeypatch: pytest.MonkeyPatch, what: acting.What, *alerts: Alert):
    """Draw the dialog of a wish in the page: AppTest reruns no dialog alone."""
    from dashboard.components import several

    monkeypatch.setattr(acting, "wished", lambda: (what, tuple(one.id for one in alerts)))
    monkeypatch.setattr(actions, "confirm", lambda proposal, **_: actions._dialog(proposal))
    monkeypatch.setattr(several, "confirm", lambda wish, found, **_: several.dialog(wish, found))
    yield


def test_an_operator_acknowledges_with_a_note(
    scene: Scene,
    open_page: Open,
    carry_out: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
):
    found = scene()
    with wishing(monkeypatch, "ack", found[DRIFT]):
        app = open_page("alerts", role="operator", mirror="empty")
        assert "Nobody is reminded of" in said(app)
        app.text_input(key="alert-note").input("I look").run()
        app.button(key="acting-do").click().run()
    assert carry_out() == 1
    done = store.alert(state.journal(), found[DRIFT].id)
    assert (done.owner, done.note) == ("mira", "I look")


def test_an_operator_silences_all_of_a_kind_and_sees_what_that_covers(
    scene: Scene,
    open_page: Open,
    carry_out: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
):
    found = scene()
    with wishing(monkeypatch, "silence", found[DRIFT]):
        app = open_page("alerts", role="operator", mirror="full")
        assert app.button(key="acting-do").disabled
        app.radio(key="alert-silence-what").set_value(
            f"All alerts of the kind drift, of {LORA}"
        ).run()
        app.text_input(key="alert-reason").input("Known.").run()
        assert "It covers 1 open alert" in said(app)
        app.button(key="acting-do").click().run()
    assert carry_out() == 1
    newest = store.silences(state.journal())[0]
    assert (newest.pattern, newest.project, newest.owner) == ("drift/*", LORA, "mira")
    assert 6_000 < newest.expires_at - time.time() <= 7_200


def test_an_operator_closes_what_nobody_can_tell_of(
    scene: Scene,
    open_page: Open,
    carry_out: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
):
    found = scene()
    with wishing(monkeypatch, "close", found[GONE]):
        app = open_page("alerts", role="operator", mirror="empty", alert=str(found[GONE].id))
        assert app.button(key="acting-do").disabled
        app.text_input(key="alert-reason").input("The workflow was deleted.").run()
        app.button(key="acting-do").click().run()
    assert carry_out() == 1
    monkeypatch.setattr(acting, "wished", lambda: None)
    done = store.alert(state.journal(), found[GONE].id)
    assert done.resolution == "mira closed it: The workflow was deleted."
    told = said(open_page("alerts", mirror="as it is", alert=str(found[GONE].id)))
    assert "Closed by a person" in told
    assert "mira: The workflow was deleted." in told


def test_several_are_acknowledged_at_once_each_by_an_action_of_its_own(
    scene: Scene,
    open_page: Open,
    carry_out: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
):
    found = scene()
    chosen = [found[key] for key in (DRIFT, ENGINE, WILD)]
    app = open_page("alerts", role="operator", mirror="empty")
    app.button(key="alerts-choose").click().run()
    assert "5 alerts chosen" in said(app)
    with wishing(monkeypatch, "ack", *chosen):
        app = open_page("alerts", role="operator", mirror="as it is")
        assert "Acknowledge" in said(app) or app.button(key="several-do")
        app.text_input(key="alert-note").input("All mine").run()
        app.button(key="several-do").click().run()
    assert carry_out() == 3
    owners = {store.alert(state.journal(), one.id).owner for one in chosen}
    assert owners == {"mira"}


def test_a_silence_is_made_by_a_pattern_and_ended(
    scene: Scene,
    open_page: Open,
    carry_out: Callable[[], int],
    dialog_open: Callable[[str], None],
):
    scene()
    dialog_open("silence-new")
    app = open_page("alerts", role="operator", mirror="empty", view="silences")
    app.text_input(key="alert-silence-pattern").input("run/*").run()
    app.text_input(key="alert-reason").input("Moving house.").run()
    assert "It covers 2 open alerts" in said(app)
    app.button(key="acting-do").click().run()
    assert carry_out() == 1
    made = store.silences(state.journal())[0]
    assert (made.pattern, made.project) == ("run/*", None)


def test_silences_tell_who_why_until_when_and_what_they_cover(scene: Scene, open_page: Open):
    scene()
    app = open_page("alerts", role="operator", mirror="empty", view="silences")
    told = said(app)
    assert "disk/*" in told
    assert "The disk is being grown" in told
    assert "By ann" in told
    assert "It covers 1 open alert" in told
    assert "Over by now." in told
    ends = [one for one in app.button if str(one.key).startswith("silence-end-")]
    assert len(ends) == 1
