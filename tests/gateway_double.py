"""Stands in for the gateway where a page asks it: knows the keys, answers by the schema."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from services.actions.journal import Journal
from services.home import Home
from services.serving import routes, store
from services.serving.models import BundleInfo

WORDS = ["", "blew", "colder", "than", "<b>ever</b>", "before"]


class Asked:
    """What it was asked, and what it answers with instead when it is told to."""

    def __init__(self, journal: Journal, home: Home) -> None:
        self.journal, self.home = journal, home
        self.bodies: list[tuple[str, dict[str, Any]]] = []
        self.fault: tuple[int, dict[str, Any]] | None = None

    def knows(self, header: str) -> bool:
        """Return whether the key is one of the journal's."""
        wanted = store.key_hash(header.removeprefix("Bearer "))
        known = store.keys(self.journal)
        return any(one.hash == wanted and one.good(time.time()) for one in known)

    def info(self, name: str) -> tuple[BundleInfo, int]:
        """Return what a model takes, and its version."""
        found = routes.read(self.home)
        assert found is not None
        way = found.endpoints[name]
        return way.versions[way.primary].info, way.primary


class _Handler(BaseHTTPRequestHandler):
    asked: Asked

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.bodies.append((self.path, body))
        if not self.asked.knows(self.headers.get("authorization", "")):
            self._say(401, {"detail": "No valid API key.", "title": "No valid API key"})
        elif self.asked.fault is not None:
            self._say(*self.asked.fault)
        elif self.path.startswith("/v1/completions"):
            self._stream(body)
        elif self.path.startswith("/feedback/"):
            self._say(202, {"accepted": True})
        else:
            self._say(200, self._answer(body))

    def _answer(self, body: dict[str, Any]) -> dict[str, Any]:
        name = self.path.split("/")[3]
        info, version = self.asked.info(name)
        rows = body["inputs"][0]["shape"][0]
        outputs = [_output(one.name, one.datatype, (rows, *one.shape[1:])) for one in info.outputs]
        return {"model_name": name, "model_version": str(version), "outputs": outputs}

    def _stream(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self._head("text/event-stream")
        for word in WORDS:
            self._event({"choices": [{"text": f" {word}", "finish_reason": None}]})
        self._event({"choices": [{"text": "", "finish_reason": "length"}]})
        self._event({"choices": [], "usage": {"completion_tokens": len(WORDS)}})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, said: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(said)}\n\n".encode())

    def _say(self, status: int, said: dict[str, Any]) -> None:
        raw = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(raw)))
        self._head("application/json")
        self.wfile.write(raw)

    def _head(self, kind: str) -> None:
        self.send_header("content-type", kind)
        self.send_header("x-model-version", "1")
        self.send_header("x-backend", "mlx")
        self.send_header("x-request-id", "0192f3a4b5c67d8e9fa0b1c2d3e4f506")
        self.send_header("connection", "close")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _output(name: str, datatype: str, shape: tuple[int, ...]) -> dict[str, Any]:
    count = 1
    for each in shape:
        count *= each
    values: list[Any] = [round(0.1 + n % 7 / 10, 3) for n in range(count)]
    if datatype == "BYTES":
        values = ["<b>card</b> problem"] * count
    elif datatype.startswith("INT"):
        values = [3] * count
    elif name == "confidence":
        values = [0.873] * count
    return {"name": name, "datatype": datatype, "shape": list(shape), "data": values}


@contextmanager
def standing_in(home: Home, journal: Journal) -> Iterator[Asked]:
    """Listen at a port that the home's pages take for the gateway's."""
    asked = Asked(journal, home)
    handler = type("Handler", (_Handler,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    ports = {"gateway": server.server_address[1]}
    (home.run / "ports.json").write_text(json.dumps(ports), encoding="utf-8")
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
