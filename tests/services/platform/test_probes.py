import http.server
import json
import threading
import time

import pytest

from services.platform.probes import HeartbeatProbe, HttpProbe


@pytest.fixture
def server():
    class Said(http.server.BaseHTTPRequestHandler):
        status, body = 200, b"ok"

        def do_GET(self):
            self.send_response(self.status)
            self.end_headers()
            self.wfile.write(self.body)

        def log_message(self, *arguments: object):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Said)
    thread = threading.Thread(target=running.serve_forever, args=(0.02,))
    thread.start()
    yield Said, f"http://127.0.0.1:{running.server_port}/health"
    running.shutdown()
    running.server_close()
    thread.join()


def test_a_good_answer_is_ready(server):
    assert HttpProbe(server[1])(0.0).ready


def test_a_proxy_of_the_environment_is_not_asked(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert HttpProbe(server[1])(0.0).ready


def test_an_error_status_is_not_ready(server):
    server[0].status = 503
    answer = HttpProbe(server[1])(0.0)
    assert not answer.ready
    assert "503" in answer.detail


def test_the_body_is_read_where_the_status_does_not_tell(server):
    server[0].body = b'{"scheduler": "unhealthy"}'
    probe = HttpProbe(server[1], lambda body: "unwell" if b"unhealthy" in body else "")
    assert probe(0.0) == type(probe(0.0))(ready=False, detail="unwell")


def test_silence_is_not_ready():
    answer = HttpProbe("http://127.0.0.1:9/health")(0.0)
    assert not answer.ready
    assert "nothing listens there yet" in answer.detail


def test_a_fresh_heartbeat_is_ready_with_its_detail(tmp_path):
    path = tmp_path / "controller.json"
    path.write_text(json.dumps({"pid": 1, "at": time.time(), "detail": "9 projects"}))
    answer = HeartbeatProbe(path)(time.time() - 5)
    assert answer.ready
    assert answer.detail == "9 projects"


def test_an_iso_time_is_understood(tmp_path):
    path = tmp_path / "controller.json"
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    path.write_text(json.dumps({"at": now}))
    assert HeartbeatProbe(path)(0.0).ready


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"at": null}', "cannot be read"),
        ('{"at": "yesterday"}', "cannot be read"),
        ('{"at": 5.0}', "since it was started"),
    ],
)
def test_a_bad_heartbeat_says_what_is_bad(tmp_path, content, words):
    path = tmp_path / "controller.json"
    path.write_text(content)
    answer = HeartbeatProbe(path)(1000.0)
    assert not answer.ready
    assert words in answer.detail


def test_an_old_or_missing_heartbeat_is_not_ready(tmp_path):
    path = tmp_path / "controller.json"
    assert "not reported yet" in HeartbeatProbe(path)(0.0).detail
    path.write_text(json.dumps({"at": time.time() - 100}))
    assert "100 s old" in HeartbeatProbe(path)(0.0).detail
