"""Recorded answers of real engines, served through a fake transport: the real adapter runs."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

FOLDER = Path(__file__).parent


@pytest.fixture
def recorded() -> Callable[[str, str], bytes]:
    return lambda engine, name: (FOLDER / engine / "fixtures" / name).read_bytes()


def answering(content: bytes, status: int = 200) -> httpx.Client:
    """Return a client to whom everything is answered with ``content``."""
    transport = httpx.MockTransport(lambda _request: httpx.Response(status, content=content))
    return httpx.Client(transport=transport, base_url="http://engine.test")


def silent() -> httpx.Client:
    """Return a client nobody answers."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused", request=request)

    return httpx.Client(transport=httpx.MockTransport(refuse), base_url="http://engine.test")
