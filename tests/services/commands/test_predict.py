"""``mlops predict``: what is asked of the gateway, and what it answers."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from services.actions.journal import Journal
from services.commands import predict
from services.errors import InputError
from services.home import Home
from services.serving import store
from tests.services.commands.test_serving import Typed, home, journal, live, typed

__all__ = ["home", "journal", "typed"]


class Gateway(BaseHTTPRequestHandler):
    """Answers what the test wants, and keeps what it was asked."""

    answer: ClassVar[tuple[int, bytes]] = (200, b"{}")
    asked: ClassVar[list[tuple[str, Any, Any]]] = []

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.asked.append((self.path, dict(self.headers), json.loads(self.rfile.read(length))))
        code, body = self.answer
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def _deployed(journal: Journal) -> None:
    live(journal, 1)


@pytest.fixture
def gateway(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Gateway]]:
    monkeypatch.setattr(Gateway, "asked", [])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    (home.run / "ports.json").write_text(json.dumps({"gateway": server.server_address[1]}))
    yield Gateway
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_model_is_asked_through_the_gateway(
    typed: Typed, home: Home, journal: Journal, gateway: type[Gateway], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    monkeypatch.setattr(Gateway, "answer", (200, b'{"rows": [{"label": "ok"}]}'))
    file = tmp_path / "in.json"
    file.write_text('[{"text": "a"}, {"text": "b"}]')
    done = typed("predict", "lora/net:2", "--input", str(file), "--png")
    assert json.loads(done.stdout) == {"rows": [{"label": "ok"}]}
    path, headers, body = gateway.asked[0]
    assert path == "/predict/lora/net"
    assert body == {"rows": [{"text": "a"}, {"text": "b"}], "images": "png"}
    assert headers["X-Model-Version"] == "2"
    key = headers["Authorization"].removeprefix("Bearer ")
    assert store.key_hash(key) == store.keys(journal)[0].hash
    typed("predict", "lora/net", "--input", "-", "--version", "3", given='{"text": "c"}')
    path, headers, body = gateway.asked[1]
    assert body == {"rows": [{"text": "c"}]}
    assert headers["X-Model-Version"] == "3"
    assert headers["Authorization"].endswith(key)


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (
            (400, b'{"detail": "No number.", "field": "rows[0].x"}'),
            2,
            "No number. (rows[0].x)",
        ),
        ((404, b'{"title": "No such model"}'), 1, "answered 404: No such model"),
        ((429, b"{}"), 1, "answered 429: it gives no reason"),
        ((502, b"<html>"), 1, "that is no JSON"),
    ],
)
def test_what_the_gateway_refuses_is_a_sentence(
    typed: Typed, gateway: type[Gateway], monkeypatch: pytest.MonkeyPatch, answer: Any, code: int,
    said: str,
):  # fmt: skip
    monkeypatch.setattr(Gateway, "answer", answer)
    done = typed("predict", "lora/net", "--input", "-", given="{}", code=code)
    assert said in done.stderr


def test_what_is_not_deployed_is_not_asked(typed: Typed, journal: Journal):
    done = typed("predict", "clip/net", "--input", "-", given="{}", code=1)
    assert "clip has no deployed model." in done.stderr
    assert not store.keys(journal)


def test_a_gateway_that_is_away_is_a_sentence(typed: Typed, home: Home):
    (home.run / "ports.json").write_text('{"gateway": 1}')
    done = typed("predict", "lora/net", "--input", "-", given='{"rows": []}', code=1)
    assert "The gateway does not answer (ConnectError)." in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "body"),
    [
        ("a.json", b'{"rows": [1]}', {"rows": [1]}),
        ("a.json", b'{"columns": {"x": [1]}}', {"columns": {"x": [1]}}),
        ("a.json", b'{"x": 1}', {"rows": [{"x": 1}]}),
        ("a.csv", b"x,y\n1,two\n1.5,\n", {"rows": [{"x": 1, "y": "two"}, {"x": 1.5, "y": ""}]}),
    ],
)
def test_questions_are_read_from_files(tmp_path: Path, name: str, content: bytes, body: Any):
    file = tmp_path / name
    file.write_bytes(content)
    assert predict.body_of(str(file)) == body


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.json", b"{", "is no JSON"),
        ("a.json", b"[1]", "holds no question"),
        ("a.json", b"[]", "holds no question"),
        ("a.json", b"7", "holds no question"),
        ("a.json", b"\xff", "no UTF-8"),
        ("a.csv", b"", "no rows"),
        ("a.csv", b"x\n1,2\n", "more fields"),
    ],
)
def test_files_without_a_question_are_refused(tmp_path: Path, name: str, content: bytes, why: str):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(InputError, match=why):
        predict.body_of(str(file))
