"""Names and a certificate of ours in the process that sends, which loads ``sitecustomize``."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

_RESOLVER = """
import socket

import certifi

NAMES, PORTS, TRUSTED = {names!r}, {ports!r}, {trusted!r}
if TRUSTED:
    certifi.where = lambda: TRUSTED
real = socket.getaddrinfo

def getaddrinfo(host, port, *said, **more):
    to = NAMES.get(host)
    if to is None:
        return real(host, port, *said, **more)
    port = PORTS.get(int(port), int(port))
    if ":" in to:
        return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", (to, port, 0, 0))]
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (to, port))]

socket.getaddrinfo = getaddrinfo
"""


def resolve(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    names: Mapping[str, str],
    ports: Mapping[int, int] | None = None,
    trusted: Path | None = None,
) -> None:
    """Have names lead to addresses in the process that sends.

    Args:
        folder: Takes the module that does it.
        monkeypatch: Of the test.
        names: Address by name.
        ports: Which port stands for which: 443 can be listened at by root alone.
        trusted: The certificate that web requests trust, in place of the public ones.
    """
    program = _RESOLVER.format(
        names=dict(names), ports=dict(ports or {}), trusted=str(trusted) if trusted else None
    )
    (folder / "sitecustomize.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", str(folder))


def certified(folder: Path, *names: str) -> tuple[Path, Path]:
    """Return the files of a certificate of some names, and of its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
         f"/CN={names[0]}", "-addext", f"subjectAltName={','.join(f'DNS:{n}' for n in names)}",
         "-keyout", str(key), "-out", str(certificate)],
        capture_output=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return certificate, key
