import contextlib
import json
import socket
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPResponse

import pytest

from services.errors import EngineRefusedError, EngineUnreachableError
from services.telemetry import server as serving
from services.telemetry import tokens
from services.telemetry.batches import BODY_LIMIT_BYTES, encode, pack
from services.telemetry.collector import Collector, Taken
from services.telemetry.store import Store
from tests.services.telemetry.collecting import OWN, Collecting, collecting
from tests.services.telemetry.machines import MAC, PROVIDER, sample
from tests.small_disk import mounted

pytestmark = pytest.mark.engine  # real processes and servers

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def there(tmp_path):
    with collecting(tmp_path) as made:
        yield made


def packed(*seconds: float, machine=MAC, begin=NOW) -> bytes:
    lines = [encode(sample(one, name=machine.host, begin=begin)) for one in seconds]
    return pack(machine, (PROVIDER,), lines)


def asked(
    there: Collecting, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[HTTPResponse, bytes]:
    with contextlib.closing(HTTPConnection("127.0.0.1", there.port, timeout=10)) as connection:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        return response, response.read()


def posted(there: Collecting, token: str, body: bytes, **headers: str):
    sent = {"Authorization": f"Bearer {token}", "Content_Encoding": "deflate"} | headers
    response, said = asked(there, "POST", "/v1/samples", body, **sent)
    return response.status, json.loads(said)


def test_samples_of_another_machine_are_kept_and_told(there):
    token = there.token("b")
    status, said = posted(there, token, packed(-4, -2))
    assert (status, said) == (200, {"accepted": 2, "refused": []})
    assert there.kept("mac-b") == (NOW - timedelta(seconds=4), NOW - timedelta(seconds=2))
    (state,) = Store(there.folder / "telemetry").hosts()
    assert (state.machine, state.providers) == (MAC, (PROVIDER,))
    response, said = asked(there, "GET", "/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b'mlops_cpu_power_watts{host="mac-b",chip="Apple M3 Pro"} -0.25' in said


def test_samples_that_come_late_or_twice_end_up_in_order_and_once(there):
    token = there.token("b")
    for seconds in ((-2,), (-40, -38), (-2,), (-20, -10)):
        assert posted(there, token, packed(*seconds))[0] == 200
    assert [int((at - NOW).total_seconds()) for at in there.kept("mac-b")] == [
        -40,
        -38,
        -20,
        -10,
        -2,
    ]


def test_a_sample_too_old_or_of_the_future_is_refused_by_itself(there):
    token = there.token("b")
    status, said = posted(there, token, packed(-90 * 86_400, -2, 3600))
    assert (status, said["accepted"]) == (200, 1)
    assert ["older than" in one["reason"] for one in said["refused"]] == [True, False]
    assert "still to come" in said["refused"][1]["reason"]
    assert len(there.kept("mac-b")) == 1
    _, metrics = asked(there, "GET", "/metrics")
    assert b'mlops_host_samples_refused_total{host="mac-b",chip="Apple M3 Pro"} 2' in metrics


def test_a_wrong_field_is_named_and_nothing_of_the_batch_is_kept(there):
    token = there.token("b")
    good = json.loads(encode(sample(-4, begin=NOW)))
    machine = {"host": "mac-b", "apple_silicon": True, "os": ""}
    document = {"machine": machine, "samples": [good, {"at": "today"}]}
    status, said = posted(there, token, json.dumps(document).encode(), Content_Encoding="identity")
    assert (status, said["field"]) == (400, "samples[1].at")
    assert said["detail"].startswith("samples[1].at must be a time")
    assert there.latest.hosts() == ()
    assert posted(there, token, packed(-4)[:-6])[0] == 400


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic x", "Bearer  "])
def test_without_a_token_nothing_is_read(there, header):
    status, said = posted(there, "", packed(-2), Authorization=header)
    assert status == 401
    assert "mlops hardware token" in said["detail"]


def test_a_token_that_has_ended_is_refused_also_on_an_open_connection(there):
    collector = Collector(there.url, there.token("b"))
    assert collector.send(packed(-4)) == Taken(1)
    tokens.revoke(there.folder / "agents", "b")
    with pytest.raises(EngineRefusedError, match="has ended") as caught:
        collector.send(packed(-2))
    assert caught.value.status == 401
    collector.close()


def test_a_token_speaks_for_one_machine_and_a_machine_by_one_token(there):
    first, second = there.token("b"), there.token("c")
    other = replace(MAC, host="mac-c")
    assert posted(there, first, packed(-4))[0] == 200
    assert posted(there, first, packed(-4, machine=other))[0] == 403
    assert posted(there, second, packed(-4))[0] == 409
    assert posted(there, second, packed(-4, machine=other))[0] == 200
    assert [host.machine.host for host in there.latest.hosts()] == ["mac-b", "mac-c"]


def test_nobody_speaks_for_the_machine_that_collects(there):
    status, said = posted(there, there.token("b"), packed(-4, machine=replace(MAC, host=OWN)))
    assert status == 409
    assert "has its own sampler" in said["detail"]
    assert tokens.listed(there.folder / "agents")[0].host is None


def test_a_body_that_is_too_large_is_refused_unread_and_the_answer_arrives(there):
    token = there.token("b")
    for size in (BODY_LIMIT_BYTES + 1, 3 * BODY_LIMIT_BYTES // 2):
        assert posted(there, token, b"x" * size)[0] == 413
    parts = (b"x" * 60_000 for _ in range(20))  # without a length
    with contextlib.closing(HTTPConnection("127.0.0.1", there.port, timeout=10)) as connection:
        connection.request(
            "POST", "/v1/samples", parts, {"Authorization": f"Bearer {token}"}, encode_chunked=True
        )
        assert connection.getresponse().status == 413
    assert posted(there, token, b"x", Content_Encoding="br")[0] == 415
    assert posted(there, token, packed(-2))[0] == 200


def test_a_batch_in_chunks_is_taken(there):
    body = packed(-2)
    headers = {"Authorization": f"Bearer {there.token('b')}", "Content-Encoding": "deflate"}
    with contextlib.closing(HTTPConnection("127.0.0.1", there.port, timeout=10)) as connection:
        connection.request("POST", "/v1/samples", iter([body[:50], body[50:]]), headers)
        assert connection.getresponse().status == 200


def test_a_full_disk_is_an_answer_to_try_again_and_nothing_is_lost(tmp_path):
    with mounted(tmp_path / "disk", "512k") as disk:
        store = Store(disk.path / "telemetry", merge_in_background=False)
        with collecting(tmp_path, store=store) as there:
            collector = Collector(there.url, there.token("b"))
            collector.send(packed(-660))
            batches = [packed(*range(begin, begin + 200)) for begin in (-600, -400, -200)]
            disk.fill()
            with pytest.raises(EngineUnreachableError, match="could not be written"):
                _send(collector, batches)
            assert "could not be written" in there.intake.problem
            disk.free()
            _send(collector, batches)
            assert there.intake.problem == ""
            reader = Store(disk.path / "telemetry")
            kept = reader.samples("mac-b", NOW - timedelta(hours=1), NOW + timedelta(hours=1))
            assert [int((one.at - NOW).total_seconds()) for one in kept] == [-660, *range(-600, 0)]
            collector.close()


def _send(collector: Collector, bodies: list[bytes]) -> None:
    for body in bodies:
        collector.send(body)


# What is read


def test_open_metrics_is_told_to_who_asks_for_it(there):
    accept = "application/openmetrics-text; version=1.0.0,text/plain;q=0.5"
    response, said = asked(there, "GET", "/metrics", Accept=accept)
    assert response.headers["Content-Type"].startswith("application/openmetrics-text")
    assert said.endswith(b"# EOF\n")


@pytest.mark.parametrize("path", ["/metrics", "/healthz"])
@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:1", 200), ("localhost", 200), ("[::1]:9", 200), ("evil.example:80", 403),
     ("127.0.0.1.evil.example", 403)],
)  # fmt: skip
def test_a_page_in_a_browser_cannot_come_by_a_name_of_its_own(there, path, host, status):
    response, _ = asked(there, "GET", path, Host=host)
    assert response.status == status


@pytest.mark.parametrize(
    ("peer", "local"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("192.0.2.7", False),
     ("::ffff:192.0.2.7", False), ("fe80::1", False), ("", False)],
)  # fmt: skip
def test_figures_are_told_on_this_machine_alone(peer, local):
    assert serving._is_loopback(peer) is local


def test_health_says_what_is_wrong(there):
    assert asked(there, "GET", "/healthz")[0].status == 200
    there.unwell.append("The disk is full.")
    response, said = asked(there, "GET", "/healthz")
    assert (response.status, json.loads(said)) == (503, {"status": "The disk is full."})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/v1/samples", 404), ("POST", "/metrics", 405),
     ("DELETE", "/healthz", 405), ("HEAD", "/metrics", 405), ("GET", "/metrics?x=1", 200)],
)  # fmt: skip
def test_other_ways_and_pages_are_sentences(there, method, path, status):
    assert asked(there, method, path)[0].status == status


