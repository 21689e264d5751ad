"""Who is told what now: alerts become few messages, each to a channel. Pure.

What belongs together (one project, one kind) is one message, a few seconds after its first alert.
What is more than a channel has room for (``pacing``) becomes one digest of all that waits, and
that more and more rarely: a storm of ten thousand alerts is a handful of messages, and no alert is
left out of them.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from services.alerting import hours, pacing
from services.alerting.models import Alert, Channel, Message, Policy, Told, What, rank

Group = tuple[What, str, str, bool]
"""What is told, project, kind, and whether it is news of something critical."""
_REMINDERS: Group = ("reminder", "", "", False)
"""Reminders go together, whatever they are of."""
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
        recent: Messages written in the last ``pacing.LOOKED_BACK_S``.
        now: Seconds since 1970.
        policy: How patient to be.
    """
    present = tuple(alerts)
    found: list[Draft] = []
    for channel in channels:
        mine = [one for one in recent if one.channel == channel.name and one.what not in _APART]
        pace = pacing.pace(mine, now, policy, critical=False)
        waits = pace.waits(now)
        if waits and (
            pace.level_at(now) >= policy.most
            or pacing.pace(mine, now, policy, critical=True).waits(now)
            or not any(
                one.severity == "critical" and due_for(one, channel, now, policy) is not None
                for one in present
            )
        ):
            continue  # whatever there is to tell
        due: dict[Group, list[Alert]] = defaultdict(list)
        for alert in present:
            what = due_for(alert, channel, now, policy)
            if what is not None:
                due[_group(alert, channel, what)].append(alert)
        ready = {
            group: members for group, members in due.items() if _ready(group, members, now, policy)
        }
        if not ready or (waits and not any(critical for *_, critical in ready)):
            continue
        found += _packed(channel, present, due, ready, pace.room(now), now, policy)
    return tuple(found)


def due_for(
    alert: Alert, channel: Channel, now: float, policy: Policy, *, early: bool = False
) -> What | None:
    """Return what a channel is to be told of an alert; None: nothing now.

    ``early``: reminders that may go with one that is due, too.
    """
    ends = not alert.open and channel.name in alert.told  # whatever it is told of by now
    if not ends and not channel.wants(alert.severity, alert.project, alert.kind):
        return None
    if alert.labels.get("channel") == channel.name and alert.kind == "channel":
        return None  # it would be told by what does not work
    told = alert.told.get(channel.name)
    what = _due(alert, channel, told, now, policy, early=early)
    if what is None or not hours.within(channel.quiet, now):
        return what
    return what if _critical(alert, what) else None


def _due(
    alert: Alert, channel: Channel, told: Told | None, now: float, policy: Policy, *, early: bool
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
    return "reminder" if early and waits >= _early(told.level, policy) else None


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


def _early(level: int, policy: Policy) -> float:
    """Return from when on the next reminder may go with others; seconds after the first message."""
    lengths = policy.remind_s
    if not lengths:
        return math.inf
    again = max(0, level + 1 - len(lengths))
    length = lengths[min(level, len(lengths) - 1)]
    return length * (1 + again - policy.remind_early)


def _critical(alert: Alert, what: What) -> bool:
    return alert.severity == "critical" and what != "resolved"


def _group(alert: Alert, channel: Channel, what: What) -> Group:
    told = alert.told.get(channel.name)
    if what == "reminder" and told is not None and told.level >= 0:
        return _REMINDERS
    return what, alert.project or PLATFORM, alert.kind, _critical(alert, what)


def _ready(group: Group, members: Sequence[Alert], now: float, policy: Policy) -> bool:
    waits = now - min(one.since for one in members)
    return group[0] != "firing" or not 0 <= waits < policy.group_wait_s


def _packed(
    channel: Channel, present: Sequence[Alert], due: Mapping[Group, list[Alert]],
    ready: Mapping[Group, list[Alert]], room: int, now: float, policy: Policy,
) -> list[Draft]:  # fmt: skip
    told = ready if len(ready) <= room else due  # a digest is of all that waits
    if _REMINDERS in told:
        told[_REMINDERS].extend(
            alert
            for alert in present
            if due_for(alert, channel, now, policy) is None
            and due_for(alert, channel, now, policy, early=True) is not None
        )
    if len(told) > max(1, room):
        return [_draft(channel.name, "digest", "digest", chain(*told.values()))]
    return [
        _draft(channel.name, group[0], "/".join(filter(None, group[:3])), members)
        for group, members in sorted(told.items(), key=_urgency)
    ]


def _draft(channel: str, what: What, group: str, alerts: Iterable[Alert]) -> Draft:
    found = sorted(alerts, key=lambda one: (-rank(one.severity), one.since, one.key))
    critical = any(one.open and one.severity == "critical" for one in found)
    return Draft(channel, what, critical, group, tuple(found))


def _urgency(item: tuple[Group, list[Alert]]) -> tuple[int, int, float]:
    group, members = item
    worst = max(rank(one.severity) for one in members)
    return _ORDER[group[0]], -worst, min(one.since for one in members)


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
