import http.server
import threading
from collections.abc import Iterator

import pytest

from services.errors import EngineError, EngineProtocolError, EngineUnreachableError, PlatformError
from services.home import Home
from services.platform import doctor, sign_on

GOOD = {
    "redirect_uri": "http://127.0.0.1:{port}/oauth2callback",
    "cookie_secret": "c" * 32,
    "client_id": "dashboard",
    "client_secret": "s",
    "server_metadata_url": "http://127.0.0.1:9/.well-known/openid-configuration",
}


def write(home: Home, **changed: str) -> None:
    lines = [f'{key} = "{value}"' for key, value in (GOOD | changed).items()]
    sign_on.path(home).write_text("\n".join(["[auth]", *lines]))


def answering(status: int, body: bytes) -> Iterator[str]:
    class Said(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Said) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/.well-known/openid-configuration"
        server.shutdown()
        thread.join()


@pytest.fixture
def provider(request: pytest.FixtureRequest) -> Iterator[str]:
    yield from answering(*request.param)


def test_without_the_file_there_is_no_single_sign_on(home: Home):
    home.create()
    assert sign_on.read(home) is None
    assert list(doctor.single_sign_on(home)) == []


def test_the_port_in_the_address_is_the_dashboards(home: Home):
    home.create()
    write(home)
    read = sign_on.read(home)
    assert read is not None
    assert read.origin(8777) == "http://127.0.0.1:8777"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"client_secret": ""}, r"\[auth\] lacks client_secret"),
        ({"cookie_secret": "c" * 31}, "cookie_secret is shorter than 32"),
        ({"redirect_uri": "http://127.0.0.1:8501/"}, "redirect_uri is not"),
        ({"redirect_uri": "/oauth2callback"}, "redirect_uri is not"),
        ({"redirect_uri": "http://[/oauth2callback"}, "redirect_uri is not"),
        ({"server_metadata_url": "http://["}, "server_metadata_url is not"),
        ({"server_metadata_url": "file:///etc/passwd"}, "server_metadata_url is not"),
        ({"client_id": 'x"'}, "cannot be read"),
    ],
)
def test_a_configuration_that_cannot_work_is_named_and_the_doctor_says_it(
    home: Home, changed: dict[str, str], said: str
):
    home.create()
    write(home, **changed)

    with pytest.raises(PlatformError, match=said):
        sign_on.read(home)
    (finding,) = doctor.single_sign_on(home)
    assert finding.level == "error"
    assert GOOD["cookie_secret"] not in finding.meaning


@pytest.mark.parametrize("content", [b"", b"auth = 1", b"\xff\xfe"])
def test_a_file_without_the_table_is_said(home: Home, content: bytes):
    home.create()
    sign_on.path(home).write_bytes(content)
    with pytest.raises(PlatformError, match=r"sign-on\.toml"):
        sign_on.read(home)


def test_a_provider_that_does_not_answer_is_a_warning(home: Home):
    home.create()
    write(home)
    read = sign_on.read(home)
    assert read is not None
    with pytest.raises(EngineUnreachableError, match="does not answer"):
        sign_on.ask(read)
    (finding,) = doctor.single_sign_on(home)
    assert finding.level == "warning"
    assert GOOD["server_metadata_url"] in finding.mend


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        ((503, b"{}"), "status 503"),
        ((302, b"{}"), "status 302"),
        ((200, b"<html>"), "no JSON"),
        ((200, b"[]"), "names no sign-in page"),
    ],
    indirect=["provider"],
)
def test_an_answer_that_is_no_providers_is_said(provider: str, said: str):
    with pytest.raises(EngineProtocolError, match=said):
        sign_on.ask(sign_on.Provider(provider, GOOD["redirect_uri"]))


@pytest.mark.parametrize("url", ["http://", "http://[", "http://exa mple", "http://x:99999999"])
def test_an_address_that_is_none_is_said(url: str):
    with pytest.raises(EngineError):
        sign_on.ask(sign_on.Provider(url, GOOD["redirect_uri"]))


@pytest.mark.parametrize("provider", [(200, b'{"authorization_endpoint": "x"}')], indirect=True)
def test_a_provider_that_answers_is_fine(home: Home, provider: str):
    home.create()
    write(home, server_metadata_url=provider)
    assert [one.level for one in doctor.single_sign_on(home)] == ["ok"]
