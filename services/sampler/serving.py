"""The sampler's HTTP part: ``/metrics`` for Prometheus and ``/healthz``, on loopback."""

import logging
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from services.errors import MlopsError, PlatformError
from services.sampler.metrics import CONTENT_TYPE, exposition
from services.telemetry.models import Telemetry

logger = logging.getLogger(__name__)

_TIMEOUT_S = 10.0
_LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})


class Server:
    """Serves while it is entered."""

    def __init__(self, telemetry: Telemetry, listen: str, port: int) -> None:
        self._telemetry = telemetry
        self._address = (listen, port)

    def __enter__(self) -> Self:
        """Begin.

        Raises:
            PlatformError: Somebody else listens there.
        """
        telemetry = self._telemetry
        port = self._address[1]

        class Handler(_Handler):
            known = telemetry
            names = frozenset(f"{name}:{port}" for name in _LOCAL_NAMES)

        try:
            self._server = ThreadingHTTPServer(self._address, Handler)
        except OSError as error:
            why = error.strerror or error
            raise PlatformError(
                f"Telemetry cannot listen on {self._address[0]}:{port} ({why}).",
                "`mlops up` finds another port.",
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """One request. Names of the host are checked: a web page must not read this by DNS tricks."""

    known: Telemetry
    names: frozenset[str]
    timeout = _TIMEOUT_S
    server_version = "mlops-telemetry"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer a question."""
        if self.headers.get("Host", "").lower() not in self.names:
            self._say(403, "text/plain; charset=utf-8", "This name is not allowed here.\n")
            return
        match self.path.partition("?")[0]:
            case "/healthz":
                self._say(200, "text/plain; charset=utf-8", "ok\n")
            case "/metrics":
                self._metrics()
            case _:
                self._say(404, "text/plain; charset=utf-8", "There are /metrics and /healthz.\n")

    def _metrics(self) -> None:
        try:
            text = exposition(self.known.hosts(), datetime.now(UTC))
        except MlopsError as error:
            self._say(503, "text/plain; charset=utf-8", f"{error}\n")
        else:
            self._say(200, CONTENT_TYPE, text)

    def _say(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep requests out of the log."""
