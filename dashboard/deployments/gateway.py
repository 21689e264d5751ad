"""Where the gateway is, and a connection to it for the try-it form."""

from collections.abc import Iterator
from contextlib import contextmanager

from dashboard import state
from services.engines.registry import read_ports
from services.home import Home
from services.serving import visiting
from services.serving.visiting import Gateway


def address() -> str:
    """Return the address under which applications on this machine reach it."""
    port = read_ports(Home.locate().root).get("gateway")
    return f"http://127.0.0.1:{port or state.settings().gateway_port}"


@contextmanager
def connected(key: str) -> Iterator[Gateway]:
    """Return the gateway, as somebody with that key."""
    with visiting.client(address()) as client:
        yield Gateway(client, key)
