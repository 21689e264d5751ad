"""The ASGI app our MLflow server runs: MLflow behind token authentication, with a change feed.

MLflow cannot say what changed since a moment (no "updated at" on runs), and asking "which runs are
new" in nine workspaces every second would cost more than the answers. The server sees every write,
so it notes which run or model each one touched; the mirror reads those notes instead of searching.

Loaded by ``mlflow server --app-name mlops`` through MLflow's own ``mlflow.app`` entry point.
"""

import base64
import hashlib
import json
import os
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from services.engines.mlflow.answering import refuse
from services.engines.mlflow.disk import FullDisk
from services.engines.mlflow.feed import FeedWriter

Scope = dict[str, Any]
WORKSPACE_HEADER = b"x-mlflow-workspace"
_OPEN_PATHS = frozenset({"/health", "/version"})
_API = re.compile(r"^/(?:api|ajax-api)/\d+\.\d+/")
_READS = re.compile(r"/(?:search|get-history-bulk\w*)/?$|graphql")
_RUN_ID = re.compile(rb'"run_(?:id|uuid)"\s*:\s*"([0-9a-f]{32})"')
_WORKSPACE_IN_PATH = re.compile(r"mlflow-artifacts/artifacts/workspaces/([^/]+)/")
_RUN_IN_PATH = re.compile(r"/([0-9a-f]{32})(?:/|$)")
_KEEP_RESPONSE = re.compile(r"/(?:runs/create|logged-models)/?$")
_NOTE_LIMIT_BYTES = 2 << 20


class Tokens:
    """Who a token belongs to, read again when the file changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] = (0, 0)
        self._known: dict[str, dict[str, str | None]] = {}

    def holder(self, token: str) -> dict[str, str | None] | None:
        """Return ``{"name", "workspace"}`` of the token's holder, None for an unknown token."""
        status = self._path.stat()
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._stamp:
            self._known = json.loads(self._path.read_bytes())
            self._stamp = stamp
        # The tokens are random and long: looking up their hash leaks nothing that helps guessing.
        return self._known.get(hashlib.sha256(token.encode()).hexdigest())


def bearer_token(headers: dict[bytes, bytes]) -> str | None:
    """Return the token of a Bearer header, or the password of a Basic one."""
    kind, _, value = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[2]
        except ValueError:
            return None
    return None


def touched_runs(path: str, body: bytes, answer: bytes) -> list[str]:
    """Return the ids of the runs a write concerns, in order, each once."""
    found = [run.decode() for run in _RUN_ID.findall(body) + _RUN_ID.findall(answer)]
    if "mlflow-artifacts/" in path and (match := _RUN_IN_PATH.search(path)):
        found.append(match.group(1))
    return list(dict.fromkeys(found))


def kind_of(path: str) -> str:
    """Return what kind of thing a write path concerns: run, registry, workspace or other."""
    if "mlflow-artifacts/" in path:
        return "run"
    if "registered-models" in path or "model-versions" in path:
        return "registry"
    if "/mlflow/workspaces" in path or "/experiments/" in path:
        return "workspace"
    return "run" if "/runs/" in path else "other"


def foreign(path: str, query: bytes, method: str, asked: str, workspace: str) -> bool:
    """Return whether a request leaves the one workspace its token is for."""
    if asked not in {"", workspace}:
        return True
    if "mlflow-artifacts/" in path:
        if path.rstrip("/").endswith("mlflow-artifacts/artifacts"):  # a list names its folder so
            named = parse_qs(query.decode("latin-1")).get("path", [])
            path = f"mlflow-artifacts/artifacts/{named[0]}/" if len(named) == 1 else ""
        found = _WORKSPACE_IN_PATH.search(path)
        return found is None or found.group(1) != workspace or ".." in path.split("/")
    return "/mlflow/workspaces" in path and method not in {"GET", "HEAD"}


class Gate:
    """Authenticate each request, hold project tokens to their workspace, note each write."""

    def __init__(self, app: Any, tokens: Tokens, feed: FeedWriter) -> None:  # noqa: ANN401 - an ASGI app
        self._app = app
        self._tokens = tokens
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Serve one ASGI scope."""
        if scope["type"] != "http" or scope["path"] in _OPEN_PATHS:
            self._feed.settle()
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        token = bearer_token(headers)
        holder = self._tokens.holder(token) if token else None
        if holder is None:
            await refuse(send, 401, "UNAUTHENTICATED", "This MLflow wants a token. " + _WHERE)
            return
        workspace = holder["workspace"]
        if workspace is not None:
            asked = headers.get(WORKSPACE_HEADER, workspace.encode()).decode("latin-1").strip()
            query = scope.get("query_string", b"")
            if foreign(scope["path"], query, scope["method"], asked, workspace):
                sentence = f"The token of {holder['name']} reaches the workspace {workspace} alone."
                await refuse(send, 403, "PERMISSION_DENIED", sentence)
                return
            headers[WORKSPACE_HEADER] = workspace.encode()
            scope = {**scope, "headers": list(headers.items())}
        if (
            scope["method"] == "GET"
            or not _API.match(scope["path"])
            or _READS.search(scope["path"])
        ):
            await self._app(scope, receive, send)
            return
        asked_workspace = headers.get(WORKSPACE_HEADER, b"").decode("latin-1") or "default"
        await self._serve_write(scope, receive, send, asked_workspace)

    async def _serve_write(self, scope: Scope, receive: Any, send: Any, workspace: str) -> None:  # noqa: ANN401
        asked = bytearray()
        answered = bytearray()
        status = 0
        path = scope["path"]
        keep_answer = bool(_KEEP_RESPONSE.search(path))
        keep_body = "mlflow-artifacts/" not in path

        async def noting_receive() -> dict[str, Any]:
            message: dict[str, Any] = await receive()
            if keep_body and len(asked) < _NOTE_LIMIT_BYTES:
                asked.extend(message.get("body", b""))
            return message

        async def noting_send(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif keep_answer and len(answered) < _NOTE_LIMIT_BYTES:
                answered.extend(message.get("body", b""))
            last = message["type"] == "http.response.body" and not message.get("more_body")
            if last and status < 400:
                # Noted before the last byte leaves: a client that has its answer is in the feed.
                runs = touched_runs(path, bytes(asked), bytes(answered))
                self._feed.note(workspace, kind_of(path), runs)
            await send(message)

        await self._app(scope, noting_receive, noting_send)


_WHERE = (
    "In a project folder plain mlflow code finds it by itself; in a browser give any user name "
    "and, as the password, what secrets/mlflow-people.token in the platform's home holds."
)


def create_app() -> Gate:
    """Return the app for uvicorn's factory mode; the home folder comes from ``MLOPS_HOME``."""
    from mlflow.server.fastapi_app import app

    home = Path(os.environ["MLOPS_HOME"])
    feed = FeedWriter(home / "mlflow" / "changes")
    feed.boot(time.time())
    artifacts = Path(os.environ.get("MLFLOW_ARTIFACTS_DESTINATION", ""))
    watched = FullDisk(app, home / "mlflow", *([artifacts] if artifacts.is_absolute() else []))
    return Gate(watched, Tokens(home / "secrets" / "mlflow-tokens.json"), feed)
