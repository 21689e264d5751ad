"""OpenAI's routes for text and embedding models: ``project.model`` or ``project.model@version``."""

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from services.gateway import arrays
from services.gateway.asking import Question
from services.gateway.contract import Contract, Given, Prepared
from services.gateway.gateway import Gateway
from services.gateway.http import GONE, Events, Reply, Request, parsed
from services.gateway.openai_text import Chat, Completion, Form, Said
from services.gateway.problems import Problem, bad
from services.serving.frames import Piece
from services.serving.models import Field, InterfaceKind
from services.serving.routes import Route
from services.serving.store import ApiKey

MOST_TEXTS = 2048
_MARKS = 300_000
"""Of a body: it is read here, whose model it is for stands in it."""
_EMPTY: tuple[Any, ...] = (None, False, [], {}, "", 0)
_UNSUPPORTED = (
    "tools", "tool_choice", "functions", "function_call", "logprobs", "top_logprobs", "echo",
    "suffix", "logit_bias", "audio", "prediction", "web_search_options", "dimensions",
)  # fmt: skip
"""Members that would change the answer, and are not done here: refused rather than ignored."""


async def models(gateway: Gateway, _request: Request, key: ApiKey) -> Reply:
    """List the models that a key opens."""
    data = [_listed(route) for route in gateway.routes(key)]
    return Reply(orjson.dumps({"object": "list", "data": data}))


async def model(gateway: Gateway, request: Request, key: ApiKey, name: str) -> Reply:
    """Tell of one model."""
    route, _ = _route(gateway, request, key, name)
    return Reply(orjson.dumps(_listed(route)))


def _listed(route: Route) -> dict[str, Any]:
    return {"id": route.name, "object": "model", "created": 0, "owned_by": route.project}


def _route(gateway: Gateway, request: Request, key: ApiKey, name: Any) -> tuple[Route, str]:  # noqa: ANN401
    """Return a model's route and the version that its name says."""
    if not isinstance(name, str) or not name:
        raise bad("`model` is the name of a model: project.model.", "model")
    if gateway.follower.route(name) is not None:
        return gateway.route(request, key, name, "model"), ""
    plain, _, version = name.rpartition("@")
    return gateway.route(request, key, plain or name, "model"), version if plain else ""


def _see_kind(route: Route, *kinds: InterfaceKind) -> None:
    loaded = route.versions.get(route.primary) or next(iter(route.versions.values()), None)
    if loaded is not None and loaded.info.interface not in kinds:
        raise bad(
            f"{route.name} is a model of the kind {loaded.info.interface!r}; ask it through "
            f"/predict/{route.project}/{route.model}.", "model",
        )  # fmt: skip


def _see_supported(said: Mapping[str, Any]) -> None:
    for name in _UNSUPPORTED:
        if said.get(name) not in _EMPTY and said.get(name) != "none":
            raise bad(f"`{name}` is not supported by this gateway.", name)
    for name in ("n", "best_of"):
        if said.get(name) not in (None, 1):
            raise bad("One answer a request is what this gateway gives.", name)
    for name, neutral in (("top_p", 1), ("frequency_penalty", 0), ("presence_penalty", 0)):
        if said.get(name) not in (None, neutral):
            raise bad(f"`{name}` is not supported by this gateway.", name)
    form = said.get("response_format")
    if form is not None and form != {"type": "text"}:
        raise bad("Only text is supported.", "response_format")


# Embeddings


async def embeddings(gateway: Gateway, request: Request, key: ApiKey) -> Reply:
    """Return vectors of texts."""
    said = parsed(await gateway.body(request), _MARKS)
    route, version = _route(gateway, request, key, said.get("model"))
    _see_kind(route, "embeddings")
    _see_supported(said)
    texts = _texts(said.get("input"))
    form = said.get("encoding_format", "float")
    if form not in ("float", "base64"):
        raise bad('It is "float" or "base64".', "encoding_format")

    def prepare(contract: Contract) -> Prepared:
        return contract.prepare([Given(_text_field(contract).name, texts, "input")])

    question = gateway.question(request, route, prepare, version, "model")
    answered = await gateway.ask(request, key, route, question, "openai")
    vectors = _vectors(answered.outputs)
    data = [
        {"object": "embedding", "index": place, "embedding": _vector(one, form)}
        for place, one in enumerate(vectors)
    ]
    # No tokens are counted here: null says so.
    body = {"object": "list", "data": data, "model": route.name,
            "usage": {"prompt_tokens": None, "total_tokens": None}}  # fmt: skip
    return Reply(
        orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY),
        after=lambda: gateway.shadow(request, answered, key, "openai"),
    )


