"""The gate before Evidently's screen: name, password, reads alone."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.engines.evidently.screen import Gate

HOST = "127.0.0.1:8000"
ASKED: list[str] = []


async def inner(scope: Any, _receive: Any, send: Any) -> None:
    ASKED.append(f"{scope['method']} {scope['path']}")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"inside"})


@pytest.fixture
def password(tmp_path: Path) -> Path:
    ASKED.clear()
    path = tmp_path / "token"
    path.write_text("right\n")
    return path


def ask(password: Path, method: str, path: str, said: str | None = None, host: str = HOST) -> Any:
    headers = {} if said is None else {"authorization": said}
    gate = Gate(inner, password, frozenset({HOST}))

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app=gate)  # type: ignore[arg-type]  # it is ASGI
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(asked())


def basic(word: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{word}".encode()).decode()


def test_who_knows_the_password_reads(password: Path):
    answer = ask(password, "GET", "/api/projects/", basic("right"))
    assert (answer.status_code, answer.text) == (200, "inside")
    assert answer.headers["x-frame-options"] == "DENY"
    assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "said",
    [None, basic("wrong"), basic(""), "Bearer right", "Basic right", "Basic", basic("right\n")],
)  # fmt: skip
def test_nobody_else_does_and_the_browser_asks(password: Path, said: str | None):
    answer = ask(password, "GET", "/", said)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert "evidently-people.token" in answer.text
    assert ASKED == []


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_without_a_password_it_stays_shut(password: Path, content: str | None):
    password.unlink()
    if content is not None:
        password.write_text(content)
    assert ask(password, "GET", "/", basic("")).status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_is_written_even_with_it(password: Path, method: str):
    answer = ask(password, method, "/api/projects/", basic("right"))
    assert answer.status_code == 403
    assert ASKED == []


def test_its_curves_are_asked_for_with_a_post(password: Path):
    assert (
        ask(password, "POST", "/api/projects/1/data_series_batch", basic("right")).text == "inside"
    )


def test_a_name_that_was_made_to_point_here_is_refused(password: Path):
    for path in ("/", "/api/version"):
        assert ask(password, "GET", path, basic("right"), "evil.test:8000").status_code == 421
    assert ASKED == []


def test_its_health_needs_no_password(password: Path):
    assert ask(password, "GET", "/api/version").text == "inside"
