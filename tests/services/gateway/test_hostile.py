"""What strangers send: slow, endless, cut off, too large, too deep. Never a 5xx, memory flat."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from tests.live import eventually
from tests.services.gateway.lab import Lab
from tests.services.gateway.wiring import stats

pytestmark = pytest.mark.engine

ASKED = {"columns": {"x": [[1, 2, 3, 4]]}}


@contextlib.contextmanager
def connected(lab: Lab) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", lab.port), 30) as one:
        yield one


def read(one: socket.socket) -> bytes:
    """Read until the other side closes."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while data := one.recv(65536):
            found += data
    return found


def head(lab: Lab, path: str, *more: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{lab.port}", f"X-API-Key: {lab.key}", *more]
    return "\r\n".join([*lines, "", ""]).encode()


def memory(lab: Lab) -> int:
    assert lab.gateway is not None
    return int(psutil.Process(lab.gateway.pid).memory_info().rss)


def test_a_body_of_100_mb_is_refused_before_it_is_held(lab: Lab):
    before = memory(lab)
    block = b"[1," * 300_000
    with connected(lab) as one:
        one.sendall(head(lab, "/predict/lab/rows", "Content-Length: 100000000"))
        sent = 0
        while sent < 100_000_000:
            one.sendall(block[: 100_000_000 - sent])
            sent += min(len(block), 100_000_000 - sent)
        answer = read(one)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert memory(lab) - before < 50 << 20


def test_a_chunked_body_without_an_end_is_refused(lab: Lab):
    before = memory(lab)

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * (1 << 20)

    with lab.client() as client:
        answer = client.post("/predict/lab/rows", content=endless())
    assert answer.status_code == 413
    assert memory(lab) - before < 100 << 20


def test_a_bomb_of_gzip_is_refused(lab: Lab):
    import gzip

    bomb = gzip.compress(b"[" * (100 << 20))
    before = memory(lab)
    with lab.client() as client:
        for packing in ("gzip", "deflate"):
            answer = client.post(
                "/predict/lab/rows", content=bomb, headers={"Content-Encoding": packing}
            )
            assert answer.status_code == 413
        cut = client.post(
            "/predict/lab/rows", content=bomb[:50], headers={"Content-Encoding": "gzip"}
        )
        strange = client.post(
            "/predict/lab/rows", content=b"{}", headers={"Content-Encoding": "br"}
        )
    assert (cut.status_code, strange.status_code) == (400, 415)
    assert memory(lab) - before < 50 << 20


@pytest.mark.parametrize("depth", [100, 1000, 100_000])
def test_deep_json_is_refused(lab: Lab, depth: int):
    nested = b"[" * depth + b"1" + b"]" * depth
    bodies = {
        "/predict/lab/rows": b'{"columns": {"x": %s}}' % nested,
        "/predict/lab/classify": b'{"columns": {"text": %s}}' % nested,
        "/v2/models/lab.rows/infer": b'{"inputs": [{"name": "x", "datatype": "FP32", '
        b'"shape": [1, 4], "data": %s}]}' % nested,
        "/v1/chat/completions": b'{"model": "lab.text", "messages": %s}' % nested,
    }
    with lab.client() as client:
        for path, body in bodies.items():
            answer = client.post(path, content=body)
            assert answer.status_code == 400, (path, answer.text)


def test_long_texts_beside_many_numbers_take_no_room(lab: Lab):
    """As an array of text they would take the longest for each."""
    before = memory(lab)
    values = [1] * 500_000 + ["x" * 500_000]
    with lab.client() as client:
        for model, name in (("rows", "x"), ("classify", "text")):
            answer = client.post(f"/predict/lab/{model}", json={"columns": {name: values}})
            assert answer.status_code == 400
    assert memory(lab) - before < 200 << 20


@pytest.mark.slow
def test_slow_headers_and_slow_bodies_are_cut(lab: Lab):
    with connected(lab) as silent, connected(lab) as headers, connected(lab) as body:
        headers.sendall(b"POST / HTTP/1.1\r\n")
        body.sendall(head(lab, "/predict/lab/rows", "Content-Length: 1000"))
        for _ in range(12):
            time.sleep(1)
            with contextlib.suppress(OSError):
                headers.sendall(b"X-A: b\r\n")
            with contextlib.suppress(OSError):
                body.sendall(b"[")
        assert read(silent).startswith(b"HTTP/1.1 408 ")
        assert read(headers).startswith(b"HTTP/1.1 408 ")
        assert read(body).startswith(b"HTTP/1.1 408 ")
    with lab.client() as client:
        assert client.post("/predict/lab/rows", json=ASKED).status_code == 200


def test_headers_without_an_end_are_refused(lab: Lab):
    with connected(lab) as one:
        one.sendall(b"GET /v2 HTTP/1.1\r\n")
        with contextlib.suppress(OSError):
            for _ in range(100):
                one.sendall(b"X-A: " + b"a" * 1000 + b"\r\n")
        assert read(one).startswith(b"HTTP/1.1 431 ")
    with connected(lab) as one:
        with contextlib.suppress(OSError):
            one.sendall(b"GET /" + b"a" * 200_000)
        assert read(one).startswith(b"HTTP/1.1 431 ")


def test_cut_connections_leave_nothing_behind(lab: Lab):
    asked = json.dumps(ASKED).encode()
    for part in range(0, len(asked), 5):
        with connected(lab) as one:
            length = f"Content-Length: {len(asked)}"
            one.sendall(head(lab, "/predict/lab/rows", length) + asked[:part])
    stream = {"model": "lab.text", "messages": [{"role": "user", "content": "a"}],
              "stream": True, "max_tokens": 2000}  # fmt: skip
    body = json.dumps(stream).encode()
    for _ in range(5):
        with connected(lab) as one:
            one.sendall(head(lab, "/v1/chat/completions", f"Content-Length: {len(body)}") + body)
            one.recv(500)

    def nothing() -> bool:
        with lab.client() as client:
            client.headers.pop("Authorization")
            text = client.get("/metrics").text
        gauges = [line for line in text.splitlines() if line.startswith("mlops_gateway_in_flight{")]
        return bool(gauges) and all(line.endswith(" 0") for line in gauges)

    eventually(nothing)


def test_a_stream_that_nobody_reads_any_more_stops_the_model(lab: Lab):
    slow = lab.server("text", "--delay-s", "0.05")
    lab.put(lab.loaded("text", slow, model="hung-up"))
    lab.followed()
    asked = {"model": "lab.hung-up", "prompt": "a", "stream": True, "max_tokens": 1000}
    with lab.client() as client, client.stream("POST", "/v1/completions", json=asked) as answer:
        next(answer.iter_bytes())
    eventually(lambda: stats(slow)["left"] == 0)


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /v2 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET /v2 HTTP/1.1\r\nHost: 127.0.0.1.evil.example:8090\r\n\r\n",
        b"GET /v2 HTTP/1.0\r\n\r\n",
    ],
)
def test_other_hosts_are_refused(lab: Lab, request_line: bytes):
    with connected(lab) as one:
        one.sendall(request_line.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert read(one).startswith(b"HTTP/1.1 421 ")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_refused(lab: Lab, sent: bytes):
    with connected(lab) as one:
        one.sendall(sent)
        one.settimeout(5)
        answer = one.recv(65536)
    assert answer[:10] in (b"HTTP/1.1 4", b"")


def test_paths_and_methods_that_do_not_exist(lab: Lab):
    with lab.client() as client:
        for path in (
            "/",
            "//",
            "/v2/",
            "/v2/models//infer",
            "/predict/lab",
            "/%2e%2e/etc",
            "/docs",
        ):
            assert client.get(path).status_code == 404, path
        wrong = client.get("/predict/lab/rows")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
        cross = client.options("/predict/lab/rows", headers={"Origin": "http://evil.example"})
        assert cross.status_code == 405
        assert not [name for name in cross.headers if name.startswith("access-control")]


def test_names_with_odd_characters_are_names(lab: Lab):
    lab.put(lab.loaded("rows", lab.server("rows"), model="odd name+ü"))
    lab.followed()
    with lab.client() as client:
        answer = client.post(httpx.URL(path="/predict/lab/odd name+ü"), json=ASKED)
        assert answer.status_code == 200, answer.text
        assert client.post("/predict/lab/a%00b", json=ASKED).status_code == 404
        assert client.post("/predict/lab/a%ff", json=ASKED).status_code == 404
        assert client.post("/predict/lab/rows%2f..", json=ASKED).status_code == 404
