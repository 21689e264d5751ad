"""Asks an ASGI application in process, as a browser would."""

import asyncio
from typing import Any

import httpx


def ask(app: Any, method: str, path: str, **rest: Any) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1:8501"
        ) as client:
            return await client.request(method, path, **rest)

    return asyncio.run(asked())
