"""Webhooks: a signed body of the documented shape, posted in a process of its own."""

import json
import re
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.actions.journal import Journal
from services.alerting import channels, deciding, delivery, store, webhooks
from services.alerting.models import Channel, Message, Policy, Post
from services.alerting.sending import Sender
from services.errors import EngineRefusedError, EngineUnreachableError
from services.home import Home
from tests.live import ROOT
from tests.services.alerting import webhook
from tests.services.alerting.names import certified, resolve
from tests.services.alerting.things import NOW, channel, event
from tests.services.alerting.webhook import Hooks

ADDRESS = "https://hooks.example/T0/swordfish"
SECRET = "0123456789abcdef"
HERE = channel(private=True)
AT_ONCE = Policy(group_wait_s=0.0)
POST = Post('{"v": 1}', {"Content-Type": "application/json", "Idempotency-Key": "ops-7-1"})
MESSAGE = Message(7, "ops", "firing", "critical", "A disk is full", "Free some.", (1,), NOW,
                  post=POST)  # fmt: skip


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with webhook.running() as running:
        yield running


@pytest.fixture
def ops(journal: Journal, home: Home) -> Channel:
    made = channel(reference=channels.keep_address(home, ADDRESS, SECRET))
    channels.put(journal, made)
    return made


@pytest.fixture
def message(journal: Journal, ops: Channel) -> Message:
    """One about an alert that is in the journal."""
    said = event(
        "drift/lora/m/data", severity="critical", cause="Other users.", suggestion="Retrain.",
        link="/monitoring?deployment=lora.m", title="m drifted", said="3 of 9 drifted.",
        evidence=("a moved.", "MLflow was down. (/alerts?alert=3)", "b (/no page)"),
        labels={"why": "/monitoring?cause=clients"},
    )  # fmt: skip
    deciding.decide(journal, [said], NOW, AT_ONCE)
    (alert,) = store.alerts(journal)
    return Message(7, ops.name, "firing", "critical", "Title", "Text", (alert.id,), NOW, attempts=2)


def documented() -> Callable[[str, str, bytes], bool]:
    """What docs/alerts.md tells programs to verify with."""
    text = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    (code,) = (one for one in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "hmac" in one)
    assert len(code.splitlines()) <= 12
    known: dict[str, Any] = {}
    exec(code, known)  # noqa: S102 - our own documentation
    verified: Callable[[str, str, bytes], bool] = known["verified"]
    return verified


def test_a_body_has_the_documented_shape(
    journal: Journal, home: Home, ops: Channel, message: Message
):
    (alert,) = store.alerts(journal)
    post = webhooks.posted(journal, home, ops, message, NOW, "https://mlops.example.org").post
    assert post is not None
    assert json.loads(post.body) == {
        "v": 1, "message": 7, "attempt": 2, "what": "firing", "severity": "critical",
        "title": "Title", "body": "Text", "count": 1,
        "alerts": [
            {
                "id": alert.id, "key": "drift/lora/m/data", "state": "firing",
                "severity": "critical", "project": "lora", "since": "2027-01-15T08:00:00Z",
                "title": "m drifted", "said": "3 of 9 drifted.", "evidence": [
                    "a moved.",
                    "MLflow was down. (https://mlops.example.org/alerts?alert=3)", "b (/no page)",
                ],
                "cause": "Other users.", "suggestion": "Retrain.",
                "link": "https://mlops.example.org/monitoring?deployment=lora.m",
                "why": "https://mlops.example.org/monitoring?cause=clients",
                "story": f"https://mlops.example.org/alerts?alert={alert.id}",
                "thread": alert.thread,
            }
        ],
    }  # fmt: skip
    text = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    body = json.loads(post.body)
    for name in {*body, *body["alerts"][0]}:
        assert f'"{name}"' in text


def test_a_signature_is_verified_as_documented(
    journal: Journal, home: Home, ops: Channel, message: Message
):
    now, verified = time.time(), documented()
    post = webhooks.posted(journal, home, ops, message, now).post
    assert post is not None
    body, header = post.body.encode(), post.headers["X-Mlops-Signature"]
    assert verified(SECRET, header, body)
    assert not verified("another", header, body)
    assert not verified(SECRET, header, body.replace(b"critical", b"info"))
    later = re.sub(r"t=\d+", f"t={int(now) + 1}", header)
    assert not verified(SECRET, later, body), "the time is signed, too"
    old = webhooks.posted(journal, home, ops, message, now - 900).post
    assert old is not None
    assert not verified(SECRET, old.headers["X-Mlops-Signature"], old.body.encode())


def test_the_key_of_a_message_is_the_same_when_it_is_sent_again(
    journal: Journal, home: Home, ops: Channel
):
    got: list[Message] = []
    clock = SimpleNamespace(now=NOW)

    def away(_channel: Channel, address: str, message: Message) -> None:
        assert address == ADDRESS
        got.append(message)
        raise EngineUnreachableError("It hangs.")

    sender = Sender(journal, home, away, lambda: clock.now, "https://mlops.example.org")
    deciding.decide(journal, [event()], NOW, AT_ONCE)
    deciding.decide(journal, [event("disk/d", project=None, link="/hardware")], NOW, AT_ONCE)
    for _ in range(3):
        while sender.turn():
            pass
        clock.now += 901.0
    posts = [one.post for one in got if one.post is not None]
    assert len(posts) == 6
    bodies = [json.loads(one.body) for one in posts]
    numbers = [body["message"] for body in bodies]
    keys = set(zip(numbers, (one.headers["Idempotency-Key"] for one in posts), strict=True))
    assert len(keys) == 2, "one key a message, whatever the try"
    assert len({key for _, key in keys}) == 2
    assert sorted(body["attempt"] for body in bodies) == [1, 1, 2, 2, 3, 3]
    links = {body["alerts"][0]["link"] for body in bodies}
    assert links == {"", "https://mlops.example.org/hardware"}
    assert len({one.headers["X-Mlops-Signature"] for one in posts}) == 6


