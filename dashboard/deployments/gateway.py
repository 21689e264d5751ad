"""Where the gateway is, and a connection to it for the try-it form."""

from collections.abc import Iterator
from contextlib import contextmanager

from dashboard import state
from services.engines.registry import read_ports
from services.home import Home
from services.serving import asking
from services.serving.asking import Gateway

_PORT = 8090


def address() -> str:
    """Return the address under which applications on this machine reach it."""
    port = read_ports(Home.locate().root).get("gateway")
    return f"http://127.0.0.1:{port or getattr(state.settings(), 'gateway_port', _PORT)}"


@contextmanager
def connected(key: str) -> Iterator[Gateway]:
    """Return the gateway, as somebody with that key."""
    with asking.client(address()) as client:
        yield Gateway(client, key)
