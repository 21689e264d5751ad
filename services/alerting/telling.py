"""Who is told what now: alerts become few messages, each to a channel. Pure.

What belongs together (one project, one kind) is one message, a few seconds after its first alert;
so is the next one of a group that was quiet before. What is more than a channel has room for
becomes one digest, and that only now and then: a storm of ten thousand alerts is a handful of
messages, and no alert is left out of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from services.alerting import hours
from services.alerting.models import Alert, Channel, Message, Policy, Told, What, rank

Group = tuple[What, str, str]
"""What is told, project, kind."""
_ORDER: Mapping[What, int] = {"firing": 0, "reminder": 1, "resolved": 2, "digest": 3}
_APART: frozenset[What] = frozenset(("test", "report", "retraining"))
"""They are about no alert, and take no room of those that are."""
PLATFORM = "platform"
_AHEAD_S = 60.0
"""What happened so much later than now happened by a clock that was set back since."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A message before it is written: to a channel, about alerts, the worst first."""

    channel: str
    what: What
    critical: bool
    group: str
    alerts: tuple[Alert, ...]


def drafts(
    alerts: Iterable[Alert],
    channels: Sequence[Channel],
    recent: Sequence[Message],
    now: float,
    policy: Policy,
) -> tuple[Draft, ...]:
    """Return what is to be told now.

    Args:
        alerts: Those that have not ended, and those whose end was not told to everyone.
        channels: Where people are told.
        recent: Messages written in the last ``max(burst_s, group_interval_s)``.
        now: Seconds since 1970.
        policy: How patient to be.
    """
    present = tuple(alerts)
    found: list[Draft] = []
    for channel in channels:
        mine = [one for one in recent if one.channel == channel.name and one.what not in _APART]
        for critical in (True, False):
            due: dict[Group, list[Alert]] = defaultdict(list)
            for alert in present:
                what = due_for(alert, channel, now, policy)
                if what is not None and _critical(alert, what) == critical:
                    due[what, alert.project or PLATFORM, alert.kind].append(alert)
            lane = [one for one in mine if (one.severity == "critical") == critical]
            ready = {
                group: members
                for group, members in due.items()
                if _ready(group, members, lane, now, policy, critical=critical)
            }
            found += _packed(channel.name, ready, lane, now, policy, critical=critical)
    return tuple(found)


def due_for(alert: Alert, channel: Channel, now: float, policy: Policy) -> What | None:
    """Return what a channel is to be told of an alert; None: nothing now."""
    ends = not alert.open and channel.name in alert.told  # whatever it is told of by now
    if not ends and not channel.wants(alert.severity, alert.project, alert.kind):
        return None
    if alert.labels.get("channel") == channel.name and alert.kind == "channel":
        return None  # it would be told by what does not work
    told = alert.told.get(channel.name)
    what = _due(alert, channel, told, now, policy)
    if what is None or not hours.within(channel.quiet, now):
        return what
    return what if _critical(alert, what) else None


def _due(
    alert: Alert, channel: Channel, told: Told | None, now: float, policy: Policy
) -> What | None:
    if not alert.open:
        lasting = not 0 <= now - (alert.resolved_at or now) < policy.settle_s
        return "resolved" if told is not None and not told.resolved and lasting else None
    if alert.state != "firing":
        return None
    if channel.escalation and (told is None or told.level < 0):
        return "reminder" if _is_late(alert, now, policy) else None
    if told is None or rank(told.severity) < rank(alert.severity):
        return "firing"
    waits = now - told.at
    if waits < -_AHEAD_S or told.level < _reminders(waits, policy):
        return "reminder"
    return None


def _is_late(alert: Alert, now: float, policy: Policy) -> bool:
    """Return whether nobody acknowledged it in time after others were told."""
    delay_s = policy.escalate_s.get(alert.severity)
    others = [one.at for one in alert.told.values() if one.level >= 0]
    waits = now - min(others, default=alert.left_at or alert.since)
    return delay_s is not None and not -_AHEAD_S <= waits < delay_s


def _reminders(waits: float, policy: Policy) -> int:
    """Return how often an alert is to have been told again that was told so long ago, in seconds.

    One that nobody acknowledges is never forgotten: the last time comes again and again.
    """
    due = sum(waits >= length for length in policy.remind_s)
    if not due or due < len(policy.remind_s):
        return due
    return due - 1 + int(waits // policy.remind_s[-1])


def _critical(alert: Alert, what: What) -> bool:
    return alert.severity == "critical" and what != "resolved"


def _ready(
    group: Group, members: Sequence[Alert], lane: Sequence[Message], now: float, policy: Policy,
    *, critical: bool,
) -> bool:  # fmt: skip
    waits = now - min(one.since for one in members)
    if group[0] == "firing" and 0 <= waits < policy.group_wait_s:
        return False
    name = "/".join(group)
    lately = [one.created_at for one in lane if one.group == name]
    # A group that told one thing in the last minutes is quiet: a second one of it is news, too.
    # A clock that was set back must not keep anything waiting until it has caught up.
    return critical or len(lately) < 2 or not 0 <= now - max(lately) < policy.group_interval_s


def _packed(
    channel: str, ready: Mapping[Group, list[Alert]], lane: Sequence[Message], now: float,
    policy: Policy, *, critical: bool,
) -> list[Draft]:  # fmt: skip
    if not ready:
        return []
    lately = [one.created_at for one in lane if 0 <= now - one.created_at < policy.burst_s]
    digests = {one.created_at for one in lane if one.what == "digest"}
    room = policy.burst - len(lately)
    if len(ready) <= room:
        return [
            Draft(channel, group[0], critical, "/".join(group), _sorted(members))
            for group, members in sorted(ready.items(), key=_urgency)
        ]
    before = lately if room <= 0 else [at for at in lately if at in digests]
    if before and now - max(before) < policy.trickle_s:
        return []
    return [Draft(channel, "digest", critical, "digest", _sorted(chain(*ready.values())))]


def _urgency(item: tuple[Group, list[Alert]]) -> tuple[int, int, float]:
    group, members = item
    worst = max(rank(one.severity) for one in members)
    return _ORDER[group[0]], -worst, min(one.since for one in members)


def _sorted(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    return tuple(sorted(alerts, key=lambda one: (-rank(one.severity), one.since, one.key)))


def told(alert: Alert, channel: str, now: float, policy: Policy) -> Alert:
    """Return an alert of which a message to a channel was written."""
    before = alert.told.get(channel)
    if not alert.open:
        after = replace(before or Told(now, alert.severity), resolved=True)
    elif before is None or before.level < 0 or rank(before.severity) < rank(alert.severity):
        after = Told(now, alert.severity)
    elif now < before.at:  # told by a clock that was set back: the next one is a day off at most
        level = min(before.level + 1, len(policy.remind_s) - 1)
        after = replace(before, at=now, level=level)
    else:
        after = replace(before, level=max(before.level + 1, _reminders(now - before.at, policy)))
    return replace(alert, told={**alert.told, channel: after}, notified_at=now)


def settled(alert: Alert, channels: frozenset[str], now: float, policy: Policy) -> bool:
    """Return whether nothing more can come of an alert: it ended, and everyone knows."""
    if alert.open or 0 <= now - (alert.resolved_at or now) < policy.reopen_s:
        return False
    return all(one.resolved for name, one in alert.told.items() if name in channels)
