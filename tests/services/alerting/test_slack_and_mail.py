"""Slack and e-mail, through real Apprise over real TLS: what arrives there."""

import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.alerting import delivery, words
from services.alerting.models import Message
from services.alerting.telling import Draft
from services.errors import EngineUnreachableError
from tests.services.alerting import mail, webhook
from tests.services.alerting.mail import Mails
from tests.services.alerting.names import certified, resolve
from tests.services.alerting.things import NOW, alert, channel, event
from tests.services.alerting.webhook import Hooks

BASE = "https://mlops.example.org"
LINK = f"{BASE}/deployments?deployment=lora.my_model&part=Requests"
SAID = "It ended with 1 <twice> & is *gone*."
TITLE = "Critical: my_model failed [lora]"
HERE = channel(private=True)
TOKENS = "T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"


def message() -> Message:
    """As the outbox writes it."""
    one = alert(
        event(
            "endpoint/lora/my_model", severity="critical", title="my_model failed", said=SAID,
            suggestion="Free some memory.", link=LINK.removeprefix(BASE),
        )
    )  # fmt: skip
    draft = Draft("ops", "firing", True, "firing/lora/endpoint", (replace(one, id=7),))
    body = words.body(draft, BASE, 10)
    return Message(3, "ops", "firing", "critical", words.title(draft), body, (7,), NOW)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("certificate")
    return certified(folder, "hooks.slack.com", "mail.example")


@pytest.fixture
def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@pytest.fixture
def slack(
    tls: ssl.SSLContext, certificate: tuple[Path, Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Hooks]:  # fmt: skip
    with webhook.running(tls) as hooks:
        resolve(
            tmp_path, monkeypatch, {"hooks.slack.com": "127.0.0.1"}, {443: hooks.server_port},
            certificate[0],
        )  # fmt: skip
        yield hooks


@pytest.fixture
def mails(
    tls: ssl.SSLContext, certificate: tuple[Path, Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Mails]:  # fmt: skip
    resolve(tmp_path, monkeypatch, {"mail.example": "127.0.0.1"})
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with mail.running(tls) as server:
        yield server


def mailbox(mails: Mails, to: str = "you@team.example", password: str = mail.PASSWORD) -> str:
    return (
        f"mailtos://{mail.USER}:{password}@mail.example:{mails.port}?from=ops@mail.example&to={to}"
    )


def test_slack_gets_title_text_severity_and_link(slack: Hooks):
    delivery.deliver(HERE, f"slack://{TOKENS}", message())
    ((path, body),) = slack.got
    assert path == f"/services/{TOKENS}"
    (shown,) = body["attachments"]
    assert shown["title"] == TITLE
    assert LINK.replace("&", "&amp;") in shown["text"]
    assert "It ended with 1 &lt;twice&gt; &amp; is" in shown["text"]
    assert "Free some memory." in shown["text"]
    failure = shown["color"]
    delivery.deliver(HERE, f"slack://{TOKENS}", replace(message(), what="resolved"))
    assert slack.got[-1][1]["attachments"][0]["color"] != failure


def test_slack_that_says_no_is_told_without_its_tokens(slack: Hooks):
    wrong = TOKENS[:-1] + "X"
    with pytest.raises(EngineUnreachableError, match="404") as error:
        delivery.deliver(HERE, f"slack://{wrong}", message())
    assert len(slack.got) == 1
    for token in wrong.split("/"):
        assert token not in str(error.value)


def test_a_mail_has_subject_text_and_link(mails: Mails):
    delivery.deliver(HERE, mailbox(mails), message())
    (got,) = mails.got
    assert (got.sender, got.to) == ("ops@mail.example", ("you@team.example",))
    assert got.message["Subject"] == TITLE
    assert "you@team.example" in got.message["To"]
    assert "ops@mail.example" in got.message["From"]
    text = got.message.get_body(("plain",))
    assert text is not None
    lines = text.get_content().splitlines()
    assert lines[0] == SAID
    assert "What to do: Free some memory." in lines
    assert LINK in lines


def test_a_mail_server_that_says_no_is_told_without_the_password(mails: Mails):
    with pytest.raises(EngineUnreachableError, match="535") as error:
        delivery.deliver(HERE, mailbox(mails, password="swordfish"), message())
    assert "swordfish" not in str(error.value)
    with pytest.raises(EngineUnreachableError, match="550"):
        delivery.deliver(HERE, mailbox(mails, to=mail.NOBODY), message())
    assert mails.got == []


def test_nothing_is_sent_to_a_mail_server_whose_certificate_nobody_trusts(
    mails: Mails, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(EngineUnreachableError):
        delivery.deliver(HERE, mailbox(mails), message())
    assert mails.got == []
