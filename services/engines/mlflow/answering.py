"""Answers of our own in MLflow's form."""

import json
from typing import Any


async def refuse(send: Any, status: int, code: str, message: str) -> None:  # noqa: ANN401 - ASGI
    """Answer with an error as MLflow words it."""
    body = json.dumps({"error_code": code, "message": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="MLflow of the toolkit"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
