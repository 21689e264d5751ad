"""What explains an alert of which no requests can be compared: what else was so at its time. Pure.

Where a share is told it is of the time out of service; what has none is told after what has one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.alerting.models import CAUSE, WHY, Alert, Event
from services.telemetry.figures import percent

AFTER_S = 0.001
"""So much later than the event is the same with its cause: of one moment the first counts."""
_TOLD = 3
_LINES = 6


@dataclass(frozen=True, slots=True)
class Ground:
    """One cause, with what speaks for it."""

    kind: str
    """task, streak, change, engine, disk, restart, rollout, room, endpoint, memory."""
    title: str
    """A sentence without its full stop."""
    evidence: tuple[str, ...]
    """Each with the page that shows it, as ``cited`` writes it."""
    suggestion: str
    link: str
    """The page of the dashboard that shows it, from its root on."""
    share: float | None = None
    """Of the time out of service, 0–1; None: it cannot be told."""

    @property
    def said(self) -> str:
        """Return it with its share."""
        if self.share is None:
            return self.title
        return f"{self.title} ({percent(self.share)} of the time out of service)"


@dataclass(frozen=True, slots=True)
class Grounds:
    """Causes, the likeliest first; none where nothing was found."""

    every: tuple[Ground, ...] = ()

    @property
    def first(self) -> Ground | None:
        """Return the likeliest."""
        return self.every[0] if self.every else None

    def given_to(self, event: Event, changes: int = 1) -> Event:
        """Return an event with these causes; without any as it is."""
        first = self.first
        if first is None:
            return event
        more = [one.said for one in self.every[1:_TOLD]]
        also = f" Also: {'; '.join(more)}." if more else ""
        found = tuple(line for one in self.every[:_TOLD] for line in one.evidence)[:_LINES]
        others = (one for one in event.evidence if one not in found)
        return replace(
            event,
            at=event.at + changes * AFTER_S,
            cause=f"{first.said}.{also}",
            suggestion=first.suggestion or event.suggestion,
            labels={**event.labels, CAUSE: first.kind, WHY: first.link},
            evidence=(*found, *others),
        )


def phrase(text: str, limit: int = 240) -> str:
    """Return a text as one line without its full stop, cut where it is long."""
    line = " ".join(text.split())
    return f"{line[: limit - 1]}…" if len(line) > limit else line.removesuffix(".")


def named(alert: Alert) -> str:
    """Return what an alert is called, of one that ended in the past tense."""
    title = phrase(alert.title or alert.key)
    if alert.open:
        return title
    return title.replace(" is ", " was ", 1).replace(" does not ", " did not ", 1)


def listed(names: Sequence[str], most: int) -> str:
    """Return names as a list, of many the first and how many more there are."""
    rest = len(names) - most
    return "; ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
