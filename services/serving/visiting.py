"""Asks a deployed model through the gateway, as any application does: for the try-it form."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from services.errors import (
    EngineProtocolError,
    EngineRefusedError,
    EngineUnreachableError,
)
from services.serving.models import Field

TITLE = "Gateway"
_DEFAULT_WAIT_S = 35.0


@dataclass(frozen=True, slots=True)
class Output:
    """One column of an answer: its values flat, row by row."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: tuple[Any, ...]

    @property
    def rows(self) -> tuple[tuple[Any, ...], ...]:
        """Return the values of each row."""
        count = self.shape[0] if self.shape else 1
        each = len(self.data) // count if count else 0
        return tuple(self.data[n * each : (n + 1) * each] for n in range(count))


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and how."""

    outputs: tuple[Output, ...] = ()
    text: str = ""
    """What a text model wrote."""
    finish: str = ""
    """Why it stopped writing."""
    tokens: int | None = None
    """Written; None: not told."""
    version: int | None = None
    backend: str = ""
    request_id: str = ""
    latency_ms: float = 0.0
    """From here to here, the gateway's part and the model's in it."""
    first_ms: float | None = None
    """Until the first of a text was there."""

    def output(self, name: str) -> Output | None:
        """Return one column, None when the answer has none of that name."""
        return next((one for one in self.outputs if one.name == name), None)


class Gateway:
    """The gateway, as somebody with an API key."""

    def __init__(self, client: httpx.Client, key: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {key}"}

    def infer(
        self,
        name: str,
        columns: Mapping[str, Sequence[Any]],
        fields: Sequence[Field],
        version: int | None = None,
    ) -> Answer:
        """Ask by the Open Inference Protocol; a column holds one value, or one list, a row.

        Raises:
            EngineUnreachableError: Nothing listens, or no answer in time.
            EngineRefusedError: The gateway or the model said no, and why.
            EngineProtocolError: The answer is none.
        """
        path = f"/v2/models/{quote(name, safe='')}"
        path += f"/versions/{version}" if version is not None else ""
        began = time.perf_counter()
        reply = self._post(f"{path}/infer", body_of(columns, fields))
        took = (time.perf_counter() - began) * 1000
        said = _json(reply)
        try:
            outputs = tuple(_output(one) for one in said["outputs"])
        except (KeyError, TypeError, ValueError) as error:
            raise EngineProtocolError(
                "The gateway's answer is not of the Open Inference Protocol."
            ) from error
        return Answer(outputs, **_told(reply, said), latency_ms=took)

    def write(
        self, name: str, prompt: str, most: int, version: int | None = None
    ) -> Iterator[str | Answer]:
        """Let a text model write; yield the text piece by piece, and at the end what is told of it.

        Raises:
            EngineUnreachableError: Nothing listens, no answer in time, or it broke off.
            EngineRefusedError: The gateway or the model said no, and why.
        """
        body = {"model": name, "prompt": prompt, "max_tokens": most, "stream": True,
                "stream_options": {"include_usage": True}}  # fmt: skip
        headers = self._headers | ({} if version is None else {"X-Model-Version": str(version)})
        began = time.perf_counter()
        first: float | None = None
        text, finish, tokens = "", "", None
        try:
            with self._client.stream(
                "POST", "/v1/completions", json=body, headers=headers
            ) as reply:
                if not reply.is_success:
                    reply.read()
                    raise _refused(reply)
                for said in _events(reply):
                    piece, ended, written = _piece(said)
                    finish, tokens = ended or finish, tokens if written is None else written
                    if piece:
                        first = first or (time.perf_counter() - began) * 1000
                        text += piece
                        yield piece
                told = _told(reply, {})
        except httpx.HTTPError as error:
            raise _unreachable(error) from error
        took = (time.perf_counter() - began) * 1000
        yield Answer((), text, finish, tokens, **told, latency_ms=took, first_ms=first)

    def feedback(self, name: str, request_id: str, label: object) -> None:
        """Tell what was true of a request.

        Raises:
            EngineUnreachableError: Nothing listens, or no answer in time.
            EngineRefusedError: The gateway does not take it, and why.
        """
        self._post(f"/feedback/{quote(request_id, safe='')}", {"label": label, "model": name})

    def _post(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        try:
            reply = self._client.post(path, json=body, headers=self._headers)
        except httpx.HTTPError as error:
            raise _unreachable(error) from error
        if not reply.is_success:
            raise _refused(reply)
        return reply


def client(url: str, wait_s: float = _DEFAULT_WAIT_S) -> httpx.Client:
    """Return a connection to the gateway; the caller closes it."""
    return httpx.Client(base_url=url, timeout=httpx.Timeout(wait_s, connect=3.0), trust_env=False)


def body_of(columns: Mapping[str, Sequence[Any]], fields: Sequence[Field]) -> dict[str, Any]:
    """Return a request's body: only the columns that are given."""
    known = {one.name: one for one in fields}
    inputs = []
    for name, rows in columns.items():
        flat = [value for row in rows for value in _flat(row)]
        each = known[name].shape[1:]
        inputs.append(
            {
                "name": name,
                "shape": [len(rows), *each],
                "datatype": known[name].datatype,
                "data": flat,
            }
        )
    return {"inputs": inputs}


