"""The token: fetched when needed, renewed before it ends and when it is refused."""

import base64
import json
import time

import httpx
import pytest

from services.engines.airflow.access import Access
from services.engines.airflow.adapter import Airflow
from services.errors import EngineRefusedError, EngineUnreachableError


def token(name: str, life_s: float = 3600.0) -> str:
    payload = json.dumps({"sub": name, "exp": time.time() + life_s}).encode()
    return f"x.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.y"


class Server:
    """Lets in who carries the newest token."""

    def __init__(self, *lives_s: float) -> None:
        self.lives = list(lives_s) or [3600.0]
        self.logins = 0
        self.valid = ""
        self.seen: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request.url.path)
        if request.url.path == "/auth/token":
            said = json.loads(request.content)
            if said != {"username": "platform", "password": "right"}:
                return httpx.Response(401, json={"detail": "Invalid credentials"})
            life = self.lives[min(self.logins, len(self.lives) - 1)]
            self.logins += 1
            self.valid = token(f"{self.logins}", life)
            return httpx.Response(201, json={"access_token": self.valid})
        if request.url.path == "/api/v2/version":
            assert "authorization" not in request.headers
            return httpx.Response(200, json={"version": "3.3.2"})
        if request.headers.get("authorization") != f"Bearer {self.valid}":
            return httpx.Response(401, json={"detail": "Invalid JWT token"})
        return httpx.Response(200, json={"pools": [], "total_entries": 0})


def airflow(server: Server, said: str = "right") -> Airflow:
    auth = Access(lambda: ("platform", said))
    client = httpx.Client(
        transport=httpx.MockTransport(server), base_url="http://airflow.test", auth=auth
    )
    return Airflow(client)


def test_one_login_serves_many_requests():
    server = Server()
    asked = airflow(server)
    for _ in range(3):
        assert asked.pools() == ()
    assert server.logins == 1


def test_a_refused_token_is_renewed_and_the_request_is_sent_again():
    server = Server()
    asked = airflow(server)
    asked.pools()
    server.valid = "another, since the server has a new key"
    assert asked.pools() == ()
    assert server.logins == 2


def test_a_token_that_is_nearly_over_is_renewed_before_it_is_used():
    server = Server(30.0, 3600.0)
    asked = airflow(server)
    asked.pools()
    asked.pools()
    asked.pools()
    assert server.logins == 2
    assert server.seen.count("/api/v2/pools") == 3


def test_a_wrong_password_is_a_sentence_and_asked_again_next_time():
    server = Server()
    asked = airflow(server, "wrong")
    with pytest.raises(EngineRefusedError, match="does not let platform in") as caught:
        asked.pools()
    assert caught.value.status == 401
    assert "airflow_password" in caught.value.hint
    assert "wrong" not in str(caught.value)
    assert server.seen == ["/auth/token"]


def test_how_it_is_needs_no_login():
    server = Server()
    assert airflow(server).version() == "3.3.2"
    assert server.logins == 0


def test_a_login_page_instead_of_a_token_is_a_sentence():
    def page(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"<html>please sign in</html>")

    client = httpx.Client(
        transport=httpx.MockTransport(page),
        base_url="http://a.test",
        auth=Access(lambda: ("a", "b")),
    )
    with pytest.raises(EngineRefusedError, match="cannot read"):
        Airflow(client).pools()


def test_a_token_without_an_end_is_used_for_a_while():
    server = Server()

    def plain(request: httpx.Request) -> httpx.Response:
        answer = server(request)
        if request.url.path == "/auth/token":
            server.valid = "opaque"
            return httpx.Response(201, json={"access_token": "opaque"})
        return answer

    client = httpx.Client(
        transport=httpx.MockTransport(plain),
        base_url="http://a.test",
        auth=Access(lambda: ("platform", "right")),
    )
    asked = Airflow(client)
    asked.pools()
    asked.pools()
    assert server.logins == 1


def test_silence_during_the_login_is_unreachable():
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused", request=request)

    client = httpx.Client(
        transport=httpx.MockTransport(refuse),
        base_url="http://a.test",
        auth=Access(lambda: ("a", "b")),
    )
    with pytest.raises(EngineUnreachableError, match="Airflow cannot be reached"):
        Airflow(client).pools()
