"""What is done with the samples that other machines send: checked, kept, and answered."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from services.engines.silicon.models import Sample
from services.errors import ConflictError, DeniedError, InputError, PlatformError
from services.telemetry import batches
from services.telemetry.batches import FieldError
from services.telemetry.latest import AHEAD_S, Latest
from services.telemetry.models import Writer
from services.telemetry.tokens import AgentToken, Tokens

_REFUSED_TOLD = 20
_CLOCK_TOLD_S = 180.0
"""A machine that comes no more is no trouble for longer: an agent tries once a minute."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to who asked: a document, and its HTTP status."""

    status: int
    document: dict[str, object]


def problem(status: int, title: str, detail: str, **more: str) -> Answer:
    """Return an answer that something is wrong, as RFC 9457 has it."""
    return Answer(status, {"title": title, "status": status, "detail": detail, **more})


class Intake:
    """Takes the batches of agents, one after the other."""

    def __init__(
        self,
        store: Writer,
        latest: Latest,
        tokens: Tokens,
        own_host: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Begin.

        Args:
            store: Where samples are kept.
            latest: What every machine said last.
            tokens: Who may send.
            own_host: This machine: no agent speaks for it.
            now: Seconds since 1970.
        """
        self._now = now
        self._clocks: dict[str, tuple[float, str]] = {}
        self._store = store
        self._latest = latest
        self._tokens = tokens
        self._own_host = own_host
        self._introduced: set[str] = set()
        self._unkept = ""

    @property
    def problem(self) -> str:
        """Return why batches cannot be kept; empty when they can."""
        since = self._now() - _CLOCK_TOLD_S
        clocks = [said for at, said in self._clocks.values() if at >= since]
        return " ".join(filter(None, [self._unkept, *clocks]))

    def holder(self, authorization: str) -> AgentToken | None:
        """Return whose the token of a header is; None: nobody's."""
        kind, _, token = authorization.partition(" ")
        return self._tokens.holder(token.strip()) if kind.lower() == "bearer" else None

    def take(self, token: AgentToken, body: bytes, *, compressed: bool) -> Answer:
        """Keep a batch: all of it, or nothing when a field of it is wrong.

        A sample that is kept for no longer, or of the future, is refused by itself: sending it
        again would change nothing.
        """
        try:
            batch = batches.unpack(body, compressed=compressed)
            self._admit(token, batch.machine.host)
            if wrong := self._clock(batch):
                return problem(batches.CLOCK_WRONG, "The clock is wrong", wrong)
            self._introduce(batch)
            refused = self._keep(batch.samples)
        except FieldError as error:
            return problem(400, "A field is wrong", str(error), field=error.field)
        except InputError as error:
            return problem(400, "The batch cannot be read", str(error))
        except DeniedError as error:
            return problem(403, "The token is another machine's", str(error))
        except ConflictError as error:
            return problem(409, "The machine reports already", str(error))
        except PlatformError as error:
            self._unkept = error.message
            return problem(503, "Nothing can be written now", str(error))
        self._unkept = ""
        kept = len(batch.samples) - len(refused)
        return Answer(200, {"accepted": kept, "refused": refused[:_REFUSED_TOLD]})

    def _admit(self, token: AgentToken, host: str) -> None:
        if host == self._own_host:
            raise ConflictError(
                f"{host} is the machine that collects, and has its own sampler.",
                "An agent is for other machines.",
            )
        self._tokens.bind(token, host)

    def _clock(self, batch: batches.Batch) -> str:
        """Return a sentence when the sender's clock is too far from ours; empty when it is not.

        A sample of the future is refused by the store. One of a clock that is behind would land in
        the past, over what was true then, and its machine would look silent.
        """
        host = batch.machine.host
        self._clocks.pop(host, None)
        if batch.sent_at is None:  # another version of the agent
            return ""
        off_s = batch.sent_at.timestamp() - self._now()
        if abs(off_s) <= AHEAD_S:
            return ""
        which = "ahead of" if off_s > 0 else "behind"
        said = f"The clock of {host} is {_about(abs(off_s))} {which} that of the machine here."
        self._clocks[host] = self._now(), f"{said} Its samples are refused."
        return f"{said} Let both set their clocks by the network."

    def _introduce(self, batch: batches.Batch) -> None:
        host = batch.machine.host
        news = self._latest.introduce(batch.machine, batch.providers)
        if news or host not in self._introduced:
            self._introduced.discard(host)
            self._store.introduce(batch.machine, batch.providers)
            self._introduced.add(host)

    def _keep(self, samples: tuple[Sample, ...]) -> list[dict[str, str]]:
        refused: list[dict[str, str]] = []
        for sample in samples:
            try:
                self._store.append(sample)
            except InputError as error:
                self._latest.refused(sample.host)
                refused.append({"at": sample.at.isoformat(), "reason": str(error)})
            else:
                self._latest.heard(sample)
        return refused


def _about(seconds: float) -> str:
    """Return a time that stays the same from try to try: a sentence is told once."""
    for unit_s, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit_s:
            return f"about {seconds / unit_s:.0f} {name}"
    return "more than a minute"
