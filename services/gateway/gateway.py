"""What all routes share: who asks, of what, and what is known of the models now."""

import math
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from services.gateway.answers import decoded
from services.gateway.apart import Readers
from services.gateway.asking import Asker, Question
from services.gateway.contract import Contract, Prepared
from services.gateway.counts import Counts
from services.gateway.following import Follower
from services.gateway.http import GoneError, Request
from services.gateway.keys import KeyRing
from services.gateway.limits import Limits
from services.gateway.problems import Problem, bad
from services.gateway.recording import Recorder
from services.gateway.shadows import Shadows
from services.home import Home
from services.serving.frames import Answer
from services.serving.models import BundleInfo
from services.serving.routes import Replica, Route, Routes, VersionRoute
from services.serving.store import ApiKey
from services.serving.wire import Pool

MAX_BODY = 16 << 20
"""Of any request."""
LEAST_MS, LONGEST_MS = 1.0, 600_000.0
_SESSION = 200
_VERSION = re.compile(r"[0-9]{1,9}")


@dataclass(slots=True)
class Answered:
    """A version's answer, decoded."""

    route: Route
    loaded: VersionRoute
    prepared: Prepared
    answer: Answer
    outputs: dict[str, Any]
    """Arrays, and lists of texts."""


@dataclass(slots=True)
class Gateway:
    """One gateway."""

    home: Home
    follower: Follower
    pool: Pool
    counts: Counts
    limits: Limits
    keys: KeyRing
    asker: Asker
    recorder: Recorder
    shadows: Shadows
    readers: Readers
    _contracts: dict[tuple[str, int], Contract] = field(default_factory=dict)

    async def key(self, request: Request) -> ApiKey:
        """Return the key that a request brought.

        Raises:
            Problem: It brought none that is good.
        """
        key = await self.keys.key(request.header(b"authorization"), request.header(b"x-api-key"))
        request.seen.key_id = key.id
        return key

    def route(self, request: Request, key: ApiKey, name: str, where: str | None = None) -> Route:
        """Return an endpoint's route.

        Raises:
            Problem: There is none, or not for this key. Both read alike: a key does not tell what
                other projects serve.
        """
        route = self.follower.route(name)
        if route is None or not key.opens(route.project, route.model):
            raise Problem(
                "not-found",
                f"There is no endpoint {name[:200]!r} that this key opens.",
                field=where,
            )
        request.seen.project, request.seen.model = route.project, route.model
        return route

    def routes(self, key: ApiKey) -> list[Route]:
        """Return the routes that a key opens."""
        found = self.follower.routes.endpoints.values()
        return [route for route in found if key.opens(route.project, route.model)]

    async def body(self, request: Request, limit: int = MAX_BODY) -> bytes:
        """Return a request's body; its bytes are counted from when they came until ``release``.

        Raises:
            Problem: It is too large, or too much is held already.
        """
        limit, key_id = min(limit, MAX_BODY), request.seen.key_id

        def hold(size: int) -> None:
            self.limits.hold(key_id, size)
            request.held += size

        said = min(limit, request.length(0))
        self.limits.hold(key_id, said)  # what has no room now is refused before it is sent
        self.limits.release(key_id, said)
        body = await request.body(limit, hold)
        packed = request.held
        if len(body) != packed:
            hold(len(body))
            self.limits.release(key_id, packed)
            request.held -= packed
        request.began = time.perf_counter()  # how slowly it was sent is nobody's latency here
        return body

    def release(self, request: Request) -> None:
        """Count the bytes of its body no longer."""
        self.limits.release(request.seen.key_id, request.held)
        request.held = 0

    def contract(self, info: BundleInfo) -> Contract:
        """Return what a version takes; made when its routes were read."""
        key = f"{info.project}.{info.model}", info.version
        known = self._contracts.get(key)
        if known is None or known.info is not info:  # to compare all of it takes longer
            known = self._contracts[key] = Contract(info)
        return known

    def replicas(self) -> list[Replica]:
        """Return all that the routes name."""
        return [
            replica
            for route in self.follower.routes.endpoints.values()
            for loaded in route.versions.values()
            for replica in loaded.replicas
        ]

    def changed(self, routes: Routes) -> None:
        """Take new routes: forget what they name no longer."""
        self.pool.keep(self.replicas())
        known = {
            (name, version)
            for name, route in routes.endpoints.items()
            for version in route.versions
        }
        self._contracts = {key: one for key, one in self._contracts.items() if key in known}

    def question(
        self, request: Request, route: Route, prepare: Callable[[Contract], Prepared],
        version: str = "", where: str = "version",
    ) -> Question:  # fmt: skip
        """Return a question to a route; ``version`` is what the path or the model's name says."""
        pinned, pinned_by = (_whole(version, where) if version else None), where
        if b"x-model-version" in request.headers:
            by_header = _whole(request.header(b"x-model-version"), "X-Model-Version")
            if pinned is not None and by_header != pinned:
                raise bad("The path and X-Model-Version name two versions.", "X-Model-Version")
            pinned, pinned_by = by_header, "X-Model-Version"

        def prepared(loaded: VersionRoute) -> Prepared:
            request.seen.version, request.seen.backend = loaded.version, loaded.backend
            request.seen.asked = True
            return prepare(self.contract(loaded.info))

        return Question(
            name=route.name, prepare=prepared, pinned=pinned, pinned_by=pinned_by,
            session=_session(request),
            deadline=time.monotonic() + _deadline_ms(request, route) / 1000,
        )  # fmt: skip

    async def ask(
        self, request: Request, key: ApiKey, route: Route, question: Question, api: str
    ) -> Answered:
        """Ask, and write down what was answered before anybody hears it.

        Raises:
            Problem: There is no answer.
        """
        async with self.failing(request, key, route, question, api):
            answer = await self.asker.ask(question)
            outputs = decoded(answer.outputs)
        loaded, prepared = question.loaded, question.prepared
        assert loaded is not None  # noqa: S101 - it answered
        assert prepared is not None  # noqa: S101
        request.seen.retried, request.seen.rows = question.retried, prepared.rows
        request.seen.version, request.seen.backend = loaded.version, loaded.backend
        await self.recorder.predicted(
            request.id, route, loaded, api=api, key_id=key.id, status=200,
            latency_ms=request.ms(), rows=prepared.rows, inputs=prepared.columns, outputs=outputs,
            model_ms=answer.model_ms, queue_ms=answer.queue_ms, share_ms=answer.share_ms,
        )  # fmt: skip
        return Answered(route, loaded, prepared, answer, outputs)

    @asynccontextmanager
    async def failing(
        self, request: Request, key: ApiKey, route: Route, question: Question, api: str
    ) -> AsyncIterator[None]:
        """Write a failure down as well, also when no version was there to be asked."""
        try:
            yield
        except Problem as problem:
            request.seen.retried = question.retried
            if problem.status >= 500:
                await self._failed(request, key, route, question, api, problem.status,
                                   problem.detail)  # fmt: skip
            raise
        except GoneError:
            raise
        except Exception:  # a bug of ours failed whoever asked; the application tells it
            await self._failed(request, key, route, question, api, 500, "The gateway failed.")
            raise

    async def _failed(
        self, request: Request, key: ApiKey, route: Route, question: Question, api: str,
        status: int, said: str,
    ) -> None:  # fmt: skip
        prepared = question.prepared
        await self.recorder.predicted(
            request.id, route, question.loaded, api=api, key_id=key.id, status=status,
            latency_ms=request.ms(), rows=prepared.rows if prepared else 1,
            inputs=prepared.columns if prepared else None, outputs=None, error=said[:500],
        )  # fmt: skip

    def shadow(self, request: Request, answered: Answered, key: ApiKey, api: str) -> None:
        """Ask the shadow beside, when there is one; called after the answer went out."""
        route = answered.route
        if route.shadow is None or route.shadow == answered.loaded.version:
            return
        beside = route.versions.get(route.shadow)
        if beside is not None:
            self.shadows.start(
                request.id,
                route,
                beside,
                answered.prepared,
                answered.outputs,
                api=api,
                key_id=key.id,
            )


