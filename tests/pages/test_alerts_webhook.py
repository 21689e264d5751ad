"""Channels on the page of alerts: one that is there is changed; the secret of a webhook."""

from collections.abc import Callable

import pytest

from dashboard import state
from services.alerting import channels, delivery
from services.home import Home
from tests import alerts_seed as seed
from tests.pages.alerts_shown import Scene, scene
from tests.pages.conftest import Open, said
from tests.pages.roles import EVERY_ROLE

__all__ = ["scene"]


def test_the_secret_of_a_webhook_is_shown_when_it_was_added_and_never_again(
    scene: Scene,
    open_page: Open,
    home: Home,
    carry_out: Callable[[], int],
    dialog_open: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
):
    scene("admin")
    monkeypatch.setattr(delivery, "service_of", lambda _: delivery.WEBHOOK)
    dialog_open("channel-new")
    app = open_page("alerts", role="admin", mirror="empty", view="channels")
    app.text_input(key="channel-name").input("hook").run()
    app.text_input(key="channel-address").input("https://hooks.example/T0").run()
    app.button(key="acting-do").click().run()
    assert not app.error
    assert not any("shown only here" in one.value for one in app.markdown), "not before it is kept"
    assert carry_out() == 1
    app.run()
    secret = channels.secret(home, channels.channel(state.journal(), "hook"))
    assert secret in [one.value for one in app.code]
    assert secret.encode() not in (home.databases / "journal.sqlite").read_bytes()
    again = open_page("alerts", role="admin", mirror="empty", view="channels")
    assert secret not in said(again)
    assert secret not in [one.value for one in again.code]


def test_an_admin_changes_what_a_channel_is_told_and_its_address_stays(
    scene: Scene,
    open_page: Open,
    home: Home,
    carry_out: Callable[[], int],
    dialog_open: Callable[[str], None],
):
    scene("admin")
    before = channels.channel(state.journal(), "ops")
    address = channels.address(home, before)
    dialog_open("channel-set-ops")
    app = open_page("alerts", role="admin", mirror="full", view="channels")
    assert app.text_input(key="change-ops-quiet").value == "22:00-07:00"
    assert app.text_input(key="change-ops-zone").value == "Europe/Berlin"
    app.multiselect(key="change-ops-kinds").set_value(["drift", "accuracy"]).run()
    app.text_input(key="change-ops-days").input("mon-fri").run()
    assert "of the kinds drift, accuracy" in said(app)
    app.button(key="acting-do").click().run()
    assert not app.error
    assert carry_out() == 1
    made = channels.channel(state.journal(), "ops")
    assert (made.kinds, made.severity, made.private) == (
        ("drift", "accuracy"), before.severity, before.private,
    )  # fmt: skip
    assert made.quiet is not None
    assert (made.quiet.days, made.quiet.zone) == ((0, 1, 2, 3, 4), "Europe/Berlin")
    assert channels.address(home, made) == address
    told = said(open_page("alerts", role="admin", mirror="full", view="channels"))
    told = told.replace("\u2060", "")
    assert "only drift, accuracy" in told
    assert "22:00-07:00 Europe/Berlin mon-fri only what is critical" in told
    assert seed.SECRET not in told


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_who_may_change_a_channel(scene: Scene, open_page: Open, role: str):
    scene(role)
    app = open_page("alerts", role=role, mirror="empty", view="channels")
    assert app.button(key="channel-set-ops").disabled == (role != "admin")
