"""Private addresses behind names, other spellings, IPv6 and redirects: none of them is reached."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.alerting import addresses, delivery
from services.alerting.models import Message
from services.errors import EngineRefusedError, EngineUnreachableError
from tests.services.alerting import webhook
from tests.services.alerting.names import resolve
from tests.services.alerting.things import NOW, channel
from tests.services.alerting.webhook import Hooks

MESSAGE = Message(7, "ops", "firing", "critical", "A disk is full", "Free some.", (1,), NOW)
HERE = channel(private=True)


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with webhook.running() as running:
        yield running


@pytest.mark.parametrize("to", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_a_name_that_leads_to_a_private_address_is_blocked_unless_it_is_allowed(
    hooks: Hooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
):
    resolve(tmp_path, monkeypatch, {"hooks.example": to})
    address = f"json://hooks.example:{hooks.server_port}/take"
    with pytest.raises(EngineRefusedError, match=r"127\.0\.0\.1 is an address of a private"):
        delivery.deliver(channel(), address, MESSAGE)
    assert hooks.got == []
    delivery.deliver(HERE, address, MESSAGE)
    assert [path for path, _ in hooks.got] == ["/take"]


@pytest.mark.parametrize("to", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254"])
def test_where_clouds_keep_credentials_is_blocked_though_private_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
):
    resolve(tmp_path, monkeypatch, {"meta.example": to})
    with pytest.raises(EngineRefusedError, match=r"169\.254\.169\.254 is no|ec2::254 is where"):
        delivery.deliver(HERE, "json://meta.example/latest/meta-data", MESSAGE)


@pytest.mark.parametrize(
    "host",
    ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::7f00:1]",
     "[0:0:0:0:0:ffff:7f00:1]", "localhost"],
)  # fmt: skip
def test_other_spellings_of_this_machine_are_blocked(hooks: Hooks, host: str):
    with pytest.raises(EngineRefusedError):
        delivery.deliver(channel(), f"json://{host}:{hooks.server_port}/take", MESSAGE)
    assert hooks.got == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["/elsewhere", "http://169.254.169.254/", "http://[::1]/"])
def test_no_redirect_is_followed_wherever_it_leads(hooks: Hooks, status: int, to: str):
    hooks.leads = status, to
    with pytest.raises(EngineUnreachableError, match="it redirects, which is not followed"):
        delivery.deliver(HERE, hooks.address("redirect"), MESSAGE)
    assert [path for path, _ in hooks.got] == ["/redirect"]


@pytest.mark.parametrize(
    ("address", "private", "allowed"),
    [
        ("::7f00:1", False, False), ("::a9fe:a9fe", True, False), ("::1", True, True),
        ("::", True, False), ("fec0::1", False, False), ("200::1", False, False),
        ("4000::1", False, False), ("64:ff9b:1::a00:5", False, False),
        ("64:ff9b:1::a9fe:a9fe", True, False), ("64:ff9b::a9fe:a9fe", True, False),
        ("2002:a9fe:a9fe::1", True, False), ("::ffff:0:7f00:1", False, False),
        # Teredo, whose last 32 bits are the complement of 169.254.169.254 and of 10.0.0.5.
        ("2001:0:4136:e378:8000:63bf:5601:5601", True, False),
        ("2001:0:4136:e378:8000:63bf:f5ff:fffa", False, False),
        ("fd20:ce::254", True, False), ("100.100.100.200", True, False),
        ("168.63.129.16", False, False), ("192.0.0.192", False, False),
        ("fd00::1", True, True), ("2a00:1450:4001:82b::200e", False, True),
        ("ff02::1", True, False), ("255.255.255.255", False, False),
        ("0:0:0:0:0:ffff:c0a8:0101", False, False), ("::FFFF:192.168.1.1", False, False),
    ],
)  # fmt: skip
def test_what_stands_for_a_private_address_is_one(address: str, private: bool, allowed: bool):
    assert (addresses.fault(address, private=private) == "") is allowed