def _session(request: Request) -> str:
    given = request.header(b"x-session-id")
    if len(given) > _SESSION:
        raise bad(f"It has more than {_SESSION} characters.", "X-Session-Id")
    return given


def _whole(text: str, where: str) -> int:
    if not _VERSION.fullmatch(text):
        raise bad("A version is a whole number.", where)
    return int(text)


def _deadline_ms(request: Request, route: Route) -> float:
    if b"x-deadline-ms" not in request.headers:
        return route.deadline_ms
    try:
        wished = float(request.header(b"x-deadline-ms"))
    except ValueError:
        wished = math.nan
    if not LEAST_MS <= wished <= LONGEST_MS:
        raise bad(
            f"It is a number of milliseconds from {LEAST_MS:g} to {LONGEST_MS:g}.", "X-Deadline-Ms"
        )
    return min(wished, route.deadline_ms)


def scalars(parameters: Any, where: str) -> Mapping[str, Any]:  # noqa: ANN401
    """Return parameters of a request.

    Raises:
        Problem: They are no object of plain values.
    """
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise bad("Parameters are an object.", where)
    for name, value in parameters.items():
        if not isinstance(value, str | int | float | bool):
            raise bad("A parameter is a text, a number, true or false.", f"{where}.{name}")
    return parameters
