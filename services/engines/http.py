"""The HTTP edge all engines share: httpx's exceptions become ours, here and nowhere else."""

import json
from collections.abc import Iterator

import httpx

from services.errors import EngineProtocolError, EngineRefusedError, EngineUnreachableError

Json = dict[str, object]


def ask(
    client: httpx.Client,
    engine: str,
    method: str,
    path: str,
    *,
    params: dict[str, str | int | list[str]] | None = None,
    body: Json | None = None,
    headers: dict[str, str] | None = None,
) -> bytes:
    """Return the body of a successful answer.

    Raises:
        EngineUnreachableError: Nothing listens, or no answer in time.
        EngineRefusedError: The engine answered 4xx or 5xx.
    """
    try:
        response = client.request(method, path, params=params, json=body, headers=headers)
    except httpx.HTTPError as error:
        raise _unreachable(client, engine, error) from error
    if response.is_success:
        return response.content
    raise _refused(engine, method, path, response)


def stream(
    client: httpx.Client, engine: str, path: str, *, headers: dict[str, str] | None = None
) -> Iterator[bytes]:
    """Yield the body of an answer piece by piece, for what may be larger than memory.

    Raises:
        EngineUnreachableError: Nothing listens, no answer in time, or it broke off.
        EngineRefusedError: The engine answered 4xx or 5xx.
    """
    try:
        with client.stream("GET", path, headers=headers) as response:
            if not response.is_success:
                response.read()
                raise _refused(engine, "GET", path, response)
            yield from response.iter_bytes(1 << 20)
    except httpx.HTTPError as error:
        raise _unreachable(client, engine, error) from error


def _unreachable(
    client: httpx.Client, engine: str, error: httpx.HTTPError
) -> EngineUnreachableError:
    if isinstance(error, httpx.TimeoutException):
        return EngineUnreachableError(
            f"{engine} did not answer in time at {client.base_url}.",
            "It may be busy or stopped; see `mlops status` and its log.",
        )
    return EngineUnreachableError(
        f"{engine} cannot be reached at {client.base_url} ({error}).",
        "Start the platform with `mlops up`, or see `mlops doctor`.",
    )


def _refused(engine: str, method: str, path: str, response: httpx.Response) -> EngineRefusedError:
    code, sentence = _reason(response)
    return EngineRefusedError(
        f"{engine} refused {method} {path}: {sentence}", code=code, status=response.status_code
    )


def _reason(response: httpx.Response) -> tuple[str, str]:
    try:
        said = json.loads(response.content)
    except ValueError:
        return "", f"HTTP {response.status_code}."
    if not isinstance(said, dict):
        return "", f"HTTP {response.status_code}."
    if "detail" in said:
        detail = said["detail"]
        # Airflow's own, for what its database refused.
        code = detail.get("reason", "") if isinstance(detail, dict) else ""
        return str(code), _detail(detail)
    return str(said.get("error_code", "")), str(said.get("message", response.status_code))


def _detail(said: object) -> str:
    """Return FastAPI's reason as a sentence: text, or a list of which field is wrong and how."""
    if isinstance(said, dict):
        return str(said.get("reason") or said.get("message") or said)
    if not isinstance(said, list):
        return str(said).partition("\n\n")[0]
    faults = [one for one in said if isinstance(one, dict)]
    words = (
        f"{'.'.join(str(part) for part in one.get('loc', ()))}: {one.get('msg', '')}"
        for one in faults
    )
    return "; ".join(words) or str(said)


def unreadable(engine: str, what: str, error: Exception) -> EngineProtocolError:
    """Return the error for an answer that is not what the engine's documentation says."""
    return EngineProtocolError(
        f"{engine} answered {what} in a form we cannot read ({str(error).splitlines()[0]}).",
        "Its version may be newer than this platform knows; see `mlops doctor`.",
    )
