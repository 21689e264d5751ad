"""What another machine types to report here, for each way this one can listen."""

from pathlib import Path

import pytest

from services.home import Home
from services.settings import Settings
from services.telemetry.joining import Way, way


def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **set_: str) -> Way:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    monkeypatch.setattr("socket.gethostname", lambda: "studio.local")
    for name, value in set_.items():
        monkeypatch.setenv(f"MLOPS_TELEMETRY_{name.upper()}", value)
    home = Home.locate()
    home.create()
    (home.run / "ports.json").write_text('{"telemetry": 9500}')
    return way(Settings(), home)


def test_on_loopback_the_other_comes_by_a_tunnel(tmp_path, monkeypatch):
    one = found(tmp_path, monkeypatch)
    assert one.tunnel == "ssh -N -L 9500:127.0.0.1:9500 studio.local"
    assert one.commands("se'cret") == (
        "export MLOPS_AGENT_TOKEN='se'\"'\"'cret'",
        "./mlops agent --join http://127.0.0.1:9500",
    )
    assert not one.in_the_clear
    tunnel, network = one.advice()
    assert one.tunnel in tunnel
    assert "telemetry_certificate" in network


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("0.0.0.0", "http://studio.local:9500"),  # noqa: S104 - a setting, not bound
        ("::", "http://studio.local:9500"),
        ("192.0.2.7", "http://192.0.2.7:9500"),
        ("2001:db8::7", "http://[2001:db8::7]:9500"),
        ("::1", "http://127.0.0.1:9500"),
    ],
)
def test_the_address_is_one_that_others_can_use(tmp_path, monkeypatch, listen: str, url: str):
    one = found(tmp_path, monkeypatch, listen=listen)
    assert one.url == url
    assert one.loopback == (listen == "::1")
    assert one.in_the_clear == (listen != "::1")
    assert any("without TLS" in said for said in one.advice()) == one.in_the_clear


def test_with_tls_the_certificate_is_spoken_of(tmp_path, monkeypatch):
    one = found(tmp_path, monkeypatch, listen="::", certificate="/c.pem", key="/k.pem")
    assert one.url == "https://studio.local:9500"
    (said,) = one.advice()
    assert "must name studio.local" in said
    assert "--certificate FILE" in said
