"""What the gateway says when it does not answer: RFC 9457, or OpenAI's envelope on its routes."""

import math
from typing import Any

_TITLES = {
    "bad-input": "The request cannot be used",
    "no-key": "No valid API key",
    "not-found": "Not found",
    "method": "Method not allowed",
    "slow": "The request came too slowly",
    "too-large": "The request is too large",
    "media": "The media type is not supported",
    "host": "This gateway is not that host",
    "rate": "Too many requests",
    "busy": "Busy",
    "away": "Not available now",
    "model": "The model failed",
    "deadline": "The deadline passed",
    "bug": "The gateway failed",
}
_STATUS = {
    "bad-input": 400, "no-key": 401, "not-found": 404, "method": 405, "slow": 408, "too-large": 413,
    "media": 415, "host": 421, "rate": 429, "busy": 429, "away": 503, "model": 500, "deadline": 504,
    "bug": 500,
}  # fmt: skip
_OPENAI = {401: "authentication_error", 404: "invalid_request_error", 429: "rate_limit_error"}


class Problem(Exception):  # noqa: N818 - RFC 9457's own word
    """An answer that is not what was asked for."""

    def __init__(
        self, kind: str, detail: str, *, field: str | None = None, status: int | None = None,
        retry_after_s: float | None = None, headers: tuple[tuple[bytes, bytes], ...] = (),
        close: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.field = field
        self.status = status or _STATUS[kind]
        self.retry_after_s = retry_after_s
        self.close = close
        """Whether the connection ends: more of the request may be on its way."""
        self._headers = headers

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that it brings."""
        found = list(self._headers)
        if self.retry_after_s is not None:
            found.append((b"retry-after", str(max(1, math.ceil(self.retry_after_s))).encode()))
        if self.status == 401:
            found.append((b"www-authenticate", b'Bearer realm="mlops"'))
        if self.close:
            found.append((b"connection", b"close"))
        return found

    def document(self, request_id: str) -> dict[str, Any]:
        """Return it as a problem document; ``error`` is what Triton's client shows."""
        said = {
            "type": f"urn:mlops:problem:{self.kind}",
            "title": _TITLES[self.kind],
            "status": self.status,
            "detail": self.detail,
            "error": self.detail,
            "request_id": request_id,
        }
        return said if self.field is None else {**said, "field": self.field}

    def openai(self, request_id: str) -> dict[str, Any]:
        """Return it in OpenAI's envelope."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {
            "error": {
                "message": self.detail,
                "type": _OPENAI.get(self.status, kind),
                "param": self.field,
                "code": self.kind,
            },
            "request_id": request_id,
        }


def bad(detail: str, field: str | None = None) -> Problem:
    """Return what a request that cannot be used is answered with."""
    return Problem("bad-input", detail, field=field)
