"""Which function answers which path."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from services.gateway import feedback, oip, openai, plain, system
from services.gateway.http import Events, Reply
from services.gateway.problems import Problem

Handler = Callable[..., Awaitable[Reply | Events]]


@dataclass(frozen=True, slots=True)
class Spec:
    """One route."""

    method: str
    path: str
    handler: Handler
    key: bool = True
    """Whether it wants an API key; the handler gets it then."""
    openai: bool = False
    """Whether its errors come in OpenAI's envelope."""
    parts: tuple[str, ...] = ()


def _spec(method: str, path: str, handler: Handler, **more: Any) -> Spec:  # noqa: ANN401
    return Spec(method, path, handler, parts=tuple(path[1:].split("/")), **more)


SPECS = (
    _spec("POST", "/v2/models/{name}/infer", oip.infer),
    _spec("POST", "/predict/{project}/{model}", plain.predict),
    _spec("POST", "/v1/chat/completions", openai.chat, openai=True),
    _spec("POST", "/v1/completions", openai.completions, openai=True),
    _spec("POST", "/v1/embeddings", openai.embeddings, openai=True),
    _spec("POST", "/v2/models/{name}/versions/{version}/infer", oip.infer),
    _spec("POST", "/feedback/{request_id}", feedback.feedback),
    _spec("GET", "/v2", oip.server, key=False),
    _spec("GET", "/v2/health/live", oip.live, key=False),
    _spec("GET", "/v2/health/ready", oip.ready, key=False),
    _spec("GET", "/v2/models/{name}", oip.model),
    _spec("GET", "/v2/models/{name}/ready", oip.model_ready),
    _spec("GET", "/v2/models/{name}/versions/{version}", oip.model),
    _spec("GET", "/v2/models/{name}/versions/{version}/ready", oip.model_ready),
    _spec("GET", "/v1/models", openai.models, openai=True),
    _spec("GET", "/v1/models/{name}", openai.model, openai=True),
    _spec("GET", "/healthz", system.health, key=False),
    _spec("GET", "/metrics", system.metrics, key=False),
    _spec("GET", "/openapi.json", system.openapi, key=False),
)

_BY_LENGTH: dict[int, list[Spec]] = {}
for _one in SPECS:
    _BY_LENGTH.setdefault(len(_one.parts), []).append(_one)


def found(method: str, parts: list[str]) -> tuple[Spec, dict[str, str]]:
    """Return the route of a request and what its path says.

    Raises:
        Problem: There is no such path, or not with this method.
    """
    allowed = []
    for spec in _BY_LENGTH.get(len(parts), ()):
        said = _matched(spec.parts, parts)
        if said is None:
            continue
        if spec.method == method:
            return spec, said
        allowed.append(spec.method)
    if allowed:
        headers = ((b"allow", ", ".join(sorted(set(allowed))).encode()),)
        raise Problem("method", f"{method} is not what this path takes.", headers=headers)
    raise Problem("not-found", "There is no such path; /openapi.json lists those there are.")


def _matched(pattern: tuple[str, ...], parts: list[str]) -> dict[str, str] | None:
    said = {}
    for wanted, part in zip(pattern, parts, strict=True):
        if wanted[:1] == "{":
            if not part:
                return None
            said[wanted[1:-1]] = part
        elif wanted != part:
            return None
    return said
