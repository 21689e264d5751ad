"""Evidently's own screen, behind a password: ``python -m services.engines.evidently.screen``.

Evidently's server asks for a secret when something is written and lets everybody read. Here nothing
is written at all, and each request must carry the password (HTTP Basic, so that a browser asks for
it). It shows the workspace that reports are written to; it changes nothing there.
"""

import argparse
import asyncio
import base64
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HEALTH = "/api/version"
_ASKED = "/api/projects"
_READS = frozenset({"GET", "HEAD"})
_ASKS = "/data_series_batch"
"""What the screen posts to draw its curves; it changes nothing."""
_HEADERS = (
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'self'; script-src 'self' 'unsafe-inline' "
     b"'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src "
     b"'self' data:; frame-ancestors 'none'; object-src 'none'; base-uri 'self'"),
)  # fmt: skip
_WANTED = (
    "Evidently's screen wants a password: give any user name and, as the password, what "
    "secrets/evidently-people.token in the platform's home holds.\n"
)
_ELSEWHERE = "This is Evidently's screen on this machine; it answers under no other name.\n"
_UNCHANGED = "Here Evidently shows what monitoring found; nothing is written from its screen.\n"


class Gate:
    """ASGI middleware: own host name, password, reads alone."""

    def __init__(
        self,
        app: Any,  # noqa: ANN401 - an ASGI app
        password: Path,
        hosts: frozenset[str],
        before: Callable[[], object] = lambda: None,
    ) -> None:
        self._app, self._password, self._hosts = app, password, hosts
        self._before = before

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Serve one ASGI scope."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # its screen opens no websocket: the server ends one that is not accepted
        refused = self._refused(scope)
        if refused is not None:
            await _say(send, *refused)
            return

        async def completed(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_HEADERS]}
            await send(message)

        if scope["path"].startswith(_ASKED):
            await asyncio.to_thread(self._before)
        await self._app(scope, receive, completed)

    def _refused(self, scope: dict[str, Any]) -> tuple[int, str] | None:
        headers = dict(scope["headers"])
        # A page of another site that had its name point here would ask in that name.
        if headers.get(b"host", b"").decode("latin-1") not in self._hosts:
            return 421, _ELSEWHERE
        if scope["path"] == HEALTH:
            return None
        if not self._knows(headers.get(b"authorization", b"")):
            return 401, _WANTED
        asks = scope["method"] == "POST" and scope["path"].endswith(_ASKS)
        return None if asks or scope["method"] in _READS else (403, _UNCHANGED)

    def _knows(self, said: bytes) -> bool:
        """Return whether a request carries the password; the file is read anew each time."""
        kind, _, value = said.partition(b" ")
        try:
            password = self._password.read_bytes().strip()
            given = base64.b64decode(value, validate=True).partition(b":")[2]
        except (OSError, ValueError):
            return False
        return (
            kind.lower() == b"basic" and bool(password) and secrets.compare_digest(given, password)
        )


async def _say(send: Any, status: int, words: str) -> None:  # noqa: ANN401 - ASGI
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="Evidently", charset="UTF-8"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": words.encode()})


def app(workspace: Path, password: Path, port: int) -> Gate:
    """Return Evidently's server over a workspace, behind the gate.

    Raises:
        ImportError: Evidently is not installed here, or a part of it.
    """
    from evidently.ui.service.app import create_app, get_config

    from services.engines.evidently.workspace import Followed, storage

    state = Followed(workspace)
    # Its own lock stays on as well: no header opens it, for nobody knows this secret.
    config = get_config(workspace=str(workspace), secret=secrets.token_urlsafe(32))
    config.storage = storage(state)
    hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
    return Gate(create_app(config), password, hosts, state.follow)


def main() -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m services.engines.evidently.screen")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--password", type=Path, required=True, help="the file that holds it")
    chosen = parser.parse_args()
    os.environ["DO_NOT_TRACK"] = "1"
    import uvicorn

    try:
        served = app(chosen.workspace, chosen.password, chosen.port)
    except ImportError as error:
        sys.stderr.write(f"Evidently is not installed here, or a part of it: {error}.\n")
        return 1
    uvicorn.run(served, host="127.0.0.1", port=chosen.port, log_level="warning")
    return 0


if __name__ == "__main__":
    sys.exit(main())
