"""One stream of text: a step at a time, so that several take turns, with rows between them."""

import logging
import time
from typing import TYPE_CHECKING

from mlops_client.serving.jobs import DEADLINE, Ended, Failed, StreamJob, failure
from mlops_client.serving.model import Streamer

if TYPE_CHECKING:
    from collections.abc import Iterator


logger = logging.getLogger(__name__)


class StopWords:
    """Lets text through up to the first of some words; holds back what may become one."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self._words = tuple(word for word in words if word)
        self._held = ""

    def feed(self, piece: str) -> tuple[str, bool]:
        """Return the text that can be said now, and whether a word came."""
        text = self._held + piece
        found = [place for word in self._words if (place := text.find(word)) >= 0]
        if found:
            self._held = ""
            return text[: min(found)], True
        keep = max((_overlap(text, word) for word in self._words), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep], False

    def rest(self) -> str:
        """Return what was held back, at the end."""
        return self._held


def _overlap(text: str, word: str) -> int:
    """Return how much of the word's beginning is the text's end."""
    longest = min(len(word) - 1, len(text))
    return next((size for size in range(longest, 0, -1) if text.endswith(word[:size])), 0)


class Stream:
    """A stream that the model's thread works on."""

    def __init__(self, job: StreamJob, streamer: Streamer) -> None:
        self.job = job
        self._streamer = streamer
        self._words = StopWords(job.stops)
        self._pieces: Iterator[str] | None = None
        self._began = 0.0
        self._model_s = 0.0
        self._completion = 0

    def advance(self) -> bool:
        """Make the next piece; return whether there is more to come."""
        job = self.job
        if job.cancelled:
            return self._close(None)
        began = time.monotonic()
        if job.deadline is not None and began > job.deadline:
            return self._close(Failed("deadline", DEADLINE))
        try:
            return self._step(began)
        except (Exception, SystemExit) as error:  # the caller is told, others go on
            found = failure(error)
            if found.kind == "model":
                logger.exception("The model failed.")
            return self._close(found)

    def _step(self, began: float) -> bool:
        piece = self._next(began)
        self._model_s += time.monotonic() - began
        if piece is None:
            return self._close(self._ended("stop"))
        self._completion += 1
        return self._say(piece)

    def _next(self, now: float) -> str | None:
        job = self.job
        if self._pieces is None:
            self._began = now
            self._pieces = self._streamer.stream(
                job.prompt, job.max_tokens, job.temperature, job.seed
            )
        return next(self._pieces, None)

    def _say(self, piece: str) -> bool:
        text, stopped = self._words.feed(piece)
        if text:
            self.job.said(text)
        if stopped:
            return self._close(self._ended("stop"))
        if self._completion >= self.job.max_tokens:
            return self._close(self._ended("length"))
        return True

    def _ended(self, finish: str) -> Ended:
        job = self.job
        return Ended(
            finish,
            int(self._streamer.count(job.prompt)),
            self._completion,
            (self._began - job.arrived) * 1000,
            self._model_s * 1000,
        )

    def _close(self, outcome: Ended | Failed | None) -> bool:
        close = getattr(self._pieces, "close", None)
        if close is not None:
            try:
                close()
            except (Exception, SystemExit):
                logger.exception("A stream did not end well.")
        if isinstance(outcome, Ended) and (held := self._words.rest()):
            self.job.said(held)
        self.job.answer(outcome or Failed("deadline", "The caller no longer wants the answer."))
        return False
