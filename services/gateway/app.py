"""The ASGI application: from a request to its reply, its log line and its count.

No framework stands in between: routes are a dozen fixed paths, and a request costs a few tens of
microseconds less than through Starlette's or FastAPI's layers (docs/serving-api.md).
"""

import asyncio
import contextlib
import logging
from typing import Any

import orjson

from services.gateway import routing
from services.gateway.gateway import Gateway
from services.gateway.http import (
    GONE,
    JSON,
    PROBLEM,
    Events,
    GoneError,
    Headers,
    Receive,
    Reply,
    Request,
    Scope,
    Send,
    send_events,
    send_reply,
)
from services.gateway.logs import AccessLog
from services.gateway.problems import Problem
from services.gateway.routing import Spec

logger = logging.getLogger(__name__)


class App:
    """Answers requests."""

    def __init__(self, gateway: Gateway, hosts: frozenset[str], log: AccessLog) -> None:
        self._gateway = gateway
        self._hosts = hosts
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        spec: Spec | None = None
        try:
            self._see_host(request)
            spec, said = routing.found(request.method, request.parts)
            if spec.key:
                key = await self._gateway.key(request)
                with self._gateway.limits.admitted(key):
                    reply = await spec.handler(self._gateway, request, key, **said)
                    await self._send(send, request, reply)
            else:
                await self._send(send, request, await spec.handler(self._gateway, request, **said))
        except Problem as problem:
            problem.__traceback__ = None  # its frames hold the body
            self._gateway.release(request)
            await self._say(send, request, spec, problem)
        except GoneError:
            request.seen.status = GONE
        except asyncio.CancelledError:
            request.seen.status = GONE
            raise
        except Exception:  # a bug of ours: told in the log, and to the asker without its insides
            logger.exception("request %s", request.id)
            bug = Problem("bug", "The gateway failed; its log has the reason.")
            await self._say(send, request, spec, bug)
        finally:
            self._gateway.release(request)
            self._note(request, spec)

    def _see_host(self, request: Request) -> None:
        """Refuse names that are not ours: a web page could have pointed its own at this machine."""
        host = request.header(b"host").lower()
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name not in self._hosts:
            raise Problem("host", f"This gateway does not answer for {host[:100]!r}.", field="Host")

    async def _send(self, send: Send, request: Request, reply: Reply | Events) -> None:
        seen = request.seen
        reply.headers.extend(_who(request))
        if isinstance(reply, Events):
            seen.status = 200
            await send_events(send, request, reply)
            return
        seen.status, seen.ms = reply.status, request.ms()
        await send_reply(send, request, reply)

    async def _say(self, send: Send, request: Request, spec: Spec | None, problem: Problem) -> None:
        request.seen.status = problem.status
        if spec is not None and spec.openai:
            body, media = problem.openai(request.id), JSON
        else:
            body, media = problem.document(request.id), PROBLEM
        headers = [*problem.headers(), *_who(request)]
        reply = Reply(orjson.dumps(body), problem.status, media, headers)
        with contextlib.suppress(RuntimeError):  # the answer had begun
            await send_reply(send, request, reply)

    def _note(self, request: Request, spec: Spec | None) -> None:
        seen = request.seen
        seen.ms = seen.ms or request.ms()
        counts = self._gateway.counts
        if seen.version is not None and seen.asked:
            name = f"{seen.project}.{seen.model}"
            counts.of(name, seen.version, seen.project).done(seen.status, seen.ms, seen.rows)
        else:
            counts.missed(seen.status)
        self._log.request(request, spec.path if spec is not None else "")


def _who(request: Request) -> Headers:
    """Return which version answered, on what."""
    seen = request.seen
    if seen.version is None:
        return []
    return [
        (b"x-model-version", b"%d" % seen.version),
        (b"x-backend", seen.backend.encode()),
    ]


def allowed_hosts(listen: str, more: Any = ()) -> frozenset[str]:  # noqa: ANN401 - any iterable of names
    """Return the names under which the gateway answers."""
    own = {"127.0.0.1", "localhost", "[::1]"}
    if listen not in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        own.add(f"[{listen}]" if ":" in listen else listen)
    return frozenset(own | {str(name).lower() for name in more})
