"""A web server on this machine that plays a service: takes, refuses, redirects, hangs, drips."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hooks(ThreadingHTTPServer):
    """What arrived, by path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.ended = threading.Event()
        self.leads = 302, "/elsewhere"
        """Status and place of a redirect."""

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class _Handler(BaseHTTPRequestHandler):
    server: Hooks

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.got.append((self.path, json.loads(body)))
        getattr(self, f"_{self.path.split('/')[1].split('?')[0]}", self._take)()

    def do_GET(self) -> None:
        self.server.got.append((self.path, {}))
        self._take()

    def _take(self) -> None:
        self._answer(200)

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

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def running() -> Iterator[Hooks]:
    """A server for as long as the block lasts."""
    hooks = Hooks()
    thread = threading.Thread(target=hooks.serve_forever, daemon=True)
    thread.start()
    try:
        yield hooks
    finally:
        hooks.ended.set()
        hooks.shutdown()
        hooks.server_close()
        thread.join()