@pytest.mark.parametrize(
    "garbage",
    [b"\r\n\r\n\r\n\x00\xff", b"GET / HTTP/9.9\r\n\r\n", b"GET /metrics HTTP/1.1\r\n\r\n",
     b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 300_000 + b"\r\n\r\n",
     b"POST /v1/samples HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
     b"POST /v1/samples HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\n",
     b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
)  # fmt: skip
def test_what_is_no_http_is_answered_so_and_harms_nobody(there, garbage):
    with socket.create_connection(("127.0.0.1", there.port), timeout=10) as raw:
        raw.sendall(garbage)
        raw.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: raw.recv(65536), b""))
    assert said == b"" or said.startswith(b"HTTP/1.1 4")
    assert asked(there, "GET", "/healthz")[0].status == 200


def test_who_never_finishes_his_request_is_sent_away_and_holds_nobody_up(tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "_REQUEST_S", 0.3)
    monkeypatch.setattr(serving, "_IDLE_S", 0.3)
    with collecting(tmp_path) as there:
        with socket.create_connection(("127.0.0.1", there.port), timeout=10) as raw:
            raw.sendall(b"GET /metrics HTT")
            assert asked(there, "GET", "/healthz")[0].status == 200
            assert raw.recv(100) == b""
        head = (
            f"POST /v1/samples HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {there.token('b')}\r\n"
        )
        with socket.create_connection(("127.0.0.1", there.port), timeout=10) as raw:
            raw.sendall(head.encode() + b"Content-Length: 100\r\n\r\nabc")
            assert raw.recv(100) == b""


