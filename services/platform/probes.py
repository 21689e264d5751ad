"""How an engine says that it is ready. Standard library only; nothing here can hang."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

_READ_LIMIT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine said when it was asked how it is."""

    ready: bool
    detail: str = ""
    """Why it is not ready, or what it wants to be known."""
    unknown: bool = False
    """Who would tell how it is does not answer: it is not held against the engine."""


class Probe(Protocol):
    """Asks one engine; ``started_at`` is when its process was made.

    In seconds since 1970 by the clock as it is now, for it is held against reports of today.
    """

    def __call__(self, started_at: float, /) -> Answer:
        """Return the engine's answer; never raise for an engine that is not well."""


def any_body(body: bytes) -> str:
    """Accept whatever an engine says with status 200; the reason for a refusal is empty."""
    del body
    return ""


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """Ready when the address answers below 400 and ``fault`` finds nothing in the body.

    ``fault`` returns what is wrong, empty when nothing is: some engines answer 200 when unwell.
    """

    url: str
    fault: Callable[[bytes], str] = any_body
    timeout_s: float = 3.0

    def __call__(self, started_at: float, /) -> Answer:
        """Ask once."""
        from http.client import HTTPException  # 30 ms that `mlops status` need not pay

        del started_at
        try:
            status, body = self._get()
        except (OSError, HTTPException) as error:
            return Answer(ready=False, detail=f"{self.url} does not answer: {_words(error)}.")
        if status >= 400:
            return Answer(ready=False, detail=f"{self.url} answers with HTTP status {status}.")
        fault = self.fault(body)
        return Answer(ready=not fault, detail=fault)

    def _get(self) -> tuple[int, bytes]:
        from contextlib import closing
        from http.client import HTTPConnection, HTTPSConnection
        from urllib.parse import urlsplit

        # Not urllib.request: it would send a question for 127.0.0.1 to a proxy of the environment.
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        kind = HTTPSConnection if secure else HTTPConnection
        with closing(kind(parts.hostname or "", parts.port, timeout=self.timeout_s)) as connection:
            connection.request("GET", parts.path or "/", headers={"Connection": "close"})
            response = connection.getresponse()
            return response.status, response.read(_READ_LIMIT_BYTES)


@dataclass(frozen=True, slots=True)
class HeartbeatProbe:
    """Ready while a process without a port refreshes ``{"pid", "at", "detail"}`` in a file."""

    path: Path
    max_age_s: float = 15.0

    def __call__(self, started_at: float, /) -> Answer:
        """Look once."""
        try:
            document = json.loads(self.path.read_bytes())
            at = _moment(document["at"])
            detail = str(document.get("detail") or "")
        except FileNotFoundError:
            return Answer(ready=False, detail="It has not reported yet.")
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return Answer(ready=False, detail=f"Its report {self.path} cannot be read.")
        if at < started_at - 1.0:
            return Answer(ready=False, detail="It has not reported since it was started.")
        age_s = time.time() - at
        if age_s < -self.max_age_s:  # written before the clock was set back; the next is right
            return Answer(ready=False, detail=f"Its last report is {-age_s:.0f} s ahead of now.")
        if age_s > self.max_age_s:
            return Answer(ready=False, detail=f"Its last report is {age_s:.0f} s old.")
        return Answer(ready=True, detail=detail)


def _moment(value: object) -> float:
    if isinstance(value, str):
        return datetime.fromisoformat(value).timestamp()
    return float(value)  # type: ignore[arg-type]  # anything else raises TypeError, which is caught


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there yet"
    return str(error) or type(error).__name__
