"""``mlops alerts channels``: the secret of a webhook."""

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