def test_too_many_at_once_are_sent_away_and_come_in_later(tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "_CONNECTIONS_AT_MOST", 3)
    with collecting(tmp_path) as there:
        held = [socket.create_connection(("127.0.0.1", there.port)) for _ in range(3)]
        time.sleep(0.2)
        with socket.create_connection(("127.0.0.1", there.port), timeout=10) as fourth:
            assert fourth.recv(10) == b""
        for one in held:
            one.close()
        time.sleep(0.2)
        assert asked(there, "GET", "/healthz")[0].status == 200


def test_two_requests_on_one_connection_are_two_answers(there):
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", there.port), timeout=10) as raw:
        raw.sendall(one + last)
        said = b"".join(iter(lambda: raw.recv(65536), b""))
    assert said.count(b"HTTP/1.1 200 OK") == 2


def test_a_taken_port_is_a_sentence_and_is_tried_again(there, monkeypatch):
    monkeypatch.setattr(serving, "_RETRY_S", 0.05)
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    second = serving.Server(serving.Address(port), there.latest, there.intake, str)
    second.start()
    try:
        assert not second.listening.wait(0.3)
        assert f"port {port}" in second.problem
        taken.close()
        assert second.listening.wait(10)
        assert second.problem == ""
        assert asked(replace(there, port=port), "GET", "/healthz")[0].status == 200
    finally:
        taken.close()
        second.stop()


def test_with_a_certificate_agents_speak_tls(tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(key), "-out", str(cert)],
        capture_output=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    with collecting(tmp_path, certificate=cert, key=key) as there:
        token = there.token("b")
        url = f"https://127.0.0.1:{there.port}"
        trusting = Collector(url, token, cert)
        assert trusting.send(packed(-2)) == Taken(1)
        trusting.close()
        for strange in (Collector(url, token), Collector(there.url, token)):
            with pytest.raises(EngineUnreachableError, match="cannot be reached"):
                strange.send(packed(-2))
            strange.close()


def test_it_listens_on_loopback_beside_another_address():
    assert serving.Address(1).hosts == ["127.0.0.1"]
    assert serving.Address(1, "192.0.2.7").hosts == ["127.0.0.1", "192.0.2.7"]
    assert serving.Address(1, "0.0.0.0").hosts == ["0.0.0.0"]  # noqa: S104 - compared, not bound
