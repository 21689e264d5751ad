"""The audit's verdict as one process keeps it: new entries at every look, all of them once a day.

Walking the whole chain takes seconds once it is long, and nobody waits for that at every look. An
older entry altered since the last whole walk is found by the next one: after a day, or on demand.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from services.actions import audit
from services.actions.audit import Verdict
from services.actions.journal import Journal, now_ms

_WHOLE_EVERY_MS = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class Verified:
    """What the chain is, and when all of it was last walked."""

    verdict: Verdict
    whole_at: datetime


class Verification:
    """Remembers how far the chain was walked; safe to share between threads."""

    def __init__(self, journal: Journal, now: Callable[[], int] = now_ms) -> None:
        self._journal = journal
        self._now = now
        self._lock = threading.Lock()
        self._known: Verdict | None = None
        self._whole_ms = 0

    def look(self, *, whole: bool = False) -> Verified:
        """Verify what is new, or all of it: on demand, once a day, and while it is broken."""
        with self._lock:
            at = self._now()
            broken = self._known is None or self._known.broken_at is not None
            if whole or broken or at - self._whole_ms >= _WHOLE_EVERY_MS:
                self._known, self._whole_ms = audit.verify(self._journal), at
            else:
                self._known = audit.verify(self._journal, self._known)
            return Verified(self._known, datetime.fromtimestamp(self._whole_ms / 1000, UTC))
