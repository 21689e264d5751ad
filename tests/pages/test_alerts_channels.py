"""The channels of alerts: what they tell, and how one is added and tried."""

import time
from collections.abc import Callable

import pytest

from dashboard import state
from services.alerting import channels, delivery, outbox
from services.alerting.models import Channel, Message
from services.errors import JournalError
from services.home import Home
from tests import alerts_seed as seed
from tests.alerts_seed import LORA
from tests.pages.alerts_shown import Scene, scene
from tests.pages.conftest import Open, said
from tests.pages.roles import EVERY_ROLE

__all__ = ["scene"]


def test_channels_tell_what_they_are_told_and_how_they_do_and_never_their_address(
    scene: Scene, open_page: Open
):
    scene("admin")
    app = open_page("alerts", role="admin", mirror="empty", view="channels")
    told = said(app).replace("\u2060", "")
    assert "warning and worse of all projects and the platform" in told
    assert "22:00-07:00 Europe/Berlin only what is critical" in told
    assert "only what nobody acknowledged in time" in told
    assert "The last message arrived" in told
    assert "did not arrive" in told
    assert "The service said 503." in told
    assert seed.SECRET not in told


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_who_may_add_and_try_a_channel(scene: Scene, open_page: Open, role: str):
    scene(role)
    app = open_page("alerts", role=role, mirror="empty", view="channels")
    assert app.button(key="channel-new").disabled == (role != "admin")
    assert app.button(key="channel-remove-ops").disabled == (role != "admin")
    assert app.button(key="channel-test-ops").disabled == (role == "viewer")


def test_a_failing_channel_says_why(scene: Scene, open_page: Open):
    scene("admin")
    journal = state.journal()
    message = Message(0, "ops", "test", "info", "Test", "", (), time.time(), "test", "failed", 1,
                      0.0, None, "The service said <b>403</b>.")  # fmt: skip
    outbox.record(journal, message)
    with journal.write() as connection:
        outbox.unwell(connection, "ops", "The service said <b>403</b>.", time.time())
    told = said(open_page("alerts", role="admin", mirror="empty", view="channels"))
    assert "did not arrive" in told
    assert "The service said &lt;b&gt;403" in told


def test_an_admin_adds_a_channel_and_its_address_is_kept_at_that_moment_alone(
    scene: Scene,
    open_page: Open,
    home: Home,
    carry_out: Callable[[], int],
    dialog_open: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
):
    scene("admin")
    monkeypatch.setattr(delivery, "service_of", lambda _: "slack")
    before = set(home.secrets.glob("alert-channel-*"))
    dialog_open("channel-new")
    app = open_page("alerts", role="admin", mirror="full", view="channels")
    app.text_input(key="channel-name").input("team").run()
    app.text_input(key="channel-address").input(f"slack://{seed.SECRET}/b/c").run()
    assert set(home.secrets.glob("alert-channel-*")) == before
    app.multiselect(key="channel-projects").set_value([LORA]).run()
    app.text_input(key="channel-quiet").input("22:00-07:00").run()
    app.button(key="acting-do").click().run()
    assert not app.error
    (kept,) = set(home.secrets.glob("alert-channel-*")) - before
    assert kept.stat().st_mode & 0o777 == 0o600
    assert carry_out() == 1
    made = channels.channel(state.journal(), "team")
    assert (made.service, made.projects, made.created_by) == ("slack", (LORA,), "mira")
    assert made.quiet is not None
    assert channels.address(home, made) == f"slack://{seed.SECRET}/b/c"
    assert seed.SECRET not in said(app)
    database = (home.databases / "journal.sqlite").read_bytes()
    assert seed.SECRET.encode() not in database


def test_a_refused_channel_leaves_no_address_behind(
    scene: Scene,
    open_page: Open,
    home: Home,
    dialog_open: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
):
    scene("admin")
    monkeypatch.setattr(delivery, "service_of", lambda _: "slack")
    before = set(home.secrets.glob("alert-channel-*"))
    dialog_open("channel-new")
    app = open_page("alerts", role="admin", mirror="full", view="channels")
    app.text_input(key="channel-name").input("team").run()
    app.text_input(key="channel-address").input("slack://a/b/c").run()

    def refuses(*_: object, **__: object) -> None:
        raise JournalError("The journal could not be written (full).", "Make room.")

    monkeypatch.setattr(state.executor(), "submit", refuses)
    app.button(key="acting-do").click().run()
    assert any("could not be written" in one.value for one in app.error)
    assert set(home.secrets.glob("alert-channel-*")) == before


def test_a_bad_name_or_bad_hours_are_sentences(
    scene: Scene,
    open_page: Open,
    dialog_open: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
):
    scene("admin")
    monkeypatch.setattr(delivery, "service_of", lambda _: "slack")
    dialog_open("channel-new")
    app = open_page("alerts", role="admin", mirror="full", view="channels")
    app.text_input(key="channel-name").input("No Name").run()
    app.text_input(key="channel-address").input("slack://a/b/c").run()
    assert "is no name of a channel" in app.error[0].value
    assert app.button(key="acting-do").disabled
    app.text_input(key="channel-name").input("team").run()
    app.text_input(key="channel-quiet").input("26:00-7").run()
    assert "are no quiet hours" in app.error[0].value


def test_the_test_button_tells_the_answer(
    scene: Scene,
    open_page: Open,
    carry_out: Callable[[], int],
    dialog_open: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
):
    scene("operator")
    sent: list[str] = []

    def deliver(channel: Channel, address: str, message: Message) -> None:
        sent.append(f"{channel.name} {address} {message.what}")

    monkeypatch.setattr(delivery, "deliver", deliver)
    dialog_open("channel-test-ops")
    app = open_page("alerts", role="operator", mirror="empty", view="channels")
    app.button(key="acting-do").click().run()
    assert carry_out() == 1
    assert len(sent) == 1
    app.run()
    assert "it arrived after" in said(app)
    assert seed.SECRET not in said(app)