def test_a_storm_is_told_up_to_a_thousand_and_what_is_gone_is_left_out(
    journal: Journal, home: Home, ops: Channel, message: Message
):
    deciding.decide(journal, [event()], NOW, AT_ONCE)
    (other,) = store.alerts(journal, key=event().key)
    many = (*message.alerts, *range(10_000, 10_999), other.id)
    post = webhooks.posted(journal, home, ops, replace(message, alerts=many), NOW).post
    assert post is not None
    body = json.loads(post.body)
    assert body["count"] == 1001
    assert [one["id"] for one in body["alerts"]] == list(message.alerts)


def test_a_channel_without_a_secret_gets_what_apprise_makes_of_it(
    journal: Journal, home: Home, message: Message
):
    plain = channel(reference=channels.keep_address(home, "slack://a/b/c"))
    assert webhooks.posted(journal, home, plain, message, NOW) is message


def test_a_secret_lies_with_the_address(home: Home, ops: Channel):
    (path,) = home.secrets.glob("alert-channel-*")
    assert path.stat().st_mode & 0o777 == 0o600
    assert (channels.address(home, ops), channels.secret(home, ops)) == (ADDRESS, SECRET)
    path.write_text(f"{ADDRESS}\n")  # as it was kept before webhooks were signed
    assert (channels.address(home, ops), channels.secret(home, ops)) == (ADDRESS, "")
    assert len({channels.new_secret() for _ in range(9)}) == 9


def test_a_web_address_is_a_webhook():
    assert delivery.service_of("https://hooks.example/T0") == delivery.WEBHOOK


def test_a_body_arrives_as_it_was_signed(hooks: Hooks):
    delivery.deliver(HERE, hooks.address("take/me?x=1"), MESSAGE)
    assert [path for path, _ in hooks.got] == ["/take/me?x=1"]
    (raw,) = hooks.raw
    assert raw.body == POST.body.encode()
    assert {name: raw.headers[name] for name in POST.headers} == dict(POST.headers)


def test_over_tls_a_certificate_of_ones_own_is_trusted_as_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    certificate, key = certified(tmp_path, "hooks.example")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    resolve(tmp_path, monkeypatch, {"hooks.example": "127.0.0.1"})
    with webhook.running(tls) as hooks:
        address = f"https://hooks.example:{hooks.server_port}/take"
        with pytest.raises(EngineUnreachableError, match=r"(?i)certificate"):
            delivery.deliver(HERE, address, MESSAGE)
        assert hooks.got == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        delivery.deliver(HERE, address, MESSAGE)
        assert [path for path, _ in hooks.got] == ["/take"]


def test_a_private_address_is_blocked_whatever_name_leads_to_it(
    hooks: Hooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    resolve(tmp_path, monkeypatch, {"hooks.example": "127.0.0.1"})
    for host in ("127.0.0.1", "hooks.example"):
        with pytest.raises(EngineRefusedError, match=r"127\.0\.0\.1 is an address of a private"):
            delivery.deliver(channel(), f"http://{host}:{hooks.server_port}/take", MESSAGE)
    assert hooks.got == []


@pytest.mark.parametrize("to", ["/elsewhere", "http://169.254.169.254/"])
def test_a_redirect_is_not_followed(hooks: Hooks, to: str):
    hooks.leads = 307, to
    with pytest.raises(EngineUnreachableError, match="answered 307: it redirects"):
        delivery.deliver(HERE, hooks.address("redirect"), MESSAGE)
    assert [path for path, _ in hooks.got] == ["/redirect"]


def test_one_that_says_no_or_is_away_is_told_without_its_secrets(hooks: Hooks):
    with pytest.raises(EngineUnreachableError, match="answered 403") as refused:
        delivery.deliver(HERE, hooks.address("refuse/swordfish"), MESSAGE)
    with pytest.raises(EngineUnreachableError, match=r"(?i)refused") as away:
        delivery.deliver(HERE, "http://me:hunter2@127.0.0.1:9/swordfish", MESSAGE)
    for error in (refused, away):
        assert "swordfish" not in str(error.value)
        assert "hunter2" not in str(error.value)


def test_a_proxy_of_the_environment_is_not_used(hooks: Hooks, monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, hooks.address("proxy"))
        monkeypatch.setattr("services.alerting.guarded._KEPT", ("PATH", "PYTHONPATH", name))
        with pytest.raises(EngineUnreachableError):
            delivery.deliver(HERE, "http://127.0.0.1:9/", MESSAGE)
    assert hooks.got == []


@pytest.mark.slow
def test_one_that_hangs_is_ended_and_one_that_drips_has_taken_it(hooks: Hooks):
    with pytest.raises(EngineUnreachableError, match="did not answer within"):
        delivery.deliver(HERE, hooks.address("hang"), MESSAGE, timeout_s=4.0)
    delivery.deliver(HERE, hooks.address("drip"), MESSAGE)
    assert [path for path, _ in hooks.got] == ["/hang", "/drip"]
