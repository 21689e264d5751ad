"""The secret of a webhook that is added on the page of alerts."""

from collections.abc import Callable

import pytest

from dashboard import state
from services.alerting import channels, delivery
from services.home import Home
from tests.pages.alerts_shown import Scene, scene
from tests.pages.conftest import Open, said

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
