"""A failed call on a full disk is told as that: an outage, after which every client tries again.

MLflow itself answers with an excerpt of SQL for its database, and for an artifact with "internal
error": a client that is told so again and again takes the call for faulty and gives it up.
"""

import shutil
from pathlib import Path
from typing import Any

from services.engines.mlflow.answering import refuse

ROOM_BYTES = 16 << 20
"""With less, the database may be unable to write a page and its rollback journal."""


class FullDisk:
    """An ASGI app whose answers of 500 and more are looked into."""

    def __init__(self, app: Any, *folders: Path) -> None:  # noqa: ANN401 - an ASGI app
        self._app = app
        self._folders = folders

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Serve one ASGI scope."""
        told, more = False, True

        async def noting_receive() -> dict[str, Any]:
            nonlocal more
            message: dict[str, Any] = await receive()
            more = bool(message.get("more_body"))
            return message

        async def telling_send(message: dict[str, Any]) -> None:
            nonlocal told
            if message["type"] == "http.response.start" and message["status"] >= 500:
                fault = self.fault(_length(scope))
                if fault:
                    told = True
                    while more:  # a client still sending would find the door shut, not the answer
                        await noting_receive()
                    await refuse(send, 503, "TEMPORARILY_UNAVAILABLE", fault)
            if not told:
                await send(message)

        await self._app(scope, noting_receive, telling_send)

    def fault(self, wanted_bytes: int = 0) -> str:
        """Return that there is no room for that much; empty when there is, or nobody knows."""
        free = [free for folder in self._folders if (free := _free_bytes(folder)) is not None]
        if not free or min(free) >= ROOM_BYTES + wanted_bytes:
            return ""
        words = f"{min(free) / 1e6:.1f} MB free"
        if min(free) < ROOM_BYTES:
            return f"The disk of the shared MLflow is full: {words}."
        return (
            f"The disk of the shared MLflow has {words}: no room for {wanted_bytes / 1e6:.1f} MB."
        )


def _length(scope: dict[str, Any]) -> int:
    value = dict(scope.get("headers", ())).get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0


def _free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:  # not made yet, or not ours to look at
        return None
