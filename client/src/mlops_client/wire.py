"""One call to the tracking server: a short time-out, no retry, and whether it was heard."""

import json
import mimetypes
import os
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from mlflow.exceptions import MlflowException
from mlflow.protos.model_registry_pb2 import ModelRegistryService
from mlflow.protos.service_pb2 import MlflowService
from mlflow.utils.proto_json_utils import parse_dict
from mlflow.utils.rest_utils import (
    MlflowHostCreds,
    extract_api_info_for_service,
    http_request,
    verify_rest_response,
)
from mlflow.utils.workspace_utils import WORKSPACE_HEADER_NAME

Body = dict[str, Any]
Proto = Any  # a message of MLflow's or its class: protobuf has no types for them here
UNAUTHENTICATED = 401
TOKEN_REFUSED = "it refuses the token"  # noqa: S105 - a sentence
# What a server that starts, stops or is overloaded says, and proxies before one that is gone.
_BUSY = frozenset({408, 429, 500, 502, 503, 504, 507})
_ROUTES = extract_api_info_for_service(MlflowService, "/api/2.0") | extract_api_info_for_service(
    ModelRegistryService, "/api/2.0"
)
_WRITE_TIMEOUT_S = 10
_UPLOAD_TIMEOUT_S = 60
_HEALTH_TIMEOUT_S = 2
_CHAIN = 8


class UnansweredError(MlflowException):
    """Nobody answered, or nobody who is MLflow; the call may be kept and sent later."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


def ask(
    credentials: MlflowHostCreds,
    message: Proto,
    body: Body,
    workspace: str | None = None,
) -> Proto:
    """Call one endpoint once and return its answer.

    Raises:
        UnansweredError: The server did not take it; whether it acted on it is not known.
        MlflowException: It refused.
    """
    endpoint, method = _ROUTES[message]
    sent = {"params": body} if method == "GET" else {"json": body}
    response = _request(
        credentials, endpoint, method, workspace=workspace, timeout=_write_timeout_s(), **sent
    )
    answer = message.Response()
    parse_dict(json.loads(response.text), answer)
    return answer


def put_file(
    credentials: MlflowHostCreds,
    artifact_uri: str,
    file: Path,
    artifact_path: str | None,
    workspace: str | None = None,
) -> None:
    """Upload one file to a run's artifacts; again is harmless, it has the same place.

    Raises:
        UnansweredError: The server did not take it.
        MlflowException: It refused.
    """
    place = "/".join(
        part for part in (urlsplit(artifact_uri).path, artifact_path, file.name) if part
    )
    endpoint = "/api/2.0/mlflow-artifacts/artifacts/" + quote(place.strip("/"))
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    with file.open("rb") as stream:
        _request(
            credentials,
            endpoint,
            "PUT",
            workspace=workspace,
            timeout=_UPLOAD_TIMEOUT_S,
            data=stream,
            headers={"Content-Type": kind},
        )


def _request(
    credentials: MlflowHostCreds,
    endpoint: str,
    method: str,
    *,
    workspace: str | None,
    headers: dict[str, str] | None = None,
    **sent: Any,  # noqa: ANN401 - what requests takes
) -> requests.Response:
    extra = dict(headers or {})
    if workspace:
        extra[WORKSPACE_HEADER_NAME] = workspace
    try:
        response: requests.Response = http_request(
            credentials,
            endpoint,
            method,
            max_retries=0,
            raise_on_status=False,
            extra_headers=extra,
            **sent,
        )
    except MlflowException as error:
        if is_unanswered(error):
            raise UnansweredError(str(error)) from error
        raise
    status = response.status_code
    if status == UNAUTHENTICATED:  # another token may come, and what is logged now must not be lost
        raise UnansweredError(f"{TOKEN_REFUSED} (HTTP {status}: {response.text[:200]})", status)
    if status in _BUSY:
        raise UnansweredError(f"HTTP {status}: {_sentence(response.text)}", status)
    if not response.ok and not _is_object(response.text):
        raise UnansweredError(f"HTTP {status}, and the answer is not MLflow's", status)
    verify_rest_response(response, endpoint)
    return response


def _sentence(text: str) -> str:
    """Return what an answer says: its message when it is an error of MLflow's."""
    if _is_object(text):
        text = str(json.loads(text).get("message") or text)
    return text[:200]


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _write_timeout_s() -> int:
    return min(_WRITE_TIMEOUT_S, int(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", "120")))


def is_unanswered(error: BaseException) -> bool:
    """Return whether nobody answered, rather than that the answer was no.

    MLflow wraps what the network said in one or two exceptions of its own.
    """
    cause: BaseException | None = error
    for _ in range(_CHAIN):
        if isinstance(cause, (UnansweredError, requests.ConnectionError, requests.Timeout)):
            return True
        if isinstance(cause, requests.exceptions.ChunkedEncodingError):
            return True
        if getattr(cause, "error_code", "") == "TEMPORARILY_UNAVAILABLE":
            return True
        if cause is None:
            return False
        cause = cause.__cause__ or cause.__context__
    return False


def is_alive(host: str) -> bool:
    """Return whether the server's health route answers."""
    try:
        with urllib.request.urlopen(  # noqa: S310 - the store is one for http and https alone
            f"{host.rstrip('/')}/health", timeout=_HEALTH_TIMEOUT_S
        ) as answer:
            return bool(answer.status == requests.codes.ok)
    except (OSError, ValueError):
        return False
