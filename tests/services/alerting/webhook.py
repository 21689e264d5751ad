"""A web server on this machine that plays a service: takes, refuses, redirects, hangs, drips."""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Raw:
    """A request as it came."""

    headers: Message
    body: bytes


class Hooks(ThreadingHTTPServer):
    """What arrived, by path."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.raw: list[Raw] = []
        self.ended = threading.Event()
        self.leads = 302, "/elsewhere"
        """Status and place of a redirect."""

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class _Handler(BaseHTTPRequestHandler):
    server: Hooks

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.raw.append(Raw(self.headers, body))
        self.server.got.append((self.path, json.loads(body)))
        getattr(self, f"_{self.path.split('/')[1].split('?')[0]}", self._take)()

    def do_GET(self) -> None:
        self.server.got.append((self.path, {}))
        self._take()

    def _take(self) -> None:
        self._answer(200)

    def _services(self) -> None:  # as Slack's are
        known = self.path.endswith("/TIiajkdnlazkcOXrIdevi7FQ")
        self._answer(200 if known else 404, b"ok" if known else b"no_service")

    def _refuse(self) -> None:
        self._answer(403)

    def _redirect(self) -> None:
        status, to = self.server.leads
        self.send_response(status)
        self.send_header("Location", to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _hang(self) -> None:
        self.server.ended.wait(30)

    def _drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.server.ended.wait(0.2):
            try:
                self.wfile.write(b".")
            except OSError:
                return
            time.sleep(0)

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def running(tls: ssl.SSLContext | None = None) -> Iterator[Hooks]:
    """A server for as long as the block lasts."""
    hooks = Hooks(tls)
    thread = threading.Thread(target=hooks.serve_forever, daemon=True)
    thread.start()
    try:
        yield hooks
    finally:
        hooks.ended.set()
        hooks.shutdown()
        hooks.server_close()
        thread.join()
