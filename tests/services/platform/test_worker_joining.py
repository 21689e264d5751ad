"""Becoming a worker: the invitation, what is typed, and what keeps a machine out."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from services.errors import (
    ConflictError,
    DeniedError,
    EngineUnreachableError,
    InputError,
    NotFoundError,
    PlatformError,
)
from services.home import Home
from services.platform import airflow, worker, worker_joining, worker_setup
from services.platform.engines import WORKER, wanted
from services.platform.files import write_json
from services.platform.worker import Joined
from services.platform.worker_joining import Invitation
from services.settings import Settings

URL = "http://127.0.0.1:8080"
KEY = "k" * 43


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    monkeypatch.setenv("MLOPS_HOME", str(made.root))
    return made


def asking(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.Client:
    def route(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v2/version":
            return httpx.Response(200, json={"version": airflow.pinned_version()})
        return answer(request)

    return httpx.Client(transport=httpx.MockTransport(route))


def test_an_invitation_is_one_word_that_says_all():
    made = Invitation(KEY, "http://127.0.0.1:5000", {"lora": "secret"})
    assert Invitation.read(made.text()) == made
    assert made.text().isascii()
    assert " " not in made.text()
    for broken in (made.text()[:-4], "", "ü", "bm8"):
        with pytest.raises(InputError, match="is not whole"):
            Invitation.read(broken)


def test_what_is_typed_there_and_what_it_takes(home: Home):
    settings = Settings(airflow_workers=True)
    write_json(home.run / "ports.json", {"airflow": 8081, "mlflow": 5001})
    how = worker_joining.way(home, settings, ("lora",))
    token, join = how.commands()
    assert join == "./mlops worker --join http://127.0.0.1:8081"
    assert token == f"export MLOPS_WORKER_TOKEN={how.invitation.text()}"
    assert set(how.invitation.tokens) == {"lora"}
    assert how.tunnel.startswith(
        "ssh -N -L 8081:127.0.0.1:8081 -L 5001:127.0.0.1:5001 "
    )  # fmt: skip
    assert how.tunnel in how.advice()[0]

    opened = settings.model_copy(
        update={"airflow_listen": "0.0.0.0", "mlflow_url": "https://mlflow.example/"}  # noqa: S104
    )
    how = worker_joining.way(home, opened, ("lora",))
    assert how.url == f"http://{how.host}:8081"
    assert how.tunnel == ""
    assert how.invitation.tokens == {}
    assert how.invitation.mlflow_url == "https://mlflow.example"
    assert "without TLS" in " ".join(how.advice())


def test_a_platform_without_workers_says_how_to_have_some(home: Home):
    with pytest.raises(PlatformError, match="takes no workers") as raised:
        worker_joining.way(home, Settings(), ())
    assert "airflow_workers = true" in raised.value.hint


def test_who_is_let_in_hears_that_the_worker_is_unknown():
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(404, json={"detail": "Worker not found"})

    worker_joining.check(URL, KEY, asking(answer))
    assert seen[0].url.path.startswith("/edge_worker/v1/jobs/fetch/")
    assert seen[0].headers["Authorization"].count(".") == 2


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (403, {"detail": "Forbidden"}, DeniedError, "refuses the token"),
        (405, {"detail": "Method Not Allowed"}, PlatformError, "takes no workers"),
        (404, {"detail": "Not Found"}, PlatformError, "takes no workers"),
        (500, {"detail": "no"}, PlatformError, "takes no workers"),
    ],
)
def test_who_is_not_let_in_hears_why(status, body, error, said):
    with pytest.raises(error, match=said) as raised:
        worker_joining.check(URL, KEY, asking(lambda _: httpx.Response(status, json=body)))
    assert raised.value.hint


def test_another_version_or_another_program_is_told():
    def other(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"version": "3.9.0"})

    with pytest.raises(PlatformError, match=r"Airflow there is 3\.9\.0"):
        worker_joining.check(URL, KEY, httpx.Client(transport=httpx.MockTransport(other)))
    page = httpx.MockTransport(lambda _: httpx.Response(200, text="<html>"))
    with pytest.raises(EngineUnreachableError, match="is no Airflow"):
        worker_joining.check(URL, KEY, httpx.Client(transport=page))

    def silent(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(EngineUnreachableError, match="cannot be reached"):
        worker_joining.check(URL, KEY, httpx.Client(transport=httpx.MockTransport(silent)))


@pytest.mark.parametrize("url", ["studio:8080", "", "ftp://studio", "http://"])
def test_what_is_no_address_is_said(url):
    with pytest.raises(InputError, match="is no address"):
        worker_joining.address(url)
    assert worker_joining.address("https://studio:8080/home?x=1") == "https://studio:8080"


def test_what_was_joined_is_kept_and_a_token_goes_to_no_other_address(home: Home):
    with pytest.raises(InputError, match="not known for whom"):
        worker.asked(home, None, None, None, None)
    first = worker.asked(home, URL, "one", "studio", None)
    assert first == Joined(URL, "one", "studio", 4)
    worker.keep(home, first)
    assert worker.asked(home, None, None, None, None) == first
    assert worker.asked(home, URL, None, None, 2) == Joined(URL, "one", "studio", 2)
    assert worker.asked(home, URL, "two", None, None) == Joined(URL, "two", "studio", 4)
    with pytest.raises(InputError, match="not known for whom"):
        worker.asked(home, "http://elsewhere:8080", None, None, None)


def test_a_home_with_a_platform_is_no_worker_s(home: Home):
    worker.check_home(home)
    home.airflow.mkdir()
    (home.airflow / "airflow.db").touch()
    with pytest.raises(ConflictError, match="of a platform of its own"):
        worker.check_home(home)


def test_who_works_for_nobody_says_so(home: Home):
    for ask in (worker.status, worker.drain):
        with pytest.raises(NotFoundError, match="is no worker"):
            ask(home)
    with pytest.raises(NotFoundError, match="is no worker"):
        worker.leave(home, home.root)
    worker.keep(home, Joined(URL, Invitation(KEY, "").text(), "studio"))
    found = worker.status(home)
    assert (found.phase, found.host, found.pid) == ("away", "studio", None)
    with pytest.raises(NotFoundError, match="No worker runs"):
        worker.drain(home)


def test_workers_have_a_key_of_their_own_and_no_database(home: Home):
    from services.platform import airflow_workers, secrets

    secrets.ensure(home)
    settings = Settings(airflow_workers=True)
    airflow.prepare(home, settings, 8080)
    own = (home.airflow / "airflow.cfg").read_text()
    theirs = (worker_setup.root(home) / "airflow.cfg").read_text()
    key = secrets.airflow_worker_key(home)
    assert key in theirs
    assert key not in own
    assert secrets.read_secret(home, "airflow-jwt.key") not in theirs
    assert "[database]" not in theirs
    jwks = home.secrets / "airflow-workers.jwks"
    assert f"trusted_jwks_url = {jwks}" in own
    assert json.loads(jwks.read_bytes())["keys"][0]["kid"] == worker_setup.KEY_ID
    assert jwks.stat().st_mode & 0o077 == 0
    spec = airflow_workers.spec(home, settings, 8080)
    assert not [value for value in [*spec.argv, *spec.env.values()] if key in value]


def test_without_the_setting_all_is_as_it_was(home: Home):
    from services.platform import secrets

    secrets.ensure(home)
    airflow.prepare(home, Settings(), 8080)
    text = (home.airflow / "airflow.cfg").read_text()
    assert "executor = LocalExecutor\n" in text
    assert "[edge]" not in text
    assert WORKER not in wanted(Settings())
    assert WORKER in wanted(Settings(airflow_workers=True))
    for off in ({"airflow_enabled": False}, {"airflow_url": "http://a", "airflow_username": "u",
                                             "airflow_password": "p"}):  # fmt: skip
        assert WORKER not in wanted(Settings(airflow_workers=True, **off))
