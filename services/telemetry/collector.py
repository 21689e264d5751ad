"""The other end of an agent: the telemetry of the machine that collects, asked by HTTP."""

import contextlib
import json
import ssl
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from services.errors import (
    EngineProtocolError,
    EngineRefusedError,
    EngineUnreachableError,
    InputError,
)

_TIMEOUT_S = 10.0
_ANSWER_LIMIT_BYTES = 1 << 20
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a batch."""

    accepted: int
    refused: tuple[str, ...] = ()
    """Why samples were not kept: too old, or of the future."""


class Collector:
    """Sends batches over one connection that is kept. Used from one thread."""

    def __init__(self, url: str, token: str, certificate: Path | None = None) -> None:
        """Name the other end; nothing is asked yet.

        Args:
            url: e.g. ``http://127.0.0.1:9470``.
            token: From ``mlops hardware token NAME`` there.
            certificate: Trust this one (PEM) beside those of the system.

        Raises:
            InputError: The address is none, or the certificate cannot be read.
        """
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in {"http", "https"} or not parts.hostname or port == -1:
            raise InputError(
                f"{url[:100]!r} is no address of a platform.", "It is like http://HOST:9470."
            )
        self.url = url.rstrip("/")
        self.in_the_clear = parts.scheme == "http" and parts.hostname not in _LOOPBACK
        self._path = f"{parts.path.rstrip('/')}/v1/samples"
        self._token = token
        self._connection = _connection(parts.scheme, parts.hostname, port, certificate)
        self._used = False

    def send(self, body: bytes) -> Taken:
        """Send one packed batch.

        Raises:
            EngineUnreachableError: Nothing listens, no answer in time, or it can write nothing.
            EngineRefusedError: It says no; ``status`` tells whether to the token, to the batch, or
                to the clock of this machine (``CLOCK_WRONG``).
            EngineProtocolError: What answers there is something else.
        """
        status, said = self._asked(body)
        document: object = None
        with contextlib.suppress(ValueError):
            document = json.loads(said)
        told = document if isinstance(document, dict) else {}
        detail = str(told.get("detail") or f"HTTP status {status}.")
        if status >= 500 or status in {408, 429}:
            raise EngineUnreachableError(f"{self.url} can take nothing now: {detail}")
        if status >= 400:
            raise EngineRefusedError(f"{self.url} refused: {detail}", status=status)
        accepted, refused = told.get("accepted"), told.get("refused")
        if status != 200 or not isinstance(accepted, int) or not isinstance(refused, list):
            raise EngineProtocolError(
                f"What answers at {self.url} is no telemetry of this platform.",
                "`mlops status` on the machine that collects tells the address.",
            )
        reasons = [str(one.get("reason")) for one in refused if isinstance(one, dict)]
        return Taken(accepted, tuple(dict.fromkeys(reasons)))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _asked(self, body: bytes) -> tuple[int, bytes]:
        kept = self._used
        try:
            try:
                return self._once(body)
            except (OSError, HTTPException):
                if not kept:
                    raise
                # A kept connection may have ended meanwhile, e.g. while this machine slept.
                return self._once(body)
        except (OSError, HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise EngineUnreachableError(f"{self.url} cannot be reached: {why}.") from error

    def _once(self, body: bytes) -> tuple[int, bytes]:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "Content-Encoding": "deflate",
        }
        try:
            self._connection.request("POST", self._path, body, headers)
            response = self._connection.getresponse()
            said = response.read(_ANSWER_LIMIT_BYTES)
        except (OSError, HTTPException):
            self._used = False
            self._connection.close()
            raise
        self._used = True
        return response.status, said


def _connection(
    scheme: str, host: str, port: int | None, certificate: Path | None
) -> HTTPConnection:
    if scheme == "http":
        return HTTPConnection(host, port, timeout=_TIMEOUT_S)
    context = ssl.create_default_context()
    try:
        if certificate is not None:
            context.load_verify_locations(certificate)
    except OSError as error:
        raise InputError(f"{certificate} is no certificate that can be read: {error}.") from error
    return HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=context)
