"""How often a channel is told: a few messages at once, then one at longer and longer intervals.

A bucket holds the messages that may go at once, and is refilled slowly. Once it is empty a message
waits for an interval after the one before, each twice as long as the last, up to an hour: however
much happens, a channel is told little. Quiet that lasts beyond such an interval takes the steps
back one after another, and then fills the bucket. All of it follows from the messages that were
written, so whoever ends the controller changes nothing. Pure.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from services.alerting.models import Message, Policy

LOOKED_BACK_S = 2 * 86_400.0
"""Messages of this time count. A storm that lasts longer begins anew, with a few at once."""
_ROUNDED_S = 1.0
"""What was written so little later than now was written now."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much a channel was told lately."""

    level: float
    """Messages just after the last one; quiet takes one away each ``refill_s``."""
    last: float
    """When that was; seconds since 1970."""
    size: int
    """Messages that may go at once."""
    policy: Policy

    def room(self, now: float) -> int:
        """Return how many messages may go at once."""
        return max(0, math.floor(self.size - self.level_at(now)))

    def waits(self, now: float) -> bool:
        """Return whether the interval after the last message is not over."""
        return now - self.last < self._interval_s()

    def level_at(self, now: float) -> float:
        """Return the level at a time after the last message."""
        quiet_s = max(0.0, now - self.last - self._interval_s())
        return max(0.0, self.level - quiet_s / self.policy.refill_s)

    def _interval_s(self) -> float:
        over = math.ceil(self.level - self.size)
        if over < 0:  # there is room for a whole one
            return 0.0
        return min(self.policy.digest_most_s, self.policy.digest_s * 2.0**over)


def pace(messages: Iterable[Message], now: float, policy: Policy, *, critical: bool) -> Pace:
    """Return how much a channel was told, from the messages to it.

    Args:
        messages: To this channel, about alerts. Those of a time to come were written by a clock
            that was set back since: they count for nothing.
        now: Seconds since 1970.
        policy: How patient to be.
        critical: Count critical ones alone, which have a few of their own when the rest have none.
    """
    size = policy.urgent if critical else policy.burst
    found = Pace(0.0, -math.inf, size, policy)
    for one in sorted(messages, key=lambda one: one.created_at):
        if one.created_at > now + _ROUNDED_S or (critical and one.severity != "critical"):
            continue
        level = found.level_at(one.created_at)
        if one.what == "digest" and not critical:  # there was more than room for
            level = max(level, size - 1.0)
        found = Pace(min(policy.most, level + 1.0), one.created_at, size, policy)
    return found
