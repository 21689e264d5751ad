"""Who we are to Airflow: a token for user and password, fetched when needed and again in time."""

import base64
import binascii
import json
import threading
import time
from collections.abc import Callable, Generator

import httpx
from pydantic import ValidationError

from services.engines.airflow.wire import TokenWire
from services.errors import EngineRefusedError

_EARLY_S = 60.0
_UNKNOWN_LIFE_S = 600.0
_OPEN = frozenset({"/api/v2/monitor/health", "/api/v2/version"})
"""How Airflow is, it tells everybody: also when nobody can be let in."""


class Access(httpx.Auth):
    """Puts a token on each request; one that is refused or nearly over is replaced by a new one.

    Safe for threads. ``credentials`` is asked when a token is fetched, so that a password that was
    changed on the disk counts at once.
    """

    requires_response_body = True

    def __init__(
        self, credentials: Callable[[], tuple[str, str]], path: str = "/auth/token"
    ) -> None:
        self._credentials = credentials
        self._path = path
        self._guard = threading.Lock()
        self._token = ""
        self._until = 0.0

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request with a token; when that is refused, once more with a new one."""
        if request.url.path in _OPEN:
            yield request
            return
        used = self._token if time.time() < self._until - _EARLY_S else ""
        if not used:
            used = yield from self._renew(request, "")
        request.headers["Authorization"] = f"Bearer {used}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            response.read()
            used = yield from self._renew(request, used)
            request.headers["Authorization"] = f"Bearer {used}"
            yield request

    def _renew(
        self, request: httpx.Request, refused: str
    ) -> Generator[httpx.Request, httpx.Response, str]:
        """Return a token other than the one that was refused."""
        with self._guard:
            if self._token not in {refused, ""} and time.time() < self._until - _EARLY_S:
                return self._token  # another thread fetched it meanwhile
        user, password = self._credentials()
        body = {"username": user, "password": password}
        answer = yield httpx.Request(
            "POST", request.url.copy_with(raw_path=self._path.encode()), json=body,
            extensions=request.extensions,
        )  # fmt: skip
        answer.read()
        token = _token(answer, user)
        with self._guard:
            self._token, self._until = token, _expires(token)
        return token


def _token(answer: httpx.Response, user: str) -> str:
    if answer.is_success:
        try:
            return TokenWire.model_validate_json(answer.content).access_token
        except ValidationError as error:
            raise EngineRefusedError(
                "Airflow answered the login in a form we cannot read.",
                "Is it Airflow 3.3 or newer, with an auth manager that gives tokens?",
                status=answer.status_code,
            ) from error
    raise EngineRefusedError(
        f"Airflow does not let {user} in (HTTP {answer.status_code}).",
        "Our own Airflow reads secrets/airflow-passwords.json in the home folder; for another one "
        "see the settings airflow_username and airflow_password.",
        code="login", status=answer.status_code,
    )  # fmt: skip


def _expires(token: str) -> float:
    """Return when a token ends, seconds since 1970, as it says of itself."""
    try:
        payload = token.split(".")[1]
        said = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(said["exp"])
    except (IndexError, KeyError, ValueError, TypeError, binascii.Error):
        return time.time() + _UNKNOWN_LIFE_S
