"""What a notification says: what, where, since when, the likely cause, what to do, a link."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from services.alerting.models import CAUSE, NO_CAUSE, WHY, Alert, What
from services.alerting.telling import PLATFORM, Draft

_NONE_YET = "none found yet."
"""What is said of the cause of what lasts and has none."""
REPEATED = (
    "This may be a repeat: the platform was ended while it sent this, and does not know whether it "
    "arrived."
)
CHARTS = "/monitoring?"
"""So begins the address of a cause's chart; other causes have a page that shows them."""
_TITLE_LIMIT = 160
_LINE_LIMIT = 300
_TEXT_LIMIT = 1200
_LEFT_OUT = "… and {} more, for which this service has no room."


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
    """Return the text: of several alerts a paragraph each, the worst first.

    Args:
        draft: What is told.
        base: The address of the dashboard, without an end slash; empty: not known.
        listed: How many alerts are told one by one; of the rest it says how many there are.
    """
    if len(draft.alerts) == 1:
        return _whole(draft.alerts[0], _what(draft, draft.alerts[0]), base)
    parts = [
        _one_of(place, one, _what(draft, one), base)
        for place, one in enumerate(draft.alerts[:listed], 1)
    ]
    end = f"All of them: {base}/alerts" if base else "`mlops alerts list` lists them."
    rest = draft.alerts[listed:]
    parts.append(f"{_rest(rest)}\n{end}" if rest else end)
    return "\n\n".join(parts)


def fitted(text: str, limit: int) -> str:
    """Return a text for a service that takes so many characters: its end, the link, stays.

    Whole paragraphs go first, the last ones; where one alone is too long, lines do.
    """
    if len(text) <= limit:
        return text
    for mark, what in (("\n\n", ""), ("\n", " lines")):
        *parts, end = text.split(mark)
        room = limit - len(mark.join(("", _LEFT_OUT.format(f"{len(parts):,}{what}"), end)))
        kept: list[str] = []
        for part in parts:
            room -= len(part) + (len(mark) if kept else 0)
            if room < 0:
                break
            kept.append(part)
        if kept:
            left = f"{len(parts) - len(kept):,}{what}"
            return mark.join((*kept, _LEFT_OUT.format(left), end))
    return f"{text[: max(0, limit - 1)]}…"


def cause(alert: Alert) -> str:
    """Return the likely cause of what lasts, or that none was found yet."""
    return alert.cause or _NONE_YET


def _what(draft: Draft, alert: Alert) -> What:
    if draft.what != "digest":
        return draft.what
    return "firing" if alert.open else "resolved"


def _whole(alert: Alert, what: What, base: str) -> str:
    where = f"project {alert.project}" if alert.project else "the whole platform"
    if what == "resolved":
        lines = [alert.resolution or "It is well again.", f"{_lasted(alert)}, {where}."]
    else:
        times = f", seen {alert.count:,} times" if alert.count > 1 else ""
        lines = [
            alert.said or alert.title,
            _standing(alert, what),
            f"Where: {where}. Since {moment(alert.since)}{times}.",
            f"Likely cause: {cause(alert)}",
            f"What to do: {alert.suggestion}" if alert.suggestion else "",
        ]
    lines.append(f"{base}{alert.link}" if base and alert.link else "")
    lines.append(_chart(alert, base))
    story = f" or {base}/alerts?alert={alert.id}" if base else ""
    lines.append(f"Alert {alert.id}: `mlops alerts show {alert.id}`{story}")
    return "\n".join(_cut(line, _TEXT_LIMIT) for line in lines if line)


def why_label(alert: Alert) -> str:
    """Return what the link to its first cause, or to the search for it, leads to."""
    if alert.labels.get(CAUSE) == NO_CAUSE:
        return "What was looked at for its cause"
    found = alert.labels.get(WHY, "").startswith(CHARTS)
    return "Why, with its chart" if found else "What shows why"


def _one_of(place: int, alert: Alert, what: What, base: str) -> str:
    """Return an alert among several: what, where, since when, why, what to do, a link."""
    name, where = _cut(_named(alert), _TITLE_LIMIT), alert.project or PLATFORM
    shown = alert.link or f"/alerts?alert={alert.id}"
    link = f"{base}{shown}" if base else f"`mlops alerts show {alert.id}`"
    if what == "resolved":
        lines = [
            f"{place}. Resolved: {name} [{where}]",
            f"{alert.resolution or 'It is well again.'} {_lasted(alert)}.",
        ]
    else:
        lines = [
            f"{place}. {alert.severity.capitalize()}: {name} [{where}], "
            f"since {moment(alert.since)}",
            alert.said,
            _standing(alert, what),
            f"Likely cause: {cause(alert)}",
            f"What to do: {alert.suggestion}" if alert.suggestion else "",
        ]
    told = [_cut(line, _LINE_LIMIT) for line in lines if line]
    return "\n".join(
        (*told, *(_cut(one, _TEXT_LIMIT) for one in (link, _chart(alert, base)) if one))
    )


def _chart(alert: Alert, base: str) -> str:
    """Return where its first cause is shown; empty: none was searched for, or it is over."""
    why = alert.labels.get(WHY, "") if alert.open else ""
    if not base or not why:
        return ""
    return f"{why_label(alert)}: {base}{why}"


def _standing(alert: Alert, what: What) -> str:
    """Return who looks after what is told again."""
    if alert.left_by is not None:
        until = moment(alert.left_at or alert.since)
        return f"Acknowledged by {alert.left_by} until {until}, still open."
    return "Nobody has acknowledged it." if what == "reminder" else ""


def _lasted(alert: Alert) -> str:
    return f"It lasted from {moment(alert.since)} to {moment(alert.resolved_at or 0)}"


def _rest(alerts: Sequence[Alert]) -> str:
    kinds = Counter(f"{one.kind} of {one.project or PLATFORM}" for one in alerts)
    most = ", ".join(f"{count:,} × {name}" for name, count in kinds.most_common(5))
    more = f" and {len(kinds) - 5} more kinds" if len(kinds) > 5 else ""
    return f"… and {len(alerts):,} more: {most}{more}."


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
