"""Ports: the preferred one, else a free one, remembered so that addresses stay what they were."""

import contextlib
import errno
import socket
from collections.abc import Iterable, Mapping
from typing import TypeGuard

import psutil

from services.home import Home
from services.platform.files import read_or_set_aside, write_json

LOOPBACK = "127.0.0.1"


def choose(home: Home, preferred: Mapping[str, int], kept: Iterable[str] = ()) -> dict[str, int]:
    """Return a port for each engine and remember them in ``run/ports.json``.

    A remembered port is used again while it is free, unless the preference was changed since.
    Engines in ``kept`` run already, so their remembered port is theirs although it is taken.

    Raises:
        PlatformError: The choice cannot be written down.
    """
    path = home.run / "ports.json"
    document = read_or_set_aside(path)
    remembered = {name: port for name, port in document.items() if is_port(port)}
    before = document.get("preferred")
    before = before if isinstance(before, dict) else {}
    chosen: dict[str, int] = {}
    for name, wanted in preferred.items():
        last = remembered.get(name)
        if last is not None and name in kept:
            chosen[name] = last
            continue
        wishes = [wanted, last] if before.get(name, wanted) != wanted else [last, wanted]
        chosen[name] = _first_free(wishes, set(chosen.values()))
    wanted_document: dict[str, object] = {**chosen, "preferred": dict(preferred)}
    if document != wanted_document:
        write_json(path, wanted_document)
    return chosen


def is_port(value: object) -> TypeGuard[int]:
    """Return whether a value read from a file can be a port."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536


def _first_free(wishes: Iterable[object], given: set[int]) -> int:
    for port in wishes:
        if isinstance(port, int) and port not in given and is_free(port):
            return port
    while True:
        port = _any_free()
        if port not in given:
            return port


def _any_free() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Return whether nobody listens on the port, on loopback or on all addresses.

    Binding alone does not tell on a Mac: 127.0.0.1 can be bound there while another process (the
    AirPlay receiver on 5000) listens on all addresses. So the port is called as well.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return not any(_answers(family, host, port) for family, host in _HOSTS)


_HOSTS = ((socket.AF_INET, LOOPBACK), (socket.AF_INET6, "::1"))


def _answers(family: socket.AddressFamily, host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.socket(family) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) in {0, errno.EAGAIN, errno.ETIMEDOUT}
    return False


def holder(port: int) -> str:
    """Return who listens on a port, as ``name (pid 12)``; empty when the system does not tell.

    Asked process by process: a Mac tells the table of all connections to the administrator alone.
    """
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            for one in process.net_connections("tcp"):
                if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port:
                    return f"{process.name()} (pid {process.pid})"
    return ""