def _texts(said: Any) -> list[str]:  # noqa: ANN401
    texts = [said] if isinstance(said, str) else said
    if not isinstance(texts, list) or not texts or not all(isinstance(one, str) for one in texts):
        raise bad("It is a text or a list of texts; tokens are not taken.", "input")
    if len(texts) > MOST_TEXTS:
        raise bad(f"It has more than {MOST_TEXTS} texts.", "input")
    return texts


def _text_field(contract: Contract) -> Field:
    found = [one for one in contract.info.inputs if one.datatype == arrays.TEXT and not one.image]
    if not found:
        raise bad("This model takes no text.", "model")
    return found[0]


def _vectors(outputs: Mapping[str, Any]) -> "np.ndarray[Any, Any]":
    for values in outputs.values():
        if isinstance(values, np.ndarray) and values.ndim == 2 and values.dtype.kind == "f":
            return values.astype(np.float32)
    raise Problem("model", "The model answered no vectors.", status=502)


def _vector(one: "np.ndarray[Any, Any]", form: str) -> Any:  # noqa: ANN401
    return base64.b64encode(one.astype("<f4").tobytes()).decode() if form == "base64" else one


# Text


async def chat(gateway: Gateway, request: Request, key: ApiKey) -> Reply | Events:
    """Answer a conversation."""
    return await _text(gateway, request, key, Chat)


async def completions(gateway: Gateway, request: Request, key: ApiKey) -> Reply | Events:
    """Go on with a text."""
    return await _text(gateway, request, key, Completion)


@dataclass(slots=True)
class _Call:
    """One text that is being made."""

    gateway: Gateway
    request: Request
    key: ApiKey
    route: Route
    question: Question
    form: Form
    recorded: bool = False

    async def record(self, said: Said, status: int = 200) -> None:
        """Write it down before its last byte goes out."""
        loaded, prepared = self.question.loaded, self.question.prepared
        assert loaded is not None  # noqa: S101 - it answered
        assert prepared is not None  # noqa: S101
        seen = self.request.seen
        seen.version, seen.backend, seen.rows = loaded.version, loaded.backend, 1
        seen.retried = self.question.retried
        await self.gateway.recorder.predicted(
            self.request.id, self.route, loaded, api="openai", key_id=self.key.id, status=status,
            latency_ms=self.request.ms(), rows=1, inputs=prepared.columns,
            outputs={"text": [said.text]}, model_ms=said.model_ms, queue_ms=said.queue_ms,
            share_ms=said.model_ms,
        )  # fmt: skip
        self.recorded = True

    async def pieces(self) -> AsyncGenerator[Piece]:
        """Yield the text as it comes."""
        failing = self.gateway.failing(self.request, self.key, self.route, self.question, "openai")
        async with failing:
            pieces = self.gateway.asker.stream(self.question)
            try:
                async for piece in pieces:
                    yield piece
            finally:
                await pieces.aclose()


async def _text(
    gateway: Gateway, request: Request, key: ApiKey, make: Callable[..., Form]
) -> Reply | Events:
    said = parsed(await gateway.body(request), _MARKS)
    route, version = _route(gateway, request, key, said.get("model"))
    _see_kind(route, "text")
    _see_supported(said)
    form = make(request.id, route.name, int(time.time()), said)
    prompt, parameters = form.prompt(), form.parameters()

    def prepare(contract: Contract) -> Prepared:
        return contract.prepare(
            [Given(_text_field(contract).name, [prompt], form.field)], parameters
        )

    question = gateway.question(request, route, prepare, version, "model")
    call = _Call(gateway, request, key, route, question, form)
    pieces = call.pieces()
    if not form.streamed:
        whole = Said()
        async for piece in pieces:
            whole.take(piece)
        await call.record(whole)
        return Reply(orjson.dumps(form.whole(whole)))
    # The first piece is waited for here: what goes wrong until then is an error with its status.
    first = await anext(pieces)
    return Events(_events(call, first, pieces))


async def _events(
    call: _Call, first: Piece, pieces: AsyncGenerator[Piece]
) -> AsyncGenerator[bytes]:
    whole = Said()
    try:
        whole.take(first)
        for document in call.form.begin(first):
            yield _event(document)
        async for piece in pieces:
            whole.take(piece)
            if piece.text:
                yield _event(call.form.piece(piece.text))
        await call.record(whole)
        for document in call.form.end(whole):
            yield _event(document)
        yield b"data: [DONE]\n\n"
    except (GeneratorExit, asyncio.CancelledError):
        # Who hangs up has heard a part: that was answered, too.
        if not call.recorded:
            with contextlib.suppress(Problem):  # nobody is left to be refused
                await call.record(whole, GONE)
        raise
    except Problem as problem:
        call.request.seen.status = problem.status
        yield _event(problem.openai(call.request.id))
    finally:
        await pieces.aclose()


def _event(document: Mapping[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(document) + b"\n\n"
