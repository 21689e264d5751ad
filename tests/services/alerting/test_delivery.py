"""Real Apprise in its own process: services that are well, hang, redirect or are private."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from services.alerting import __main__, addresses, delivery
from services.alerting.models import Message
from services.errors import EngineRefusedError, EngineUnreachableError, InputError
from tests.live import ROOT
from tests.services.alerting import webhook
from tests.services.alerting.things import NOW, channel
from tests.services.alerting.webhook import Hooks

MESSAGE = Message(7, "ops", "firing", "critical", "A disk is full", "Free some.", (1,), NOW)
HERE = channel(private=True)


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with webhook.running() as running:
        yield running


def test_a_webhook_gets_title_text_and_severity(hooks: Hooks):
    delivery.deliver(HERE, hooks.address("take/me"), MESSAGE)
    ((path, body),) = hooks.got
    assert path == "/take/me"
    assert (body["title"], body["message"], body["type"]) == (
        "A disk is full", "Free some.", "failure",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("address", "most"),
    [
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", 2000),
        ("tgram://123456789:abcdefg_hijklmnop/12315544/", 4096 - len("Title") - 4),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js?overflow=split", 9007),
        ("json://localhost/take", 9007),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_text_is_as_long_as_the_service_takes(address: str, most: int):
    import apprise

    asked = {"title": "Title", "body": "\n\n".join([*["x" * 898] * 10, "A link"])}
    assert len(asked["body"]) == 9006
    got = __main__._fitted(asked, apprise.Apprise.instantiate(address))
    assert most - 900 - 70 < len(got) <= most
    assert got.endswith("A link")


def test_one_at_a_private_address_is_blocked_unless_it_is_allowed(hooks: Hooks):
    for host in ("127.0.0.1", "localhost"):
        address = f"json://{host}:{hooks.server_port}/take"
        with pytest.raises(EngineRefusedError, match="private network or of this machine") as error:
            delivery.deliver(channel(), address, MESSAGE)
        assert "--private" in error.value.hint
    assert hooks.got == []


def test_a_mail_server_at_a_private_address_is_blocked_as_well(hooks: Hooks):
    address = f"mailto://me:hunter2@example.com:{hooks.server_port}?smtp=127.0.0.1&to=x@y.example"
    with pytest.raises(EngineRefusedError, match=r"127\.0\.0\.1 is an address of a private"):
        delivery.deliver(channel(), address, MESSAGE)


def test_a_redirect_is_not_followed_whatever_the_address_says(hooks: Hooks):
    with pytest.raises(EngineUnreachableError, match="it redirects, which is not followed"):
        delivery.deliver(HERE, hooks.address("redirect?redirect=yes"), MESSAGE)
    assert [path for path, _ in hooks.got] == ["/redirect"]


def test_a_proxy_of_the_environment_is_not_used(hooks: Hooks, monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, hooks.address("proxy"))
    with pytest.raises(EngineRefusedError):
        delivery.deliver(channel(), "json://127.0.0.1:9/", MESSAGE)
    assert hooks.got == []


@pytest.mark.slow
@pytest.mark.parametrize("path", ["hang", "drip"])
def test_one_that_hangs_or_drips_is_ended(hooks: Hooks, path: str):
    with pytest.raises(EngineUnreachableError):
        delivery.deliver(HERE, hooks.address(path), MESSAGE, timeout_s=6.0)
    assert len(hooks.got) == 1


def test_one_that_says_no_is_told_without_its_secrets(hooks: Hooks):
    address = hooks.address("refuse/hunter2?token=swordfish")
    with pytest.raises(EngineUnreachableError, match="403") as error:
        delivery.deliver(HERE, address, MESSAGE)
    assert "hunter2" not in str(error.value)
    assert "swordfish" not in str(error.value)


def test_secrets_are_not_in_arguments_or_environment(monkeypatch: pytest.MonkeyPatch):
    seen: dict[str, object] = {}
    real = subprocess.run

    def run(args: list[str], **said: object) -> object:
        seen.update(args=args, env=said["env"])
        return real(args, **said)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("SOME_SECRET", "x")
    with pytest.raises(EngineRefusedError):
        delivery.deliver(channel(), "json://me:hunter2@127.0.0.1/", MESSAGE)
    assert "hunter2" not in str(seen)
    assert "SOME_SECRET" not in str(seen["env"])


def test_the_service_of_an_address_is_told():
    hook = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    assert delivery.service_of(hook) == "slack"
    assert delivery.service_of("jsons://hooks.example/T0") in {"json", "jsons"}


@pytest.mark.parametrize("address", ["nonsense", "nosuch://host", "syslog://", "slack://x"])
def test_what_is_no_service_is_refused(address: str):
    with pytest.raises(InputError, match="no address of a service"):
        delivery.service_of(address)


def test_nothing_of_an_address_is_told_but_its_host():
    address = "mailtos://me%40a:hunt%24er2@mail.example/box?pass=sword&to=x@y.example"
    why = delivery.told(f"{address}: hunt%24er2 hunt$er2 sword mail.example refused.", address)
    assert why == "…: … … … mail.example refused"


@pytest.mark.parametrize(
    ("address", "private", "allowed"),
    [
        ("93.184.215.14", False, True), ("10.0.0.5", False, False), ("10.0.0.5", True, True),
        ("127.0.0.1", True, True), ("192.168.1.2", False, False), ("100.64.0.1", False, False),
        ("169.254.169.254", True, False), ("0.1.2.3", False, False), ("224.0.0.1", True, False),
        ("::1", False, False), ("fe80::1%eth0", True, False), ("::ffff:10.0.0.5", False, False),
        ("64:ff9b::a00:5", False, False), ("64:ff9b::5db8:d70e", False, True),
        ("2002:a00:5::", False, False), ("2606:2800:21f:cb07::1", False, True),
        ("fc00::1", False, False), ("::ffff:169.254.169.254", True, False),
        ("example.com", True, False), ("/run/socket", True, False), ("", True, False),
    ],
)  # fmt: skip
def test_which_addresses_may_be_reached(address: str, private: bool, allowed: bool):
    assert (addresses.fault(address, private=private) == "") is allowed


@pytest.mark.parametrize(
    "line",
    [
        "s.connect(('127.0.0.1', 9))", "s.connect_ex(('127.0.0.1', 9))",
        "s.connect(('localhost', 9))",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('10.0.0.1', 9))",
        "socket.socket(socket.AF_UNIX).connect('/run/x')",
        "socket.create_connection(('localhost', 9))",
    ],
)  # fmt: skip
def test_the_guard_sees_every_way_out(line: str):
    program = (
        "import socket; from services.alerting import addresses; s = socket.socket();"
        f"refused = addresses.guard(private=False)\ntry:\n  {line}\nfinally:\n  print(refused)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "BlockedAddressError" in done.stderr
    assert len(done.stdout) > 10
