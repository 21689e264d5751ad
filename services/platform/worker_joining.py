"""How a machine becomes a worker: the invitation, what is typed there, and whether it is let in."""

import base64
import binascii
import hashlib
import hmac
import json
import shlex
import socket
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from services.engines.registry import read_ports
from services.errors import DeniedError, EngineUnreachableError, InputError, PlatformError
from services.home import Home
from services.platform.airflow import pinned_version
from services.platform.ports import LOOPBACK
from services.platform.secrets import airflow_worker_key, project_token
from services.platform.worker_setup import KEY_ID

if TYPE_CHECKING:
    import httpx

    from services.settings import Settings

VARIABLE = "MLOPS_WORKER_TOKEN"
_TIMEOUT_S = 10.0
_TOKEN_S = 30
_FORBIDDEN = 403
_UNKNOWN = 404
_SETTING = (
    "There: `airflow_workers = true` in settings.toml of its home folder, `mlops down`, `mlops up`."
)
_AGAIN = "`mlops worker --invite` on the platform's machine prints the whole command."


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a machine is given to work for a platform; it is a secret."""

    key: str
    mlflow_url: str
    tokens: Mapping[str, str] = field(default_factory=dict)
    """MLflow's, by project."""

    def text(self) -> str:
        """Return it as one word."""
        said = {"k": self.key, "m": self.mlflow_url, "p": dict(self.tokens)}
        return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> "Invitation":
        """Return what a word says.

        Raises:
            InputError: It is none of ours, or a part of one.
        """
        try:
            said = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            tokens = {str(name): str(token) for name, token in said["p"].items()}
            return cls(str(said["k"]), str(said["m"]), tokens)
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
            raise InputError("The token is not whole; it is one long word.", _AGAIN) from error


@dataclass(frozen=True, slots=True)
class Way:
    """How another machine becomes a worker of this platform."""

    invitation: Invitation
    airflow_port: int
    mlflow_port: int | None
    """None: MLflow runs elsewhere, with an address of its own."""
    host: str
    loopback: bool

    @property
    def url(self) -> str:
        """What the worker joins."""
        return f"http://{LOOPBACK if self.loopback else self.host}:{self.airflow_port}"

    @property
    def tunnel(self) -> str:
        """Return the command that brings the other machine to our ports; empty: none is needed."""
        ports = [self.airflow_port] if self.loopback else []
        ports += [self.mlflow_port] if self.mlflow_port else []
        doors = " ".join(f"-L {port}:{LOOPBACK}:{port}" for port in ports)
        return f"ssh -N {doors} {self.host}" if ports else ""

    def commands(self) -> tuple[str, ...]:
        """Return what is typed on the other machine, in the toolkit's folder."""
        token = f"export {VARIABLE}={shlex.quote(self.invitation.text())}"
        return token, f"./mlops worker --join {self.url}"

    def advice(self) -> tuple[str, ...]:
        """Return what else it takes, a sentence each."""
        said = []
        if self.tunnel:
            said.append(
                "The engines listen on this machine alone. Let the other one come by a tunnel, run "
                f"there and left running: `{self.tunnel}`."
            )
        if not self.loopback:
            said.append(
                "Airflow listens to the network without TLS: who is on it can read tokens, logs "
                "and what tasks hand on. Use it inside a VPN, or set `airflow_listen` back."
            )
        said.append(
            "The token lets a machine take tasks and log runs of the projects there are now; it is "
            "no password of Airflow. A project that comes later needs a new invitation."
        )
        return tuple(said)


def way(home: Home, settings: "Settings", projects: tuple[str, ...]) -> Way:
    """Return how another machine joins, with a token for each project.

    Raises:
        PlatformError: Workers are off, or the platform's own Airflow is not used.
    """
    if settings.airflow_url or not (settings.airflow_enabled and settings.airflow_workers):
        raise PlatformError("This platform takes no workers of other machines.", _SETTING)
    ports = read_ports(home.root)
    mlflow = None if settings.mlflow_url else ports.get("mlflow", settings.mlflow_port)
    tokens = {} if settings.mlflow_url else {name: project_token(home, name) for name in projects}
    url = settings.mlflow_url.rstrip("/") or f"http://{LOOPBACK}:{mlflow}"
    return Way(
        Invitation(airflow_worker_key(home), url, tokens),
        ports.get("airflow", settings.airflow_port),
        mlflow,
        socket.gethostname(),
        settings.airflow_listen == LOOPBACK,
    )


def address(url: str) -> str:
    """Return where to join, without a path.

    Raises:
        InputError: It is no address.
    """
    found = urlsplit(url)
    if found.scheme not in {"http", "https"} or not found.hostname:
        raise InputError(f"{url[:80]!r} is no address.", "It looks like http://127.0.0.1:8080.")
    return f"{found.scheme}://{found.netloc}"


def check(url: str, key: str, client: "httpx.Client | None" = None) -> None:
    """Let a worker pass that will be let in.

    Raises:
        EngineUnreachableError: Nothing listens there, or it is no Airflow.
        PlatformError: It is another version of Airflow, or takes no workers.
        DeniedError: The key is refused.
    """
    import httpx

    with client or httpx.Client(timeout=_TIMEOUT_S, trust_env=False) as asking:
        try:
            _check_version(asking.get(f"{url}/api/v2/version"), url)
            path = f"jobs/fetch/{uuid.uuid4().hex}"
            headers = {"Authorization": _token(key, path)}
            # Of a worker nobody knows: an answer that it is unknown is one to somebody let in.
            body = {"queues": ["nobody"], "free_concurrency": 0}
            answer = asking.post(f"{url}/edge_worker/v1/{path}", json=body, headers=headers)
        except httpx.HTTPError as error:
            raise EngineUnreachableError(
                f"{url} cannot be reached ({error or type(error).__name__}).",
                "Does the platform run there, and the tunnel here? `mlops worker --invite` there "
                "says which tunnel it takes.",
            ) from error
    if answer.status_code == _FORBIDDEN:
        raise DeniedError(
            f"{url} refuses the token.",
            f"{_AGAIN} Also compare the clocks: a token counts for half a minute.",
        )
    if answer.status_code != _UNKNOWN or b"Worker not found" not in answer.content:
        raise PlatformError(f"{url} takes no workers of other machines.", _SETTING)


def _check_version(answer: "httpx.Response", url: str) -> None:
    try:
        there = str(answer.json()["version"])
    except (ValueError, KeyError, TypeError) as error:
        raise EngineUnreachableError(
            f"{url} answers, and is no Airflow.", "The port is that of Airflow in `mlops status`."
        ) from error
    here = pinned_version()
    if there != here:
        raise PlatformError(
            f"Airflow there is {there}, and this toolkit brings {here}: a worker must be the same.",
            "Check out the same version of the toolkit on both machines.",
        )


def _token(key: str, path: str) -> str:
    """Return a token for one request, as Airflow's own worker makes it (RFC 7519, HS512)."""
    now = int(time.time())
    head = {"alg": "HS512", "typ": "JWT", "kid": KEY_ID}
    claims = {"method": path, "aud": "api", "iat": now, "nbf": now, "exp": now + _TOKEN_S}
    signed = f"{_part(head)}.{_part(claims)}"
    mark = hmac.new(key.encode(), signed.encode(), hashlib.sha512).digest()
    return f"{signed}.{_encoded(mark)}"


def _part(said: Mapping[str, object]) -> str:
    return _encoded(json.dumps(said, separators=(",", ":")).encode())


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
