"""``mlops alerts channels``: kinds and days, what is changed later, the secret of a webhook."""

import json

import pytest

from services.actions.journal import Journal
from services.alerting import channels, delivery
from services.home import Home
from services.settings import Settings
from tests.services.commands.test_alerts import Typed, home, typed

__all__ = ["home", "typed"]


def test_the_secret_of_a_webhook_is_printed_once_and_in_no_database(
    typed: Typed,
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(delivery, "service_of", lambda _address: delivery.WEBHOOK)
    added = typed("channels", "add", "hook", said="https://hooks.example/T0\n").output
    journal = Journal.open(Settings())
    secret = channels.secret(home, channels.channel(journal, "hook"))
    journal.close()
    assert len(secret) >= 32
    assert secret in added.splitlines()
    for output in (typed("channels").output, typed("channels", "--json").output):
        assert secret not in output
    assert secret.encode() not in (home.databases / "journal.sqlite").read_bytes()
    assert json.loads(typed("channels", "--json").output)[0]["service"] == "webhook"


def test_what_is_no_webhook_has_no_secret(typed: Typed, home: Home):
    assert "secret" not in typed("channels", "add", "ops", said="jsons://hooks.example/").output
    journal = Journal.open(Settings())
    assert channels.secret(home, channels.channel(journal, "ops")) == ""
    journal.close()


def test_kinds_and_days_are_said_and_changed_and_the_rest_stays(typed: Typed, home: Home):
    def row() -> dict[str, object]:
        (found,) = json.loads(typed("channels", "--json").output)
        return {name: found[name] for name in ("severity", "projects", "kinds", "quiet", "private")}

    typed(
        "channels", "add", "ml", "--kind", "drift", "--kind", "accuracy", "--project", "lora",
        "--quiet", "22:00-07:00", "--days", "mon-fri", "--zone", "Europe/Berlin", "--private",
        said="json://h/",
    )  # fmt: skip
    files = {path.read_text() for path in home.secrets.glob("alert-channel-*")}
    first = {
        "severity": "warning", "projects": ["lora"], "kinds": ["drift", "accuracy"],
        "quiet": "22:00-07:00 Europe/Berlin mon-fri", "private": True,
    }  # fmt: skip
    assert row() == first
    assert "warning and worse: drift, accuracy" in typed("channels").output
    typed("channels", "set", "ml", "--severity", "info")
    assert row() == {**first, "severity": "info"}
    typed("channels", "set", "ml", "--kind", "disk", "--days", "sat,sun", "--no-private")
    later = {**first, "severity": "info", "kinds": ["disk"], "private": False}
    assert row() == {**later, "quiet": "22:00-07:00 Europe/Berlin sat-sun"}
    typed("channels", "set", "ml", "--quiet", "20:00-06:00", "--days", "all", "--zone", "UTC")
    assert row() == {**later, "quiet": "20:00-06:00 UTC"}
    typed("channels", "set", "ml", "--quiet", "none", "--project", "all", "--kind", "all")
    assert row() == {**later, "quiet": None, "projects": None, "kinds": None}
    assert {path.read_text() for path in home.secrets.glob("alert-channel-*")} == files


def test_what_makes_no_sense_is_a_sentence(typed: Typed):
    typed("channels", "add", "ops", said="json://h/")
    assert "no kind of alert" in typed("channels", "set", "ops", "--kind", "rain", code=2).output
    assert "quiet hours" in typed("channels", "set", "ops", "--days", "mon", code=2).output
    typed("channels", "set", "nobody", "--severity", "info", code=1)
