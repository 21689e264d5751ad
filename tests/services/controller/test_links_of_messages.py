"""Links in messages lead where the reader is, or say on which machine they are good."""

import socket

import pytest

from services.actions.journal import Journal
from services.alerting import channels, outbox, store
from services.alerting.looking import Rule
from services.alerting.models import Channel, Event
from services.controller.alerts import AlertWatch
from services.errors import PlatformError
from services.home import Home
from services.platform import doctor, public_address
from services.platform.configuration import load_settings
from services.platform.files import write_json
from tests.services.platform.test_sign_on import write

OURS = "https://mlops.example.org"
PAGE = "/monitoring?deployment=lora.net"
NOW = 1_800_000_000.0


def told(home: Home, journal: Journal, public: str) -> str:
    """Return the text of the message that a channel gets of one alert."""
    event = Event("drift/lora/net/data", NOW, "firing", "critical", "lora", title="T", link=PAGE)
    rule = Rule(frozenset({"drift"}), lambda _now, _keys: (event,))
    channels.put(journal, Channel("ops", "json"))
    now = [NOW]
    watch = AlertWatch(home, journal, (rule,), clock=lambda: now[0], public=public)
    watch.turn()
    now[0] += 60
    watch._rests_until = 0.0
    watch.turn()
    (alert,) = store.alerts(journal)
    (message,) = outbox.messages(journal, alert=alert.id)
    return message.body


def listening(home: Home) -> None:
    said = [{"name": "dashboard", "title": "d", "phase": "live", "url": "http://127.0.0.1:8501/"}]
    write_json(home.run / "state.json", {"supervisor": None, "engines": said, "wanted": []})


def test_a_link_begins_with_the_address_that_people_know(home: Home, journal: Journal):
    listening(home)
    assert f"\n{OURS}{PAGE}\n" in told(home, journal, OURS)


def test_without_one_the_machine_is_named_before_an_address_of_its_own(
    home: Home, journal: Journal
):
    listening(home)
    said = told(home, journal, "")
    assert f"\non {socket.gethostname()}: http://127.0.0.1:8501{PAGE}\n" in said


def test_the_setting_comes_first_and_then_where_single_sign_on_works(home: Home):
    assert public_address.known(home, "") == ""
    write(home)  # it leads back to this machine
    assert public_address.known(home, "") == ""
    write(home, redirect_uri="http://localhost/oauth2callback")
    assert public_address.known(home, "") == ""
    write(home, redirect_uri=f"{OURS}/oauth2callback")
    assert public_address.known(home, "") == OURS
    assert public_address.known(home, "https://other.example") == "https://other.example"


@pytest.mark.parametrize(
    "url", ["mlops.example", "ftp://a", "https://u:p@a.example", "https://a.example/?token=1"]
)
def test_an_address_that_tells_a_secret_or_is_none_is_refused(
    home: Home, monkeypatch: pytest.MonkeyPatch, url: str
):
    monkeypatch.setenv("MLOPS_DASHBOARD_URL", url)
    with pytest.raises(PlatformError, match="dashboard_url is wrong: it is no plain address"):
        load_settings()


def test_doctor_warns_when_somebody_is_told_and_links_lead_nowhere(
    home: Home, monkeypatch: pytest.MonkeyPatch
):
    assert list(public_address.look(home)) == []
    channels.keep_address(home, "https://hook.example")
    assert public_address.look in doctor.CHECKS
    (found,) = public_address.look(home)
    assert found.level == "warning"
    assert "lead nowhere from another machine" in found.meaning
    monkeypatch.setenv("MLOPS_DASHBOARD_URL", f"{OURS}/")
    (found,) = public_address.look(home)
    assert (found.level, found.meaning) == ("ok", f"of messages begin with {OURS}")
