"""The id of a machine; the sampler of telemetry computes the same."""

import sys
from pathlib import Path

import pytest
from mlops_client import host
from mlops_client.host import host_id, machine_id


@pytest.mark.parametrize(
    ("name", "machine", "expected"),
    [
        ("studio", "0123456789abcdef0123456789abcdef", "studio-3eb1bd43"),
        (
            "Anna's Mac mini.local",
            "4C4C4544-0051-3610-8052-B4C04F4A3132",
            "anna-s-mac-mini-529c48b1",
        ),
        ("mac.office.example", "x\n", "mac-2d711642"),
        ("…", "x", "host-2d711642"),
        ("a" * 60, "x", "a" * 40 + "-2d711642"),
    ],
)
def test_the_vectors_of_the_rule(name: str, machine: str, expected: str):
    assert host_id(name, machine) == expected


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has no such file")
def test_linux_says_its_machine_id(tmp_path: Path):
    (tmp_path / "machine-id").write_text("abc\n")
    assert machine_id(None, tmp_path / "machine-id") == "abc"


UUID = "4C4C4544-0051-3610-8052-B4C04F4A3132"
IOREG = f"""+-o J274AP  <class IOPlatformExpertDevice, id 0x100000110, registered, matched, active>
    {{
      "IOPlatformSerialNumber" = "C02XXXXXXXXX"
      "IOPlatformUUID" = "{UUID}"
      "model" = <"Macmini9,1">
    }}
"""


def test_a_mac_says_its_platform_uuid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    tool = tmp_path / "ioreg"
    tool.write_text(
        f'#!/bin/sh\n[ "$*" = "-rd1 -c IOPlatformExpertDevice" ] && cat <<END\n{IOREG}END\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert machine_id(None) == UUID


def test_without_one_a_random_id_is_kept(tmp_path: Path):
    etc = tmp_path / "not-there"
    first = machine_id(tmp_path, etc)
    assert first
    assert len(first) == 32
    assert machine_id(tmp_path, etc) == first
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["host-id"]


def test_without_a_home_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert machine_id(None, tmp_path / "not-there") is None
    (tmp_path / "run").write_text("a file in the folder's place")
    assert machine_id(tmp_path, tmp_path / "not-there") is None
    monkeypatch.setattr(host, "machine_id", lambda _home: None)
    host.this_host.cache_clear()
    assert host.this_host() is None
    host.this_host.cache_clear()


def test_an_id_that_another_process_made_meanwhile_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def token_hex(_bytes: int) -> str:
        (tmp_path / "run" / "host-id").write_text("theirs")
        return "ours"

    monkeypatch.setattr(host.secrets, "token_hex", token_hex)
    assert machine_id(tmp_path, tmp_path / "not-there") == "theirs"
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["host-id"]
