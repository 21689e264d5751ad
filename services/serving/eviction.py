"""Which endpoint gives its memory back first, with the reason in a sentence.

Pure. The least valuable goes first: who was idle for long before who was asked lately, then who
was asked least for the memory it holds, weighed by its project's priority. Pinned ones never go.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.resources.models import gib
from services.serving.figures import WINDOW_S

HOUR_S = 3600.0
_FEW = 120.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """An endpoint's version that holds memory."""

    name: str
    """Of the endpoint."""
    version: int
    project: str
    bytes: int
    """What all its replicas reserve: what the ledger has again when it goes."""
    requests_hour: int
    """In the last hour."""
    last_at: float | None
    """When it was last asked; None: never since it was loaded."""
    loaded_at: float = 0.0
    in_flight: int = 0
    pinned: bool = False
    priority: int = 5
    """Of the project, 1 to 10, higher first."""

    def quiet_s(self, now: float) -> float:
        """Return for how long nobody asked."""
        if self.in_flight:
            return 0.0
        return max(0.0, now - max(self.last_at or 0.0, self.loaded_at))


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate and its place."""

    candidate: Candidate
    place: int
    """1 goes first."""
    evictable: bool
    """False: it is pinned."""
    idle: bool
    """Nobody asked it in the last minute: nobody waits when it goes."""
    said: str
    """Why it is there."""

    @property
    def name(self) -> str:
        """Return the endpoint."""
        return self.candidate.name


def order(candidates: Sequence[Candidate], now: float | None = None) -> tuple[Ranked, ...]:
    """Return who may be evicted, least valuable first.

    Args:
        candidates: Endpoints that hold memory.
        now: Seconds since 1970; None: when the newest of them was asked or loaded.
    """
    return tuple(one for one in ranked(candidates, now) if one.evictable)


def ranked(candidates: Sequence[Candidate], now: float | None = None) -> tuple[Ranked, ...]:
    """Return all, least valuable first, the pinned ones last: what a person reads."""
    at = latest(candidates) if now is None else now
    lined = sorted(candidates, key=lambda one: _value(one, at))
    return tuple(
        Ranked(one, place, not one.pinned, _idle(one, at), _why(one, at))
        for place, one in enumerate(lined, 1)
    )


def to_evict(candidates: Sequence[Candidate], missing_bytes: int, now: float) -> tuple[Ranked, ...]:
    """Return who must go so that so much comes free, in order; () when that would not do.

    Only those that nobody asks.

    Nobody goes whose memory is not needed: of those in line, one is spared when the later ones
    alone free enough.

    Args:
        candidates: Endpoints that hold memory.
        missing_bytes: How much is missing.
        now: Seconds since 1970.
    """
    if missing_bytes <= 0:
        return ()
    line = [one for one in order(candidates, now) if one.idle]
    gone: list[Ranked] = []
    freed = 0
    for one in line:
        if freed >= missing_bytes:
            break
        gone.append(one)
        freed += one.candidate.bytes
    if freed < missing_bytes:
        return ()
    for one in reversed(gone[:-1]):  # the most valuable are spared first
        if freed - one.candidate.bytes >= missing_bytes:
            gone.remove(one)
            freed -= one.candidate.bytes
    return tuple(gone)


def value(candidate: Candidate) -> float:
    """Return requests of the last hour for each GB, times the project's priority."""
    gibs = max(candidate.bytes, 1) / 1024**3
    return candidate.requests_hour / gibs * max(1, candidate.priority)


def _value(one: Candidate, now: float) -> tuple[bool, bool, bool, float, int, float, str, int]:
    return (
        one.pinned,
        bool(one.in_flight),
        not _idle(one, now),
        value(one),
        one.priority,
        -one.quiet_s(now),
        one.name,
        one.version,
    )


def _idle(one: Candidate, now: float) -> bool:
    return one.quiet_s(now) >= WINDOW_S


def _why(one: Candidate, now: float) -> str:
    who, held = f"{one.name} version {one.version}", gib(one.bytes)
    if one.pinned:
        return f"{who} holds {held} and is pinned: it is never evicted."
    if one.in_flight:
        return f"{who} holds {held} and is answering now: it goes last."
    asked = f"{_times(one.requests_hour)} in the last hour for the {held} it holds"
    since = "never asked" if one.last_at is None else f"not asked for {span(now - one.last_at)}"
    if not _idle(one, now):
        since = "just loaded" if one.last_at is None else "asked within the last minute"
    return f"{who} was {since}; {asked}; its project's priority is {one.priority}."


def _times(count: int) -> str:
    return "no request" if count == 0 else f"{count:,} request{'s' if count > 1 else ''}"


def span(seconds: float) -> str:
    """Return a stretch of time for people."""
    if seconds < _FEW:
        return f"{max(0.0, seconds):.0f} s"
    if seconds < 2 * HOUR_S:
        return f"{seconds / 60:.0f} min"
    hours = seconds / HOUR_S
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


def latest(candidates: Iterable[Candidate]) -> float:
    """Return when the newest of them was asked or loaded; 0 without any."""
    return max((max(one.last_at or 0.0, one.loaded_at) for one in candidates), default=0.0)


# Requests of the last hour


class LastHour:
    """Requests of the last hour by endpoint version, from totals that are looked at now and then.

    A total that falls is a gateway that began anew: what it counts since then is added.
    """

    def __init__(self, bucket_s: float = 60.0) -> None:
        self._bucket_s = bucket_s
        self._totals: dict[tuple[str, int], int] = {}
        self._buckets: dict[tuple[str, int], dict[int, int]] = {}

    def note(self, name: str, version: int, total: int, at: float) -> None:
        """Note the total of a version; the first one seen is where counting begins."""
        key = (name, version)
        before = self._totals.get(key, total)
        self._totals[key] = total
        more = total - before if total >= before else total
        bucket = int(at // self._bucket_s)
        counts = self._buckets.setdefault(key, {})
        if more:
            counts[bucket] = counts.get(bucket, 0) + more
        oldest = int((at - HOUR_S) // self._bucket_s)
        for old in [one for one in counts if one <= oldest]:
            del counts[old]

    def of(self, name: str, version: int, now: float) -> int:
        """Return the requests of a version in the last hour, to the minute."""
        oldest = int((now - HOUR_S) // self._bucket_s)
        counts = self._buckets.get((name, version), {})
        return sum(count for bucket, count in counts.items() if bucket > oldest)

    def forget(self, keep: Iterable[tuple[str, int]]) -> None:
        """Forget all versions but these."""
        kept = set(keep)
        for key in [one for one in self._totals if one not in kept]:
            del self._totals[key]
            self._buckets.pop(key, None)