def _events(reply: httpx.Response) -> Iterator[dict[str, Any]]:
    """Yield the documents of server-sent events."""
    held: list[str] = []
    for line in reply.iter_lines():
        if line.startswith("data:"):
            held.append(line[5:].lstrip())
        elif not line and held:
            data, held = "\n".join(held), []
            if data == "[DONE]":
                return
            try:
                said = json.loads(data)
            except ValueError as error:
                raise EngineProtocolError("The gateway's stream cannot be read.") from error
            if isinstance(said, dict):
                yield said


def _piece(said: Mapping[str, Any]) -> tuple[str, str, int | None]:
    """Return the text of an event, why it ended, and how many tokens were written."""
    if error := said.get("error"):
        told = error.get("message", "") if isinstance(error, dict) else str(error)
        raise EngineRefusedError(f"It stopped while it wrote: {told}")
    choices = said.get("choices") or [{}]
    usage = said.get("usage") or {}
    first = choices[0]
    return (
        str(first.get("text") or ""),
        str(first.get("finish_reason") or ""),
        usage.get("completion_tokens"),
    )


def _flat(row: object) -> Iterator[object]:
    if isinstance(row, list | tuple):
        for one in row:
            yield from _flat(one)
    else:
        yield row


def _output(said: Mapping[str, Any]) -> Output:
    return Output(
        str(said["name"]),
        str(said["datatype"]),
        tuple(int(one) for one in said["shape"]),
        tuple(_flat(said["data"])),
    )


def _told(reply: httpx.Response, said: Mapping[str, Any]) -> dict[str, Any]:
    version = reply.headers.get("x-model-version") or str(said.get("model_version") or "")
    return {
        "version": int(version) if version.isdecimal() else None,
        "backend": reply.headers.get("x-backend", ""),
        "request_id": reply.headers.get("x-request-id") or str(said.get("id") or ""),
    }


def _json(reply: httpx.Response) -> dict[str, Any]:
    try:
        said = reply.json()
    except ValueError as error:
        raise EngineProtocolError("The gateway's answer is no JSON.") from error
    if not isinstance(said, dict):
        raise EngineProtocolError("The gateway's answer is no JSON object.")
    return said


def _refused(reply: httpx.Response) -> EngineRefusedError:
    """Return what the gateway said, from its problem document or OpenAI's envelope."""
    try:
        said = reply.json()
    except ValueError:
        said = {}
    inner = said.get("error") if isinstance(said, dict) else None
    told, name = "", None
    if isinstance(inner, dict):
        told, name = str(inner.get("message", "")), inner.get("param")
    elif isinstance(said, dict):
        told, name = str(said.get("detail") or inner or ""), said.get("field")
    where = f" (field “{name}”)" if name else ""
    return EngineRefusedError(
        f"{told or f'The gateway answered {reply.status_code}.'}{where}",
        _HINTS.get(reply.status_code, ""),
        status=reply.status_code,
    )


_HINTS = {
    429: "It has as much to do as it takes: ask again in a moment.",
    503: "The model is not loaded now: its deployment's page says why.",
    504: "Nobody waited longer than the deployment's deadline: ask again, or see its latency.",
}


def _unreachable(error: httpx.HTTPError) -> EngineUnreachableError:
    if isinstance(error, httpx.TimeoutException):
        return EngineUnreachableError(
            "The gateway did not answer in time.", "See the deployment's latency and its log."
        )
    return EngineUnreachableError(
        "The gateway does not answer.",
        "See `mlops status`; `mlops restart gateway` starts it again.",
    )
