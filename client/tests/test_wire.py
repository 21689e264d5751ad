import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos import service_pb2 as api
from mlflow.utils.rest_utils import MlflowHostCreds
from mlops_client import wire
from mlops_client.wire import UnansweredError, ask
from toys import free_port

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def answering(answer: Answer) -> Iterator[MlflowHostCreds]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer(self)

        do_GET = do_PUT = do_POST  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield MlflowHostCreds(f"http://127.0.0.1:{server.server_port}", token="secret")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def says(status: int, text: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(text.encode())))
        handler.end_headers()
        handler.wfile.write(text.encode())

    return answer


TAG = {"run_id": "r", "key": "k", "value": "v"}
REFUSED = '{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such run"}'


def test_a_refused_token_is_no_answer_to_the_call():
    answer = says(401, '{"error_code": "UNAUTHENTICATED"}')
    with answering(answer) as credentials, pytest.raises(UnansweredError) as caught:
        ask(credentials, api.SetTag, TAG)
    assert caught.value.status == wire.UNAUTHENTICATED
    assert str(caught.value).startswith(wire.TOKEN_REFUSED)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 507])
def test_a_busy_or_starting_server_has_not_answered(status: int):
    answer = says(status, '{"error_code": "INTERNAL_ERROR"}')
    with answering(answer) as credentials, pytest.raises(UnansweredError) as caught:
        ask(credentials, api.SetTag, TAG)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "It is full."}', "It is full."),
        ('{"error_code": "INTERNAL_ERROR"}', '{"error_code": "INTERNAL_ERROR"}'),
        ("Bad gateway", "Bad gateway"),
    ],
)  # fmt: skip
def test_a_busy_server_is_quoted_in_its_own_words(text: str, said: str):
    with answering(says(503, text)) as credentials, pytest.raises(UnansweredError) as caught:
        ask(credentials, api.SetTag, TAG)
    assert str(caught.value) == f"HTTP 503: {said}"


def test_a_no_of_mlflows_is_a_no():
    with (
        answering(says(404, REFUSED)) as credentials,
        pytest.raises(MlflowException, match="no such run") as caught,
    ):
        ask(credentials, api.SetTag, TAG)
    assert not isinstance(caught.value, UnansweredError)


def test_something_else_at_the_address_is_not_mlflow():
    with (
        answering(says(404, "<h1>nginx</h1>")) as credentials,
        pytest.raises(UnansweredError, match="not MLflow's"),
    ):
        ask(credentials, api.SetTag, TAG)


def test_nobody_at_the_address_has_not_answered():
    with pytest.raises(UnansweredError):
        ask(MlflowHostCreds(f"http://127.0.0.1:{free_port()}"), api.SetTag, TAG)


def test_a_connection_cut_before_the_answer_has_not_answered():
    def cut(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.close()

    with answering(cut) as credentials, pytest.raises(UnansweredError):
        ask(credentials, api.SetTag, TAG)


@pytest.mark.full
def test_silence_is_cut_short(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    over = threading.Event()

    def hang(_: BaseHTTPRequestHandler) -> None:
        over.wait(30)

    with answering(hang) as credentials:
        with pytest.raises(UnansweredError):
            ask(credentials, api.SetTag, TAG)
        over.set()


def test_token_and_workspace_go_along():
    seen: dict[str, str] = {}

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen.update(handler.headers.items())
        says(200, "{}")(handler)

    with answering(answer) as credentials:
        ask(credentials, api.SetTag, TAG, workspace="toy")
    assert seen["Authorization"] == "Bearer secret"
    assert seen["X-MLFLOW-WORKSPACE"] == "toy"


def test_a_file_goes_to_its_place_in_the_run(tmp_path: Path):
    seen: list[tuple[str, bytes]] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen.append((handler.path, handler.body))  # type: ignore[attr-defined]
        says(200, "{}")(handler)

    file = tmp_path / "a b.txt"
    file.write_text("hello")
    with answering(answer) as credentials:
        wire.put_file(credentials, "mlflow-artifacts:/workspaces/toy/1/run/artifacts", file, "x/y")
    root = "/api/2.0/mlflow-artifacts/artifacts"
    assert seen == [(f"{root}/workspaces/toy/1/run/artifacts/x/y/a%20b.txt", b"hello")]
