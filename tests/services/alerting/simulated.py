"""A channel on a clock of the test's own: what it is told, and when, of many alerts."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from services.alerting import telling
from services.alerting.models import Alert, Message, Severity
from tests.services.alerting.things import NOW, POLICY, alert, channel

TICK_S = 5.0
OPS = channel()
MODEL = alert()


@dataclass
class Simulated:
    """A channel and all that is told to it."""

    present: dict[str, Alert] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    first: dict[str, float] = field(default_factory=dict)
    """When each alert was first told."""

    def tick(self, now: float) -> None:
        present = tuple(self.present.values())
        for draft in telling.drafts(present, [OPS], self.messages, now, POLICY):
            severity: Severity = "critical" if draft.critical else "warning"
            self.messages.append(Message(0, "ops", draft.what, severity, "", "", (), now))
            for one in draft.alerts:
                self.first.setdefault(one.key, now)
                self.present[one.key] = telling.told(self.present[one.key], "ops", now, POLICY)

    def live(self, arrivals: Sequence[Alert], until: float) -> None:
        """Live through alerts by their begin; then to a time, in steps of ten minutes at last."""
        waiting = sorted(arrivals, key=lambda one: -one.since)
        now = NOW
        while now <= until:
            while waiting and waiting[-1].since <= now:
                one = waiting.pop()
                self.present[one.key] = one
            self.tick(now)
            busy = waiting or len(self.first) < len(self.present)
            now += TICK_S if busy else 600.0

    def gaps(self) -> list[float]:
        times = [one.created_at for one in self.messages]
        return [later - before for before, later in pairwise(times)]


def storm(count: int, over_s: float, critical: float = 0.1) -> list[Alert]:
    """Return alerts of nine projects and three kinds, evenly over a time."""
    return [
        replace(
            MODEL, key=f"{('run', 'drift', 'endpoint')[n % 3]}/p{n % 9}/{n}", project=f"p{n % 9}",
            since=NOW + n * over_s / count,
            severity="critical" if n % 100 < critical * 100 else "warning",
        )
        for n in range(count)
    ]  # fmt: skip
