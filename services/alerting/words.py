"""What a notification says: what, where, since when, the likely cause, what to do, a link."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from services.alerting.models import CAUSE, NO_CAUSE, WHY, Alert, What
from services.alerting.telling import PLATFORM, Draft

_TITLE_LIMIT = 160
_LINE_LIMIT = 300
_TEXT_LIMIT = 1200
REPEATED = (
    "This may be a repeat: the platform was ended while it sent this, and does not know whether it "
    "arrived."
)


def moment(at: float) -> str:
    """Return a time for a sentence: UTC, to the minute."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def length(seconds: float) -> str:
    """Return a length of time for a sentence: ``90 minutes``, ``4 hours``, ``1 day``."""
    for unit_s, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= unit_s and seconds % unit_s == 0:
            count = round(seconds / unit_s)
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{seconds:g} seconds"


def title(draft: Draft) -> str:
    """Return the one line that people see first."""
    first, count = draft.alerts[0], len(draft.alerts)
    where = first.project or PLATFORM
    if count == 1:
        word = {"resolved": "Resolved", "reminder": "Still"}.get(_what(draft, first))
        lead = word or first.severity.capitalize()
        return _cut(f"{lead}: {_named(first)} [{where}]", _TITLE_LIMIT)
    projects = len({one.project for one in draft.alerts})
    where = where if projects == 1 else f"{projects} projects"
    if draft.what == "digest":
        lead = f"{count:,} alerts of {where}: {_counted(draft.alerts)}"
        return _cut(f"{lead}; first {_named(first)}", _TITLE_LIMIT)
    word = {"resolved": "resolved", "reminder": "still open"}.get(draft.what, "alerts")
    noun = "alerts " if word != "alerts" else ""
    lead = f"{count:,} {noun}{word}"
    return _cut(f"{lead} [{where}]: {_counted(draft.alerts)}; first {_named(first)}", _TITLE_LIMIT)


def body(draft: Draft, base: str, listed: int) -> str:
    """Return the text.

    Args:
        draft: What is told.
        base: The address of the dashboard, without an end slash; empty: not known.
        listed: How many alerts are told one by one.
    """
    if len(draft.alerts) == 1:
        return _whole(draft.alerts[0], _what(draft, draft.alerts[0]), base)
    lines = [_line(one, _what(draft, one)) for one in draft.alerts[:listed]]
    rest = draft.alerts[listed:]
    if rest:
        kinds = Counter(f"{one.kind} of {one.project or PLATFORM}" for one in rest)
        most = ", ".join(f"{count:,} × {name}" for name, count in kinds.most_common(5))
        more = f" and {len(kinds) - 5} more kinds" if len(kinds) > 5 else ""
        lines.append(f"… and {len(rest):,} more: {most}{more}.")
    lines.append(f"All of them: {base}/alerts" if base else "`mlops alerts list` lists them.")
    return "\n".join(lines)


def _what(draft: Draft, alert: Alert) -> What:
    if draft.what != "digest":
        return draft.what
    return "firing" if alert.open else "resolved"


def _whole(alert: Alert, what: What, base: str) -> str:
    where = f"project {alert.project}" if alert.project else "the whole platform"
    if what == "resolved":
        begun = f"It lasted from {moment(alert.since)} to {moment(alert.resolved_at or 0)}"
        lines = [alert.resolution or "It is well again.", f"{begun}, {where}."]
    else:
        times = f", seen {alert.count:,} times" if alert.count > 1 else ""
        lines = [
            alert.said or alert.title,
            f"Where: {where}. Since {moment(alert.since)}{times}.",
            f"Likely cause: {alert.cause}" if alert.cause else "",
            f"What to do: {alert.suggestion}" if alert.suggestion else "",
        ]
        if alert.left_by is not None:
            until = moment(alert.left_at or alert.since)
            lines.insert(1, f"Acknowledged by {alert.left_by} until {until}, still open.")
        elif what == "reminder":
            lines.insert(1, "Nobody has acknowledged it.")
    lines.append(f"{base}{alert.link}" if base and alert.link else "")
    why = alert.labels.get(WHY, "") if alert.open else ""
    lines.append(f"{why_label(alert)}: {base}{why}" if base and why else "")
    story = f" or {base}/alerts?alert={alert.id}" if base else ""
    lines.append(f"Alert {alert.id}: `mlops alerts show {alert.id}`{story}")
    return "\n".join(_cut(line, _TEXT_LIMIT) for line in lines if line)


def why_label(alert: Alert) -> str:
    """Return what its link to the search for its cause leads to."""
    found = alert.labels.get(CAUSE) != NO_CAUSE
    return "Why, with its chart" if found else "What was looked at for its cause"


def _line(alert: Alert, what: What) -> str:
    where = alert.project or PLATFORM
    if what == "resolved":
        return _cut(f"· Resolved: {_named(alert)} [{where}]. {alert.resolution}", _LINE_LIMIT)
    since = moment(alert.since)
    if alert.left_by is not None:
        since += f", acknowledged by {alert.left_by}, still open"
    line = f"· {alert.severity.capitalize()}: {_named(alert)} [{where}], since {since}."
    return _cut(f"{line} {alert.suggestion or alert.said}".strip(), _LINE_LIMIT)


def _counted(alerts: Sequence[Alert]) -> str:
    counts = Counter(one.severity if one.open else "resolved" for one in alerts)
    return ", ".join(
        f"{counts[word]:,} {word}" for word in ("critical", "warning", "info", "resolved")
        if counts[word]
    )  # fmt: skip


def _named(alert: Alert) -> str:
    return alert.title or alert.key


def _cut(text: str, limit: int) -> str:
    # Half of a character, as a run's name may hold it, can be neither kept nor sent.
    line = " ".join(text.encode(errors="replace").decode().split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
