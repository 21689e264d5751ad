"""How OpenAI's two routes for text are read and written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.gateway.problems import bad
from services.serving.frames import Piece

_MOST_STOPS = 4
_HOTTEST = 2
_ROLES = {"system", "developer", "user", "assistant"}


@dataclass(slots=True)
class Said:
    """A text so far."""

    parts: list[str] = field(default_factory=list)
    finish: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    queue_ms: float | None = None
    model_ms: float | None = None

    @property
    def text(self) -> str:
        """Return all of it."""
        return "".join(self.parts)

    def take(self, piece: Piece) -> None:
        """Take what came."""
        if piece.text:
            self.parts.append(piece.text)
        if piece.last:
            self.finish = piece.finish or "stop"
            self.prompt_tokens = piece.prompt_tokens
            self.completion_tokens = piece.completion_tokens
            self.queue_ms, self.model_ms = piece.queue_ms, piece.model_ms

    def usage(self) -> dict[str, int | None]:
        """Return what was counted; null is not counted."""
        known = self.prompt_tokens is not None and self.completion_tokens is not None
        total = (self.prompt_tokens or 0) + (self.completion_tokens or 0) if known else None
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": total,
        }


class Form(Protocol):
    """One of the two routes."""

    field: str
    streamed: bool

    def prompt(self) -> str:
        """Return what the model goes on with."""

    def parameters(self) -> Mapping[str, Any]:
        """Return how."""

    def whole(self, said: Said) -> Mapping[str, Any]:
        """Return the answer in one."""

    def begin(self, first: Piece) -> Iterator[Mapping[str, Any]]:
        """Yield the first events of a stream."""

    def piece(self, text: str) -> Mapping[str, Any]:
        """Return the event of a piece."""

    def end(self, said: Said) -> Iterator[Mapping[str, Any]]:
        """Yield the last events."""


class _Text:
    """What the two have in common."""

    kind = ""
    chunk = ""
    prefix = ""
    field = ""

    def __init__(self, request_id: str, model: str, created: int, said: Mapping[str, Any]) -> None:
        self._said = said
        self._base = {"id": f"{self.prefix}-{request_id}", "created": created, "model": model}
        stream = said.get("stream")
        if stream is not None and not isinstance(stream, bool):
            raise bad("It is true or false.", "stream")
        self.streamed = bool(stream)
        options = said.get("stream_options")
        if options is not None and not isinstance(options, dict):
            raise bad("It is an object.", "stream_options")
        self._with_usage = bool((options or {}).get("include_usage"))

    def parameters(self) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        heat = self._said.get("temperature")
        if heat is not None:
            if (
                isinstance(heat, bool)
                or not isinstance(heat, int | float)
                or not 0 <= heat <= _HOTTEST
            ):
                raise bad(f"It is a number from 0 to {_HOTTEST}.", "temperature")
            found["temperature"] = heat
        for given in ("max_tokens", "max_completion_tokens"):
            value = self._said.get(given)
            if value is not None:
                found["max_tokens"] = _whole(value, given, 1, 4096)
        if self._said.get("seed") is not None:
            found["seed"] = _whole(self._said["seed"], "seed", 0, (1 << 63) - 1)
        stops = _stops(self._said.get("stop"))
        return {**found, "stop": stops} if stops else found

    def whole(self, said: Said) -> Mapping[str, Any]:
        return {
            **self._base, "object": self.kind, "usage": said.usage(),
            "choices": [{"index": 0, **self._content(said.text), "logprobs": None,
                         "finish_reason": said.finish}],
        }  # fmt: skip

    def begin(self, first: Piece) -> Iterator[Mapping[str, Any]]:
        if first.text:
            yield self.piece(first.text)

    def piece(self, text: str) -> Mapping[str, Any]:
        return self._event(self._delta(text), None)

    def end(self, said: Said) -> Iterator[Mapping[str, Any]]:
        yield self._event(self._delta(""), said.finish)
        if self._with_usage:
            yield {**self._base, "object": self.chunk, "choices": [], "usage": said.usage()}

    def _event(self, content: Mapping[str, Any], finish: str | None) -> Mapping[str, Any]:
        choice = {"index": 0, **content, "logprobs": None, "finish_reason": finish}
        event = {**self._base, "object": self.chunk, "choices": [choice]}
        return {**event, "usage": None} if self._with_usage else event

    def _content(self, text: str) -> Mapping[str, Any]:
        raise NotImplementedError

    def _delta(self, text: str) -> Mapping[str, Any]:
        raise NotImplementedError


class Completion(_Text):
    """``/v1/completions``."""

    kind = chunk = "text_completion"
    prefix = "cmpl"
    field = "prompt"

    def prompt(self) -> str:
        """Return the text to go on with."""
        prompt = self._said.get("prompt")
        if isinstance(prompt, list) and len(prompt) == 1:
            prompt = prompt[0]
        if not isinstance(prompt, str):
            raise bad("It is one text; tokens and several texts are not taken.", "prompt")
        return prompt

    def _content(self, text: str) -> Mapping[str, Any]:
        return {"text": text}

    _delta = _content


class Chat(_Text):
    """``/v1/chat/completions``."""

    kind = "chat.completion"
    chunk = "chat.completion.chunk"
    prefix = "chatcmpl"
    field = "messages"

    def prompt(self) -> str:
        """Return the conversation as one text: one message as it is, else with who said what."""
        messages = self._said.get("messages")
        if not isinstance(messages, list) or not messages:
            raise bad("It is a list with at least one message.", "messages")
        said = [_message(one, f"messages[{place}]") for place, one in enumerate(messages)]
        if len(said) == 1:
            return said[0][1]
        return "".join(f"{role}: {text}\n" for role, text in said) + "assistant:"

    def begin(self, first: Piece) -> Iterator[Mapping[str, Any]]:
        """Yield who speaks, then the first piece."""
        yield self._event({"delta": {"role": "assistant", "content": ""}}, None)
        yield from super().begin(first)

    def _content(self, text: str) -> Mapping[str, Any]:
        return {"message": {"role": "assistant", "content": text, "refusal": None}}

    def _delta(self, text: str) -> Mapping[str, Any]:
        return {"delta": {"content": text} if text else {}}


def _message(one: Any, where: str) -> tuple[str, str]:  # noqa: ANN401
    role = one.get("role") if isinstance(one, dict) else None
    if not isinstance(role, str) or role not in _ROLES:
        raise bad("A message has a `role`: system, developer, user or assistant.", where)
    content = one.get("content")
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        good = len(texts) == len(content) and all(isinstance(text, str) for text in texts)
        content = "".join(map(str, texts)) if good else None
    if not isinstance(content, str):
        raise bad("Its content is text.", f"{where}.content")
    return role, content


def _whole(value: Any, name: str, least: int, most: int) -> int:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise bad(f"It is a whole number from {least} to {most}.", name)
    return value


def _stops(said: Any) -> list[str]:  # noqa: ANN401
    stops = [said] if isinstance(said, str) else said or []
    if not isinstance(stops, list) or not all(isinstance(one, str) for one in stops):
        raise bad("It is a text or a list of texts.", "stop")
    if len(stops) > _MOST_STOPS:
        raise bad(f"It has more than {_MOST_STOPS} texts.", "stop")
    return [one for one in stops if one]
