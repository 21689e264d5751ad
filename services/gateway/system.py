"""Routes about the gateway itself."""

import ipaddress
from functools import lru_cache

import orjson

from services.gateway import metrics as exposition
from services.gateway.gateway import Gateway
from services.gateway.http import Reply, Request
from services.gateway.problems import Problem

_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via")


async def health(gateway: Gateway, _request: Request) -> Reply:
    """Say how the gateway is: 200 while it runs; what is amiss stands in it."""
    problems = []
    if not gateway.keys.fresh:
        problems.append("API keys cannot be read; after a minute nothing is answered.")
    if not gateway.follower.routes.serial:
        problems.append("The serving engine has written no routes yet.")
    said = {
        "status": "degraded" if problems else "ok",
        "problems": problems,
        "endpoints": len(gateway.follower.routes.endpoints),
    }
    return Reply(orjson.dumps(said))


async def metrics(gateway: Gateway, request: Request) -> Reply:
    """Tell all counts to who asks from this machine, those of its models to who brings a key."""
    if request.header(b"authorization") or request.header(b"x-api-key"):
        key = await gateway.key(request)
        return Reply(exposition.text(gateway.counts, key.opens), media=exposition.MEDIA)
    client = request.scope.get("client")
    forwarded = any(name in request.headers for name in _FORWARDED)
    if client is None or forwarded or not ipaddress.ip_address(client[0]).is_loopback:
        raise Problem("no-key", "From another machine the metrics want an API key.",
                      field="Authorization")  # fmt: skip
    return Reply(exposition.text(gateway.counts), media=exposition.MEDIA)


async def openapi(_gateway: Gateway, _request: Request) -> Reply:
    """Tell of all routes."""
    return Reply(_document())


@lru_cache(maxsize=1)
def _document() -> bytes:
    from services.gateway.openapi import document

    return orjson.dumps(document())
