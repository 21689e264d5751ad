"""What is known of a version that answers and was not checked for drift yet."""

from dataclasses import dataclass
from datetime import UTC, datetime

PERIOD_S = 3600.0
"""Rounds of checks come each hour,"""
GRACE_S = 900.0
"""so much later where the controller has to step in,"""
RETRY_S = 600.0
"""and so soon after one that came to nothing."""


@dataclass(frozen=True, slots=True)
class Unchecked:
    """One such version. Times: seconds since 1970."""

    version: int
    since: float | None
    """When it began to answer; None: not known."""
    due: float
    """When its first check is there at the latest, if all goes well."""
    paused: bool = False
    """Whether the workflow that makes the rounds is paused."""
    error: str = ""
    """Why it could not be checked, when that was tried."""


def due(began: float | None, failed_at: float | None, watched_since: float) -> float:
    """Return when the next round has begun at the latest.

    Args:
        began: When the last round that went to its end began; None: there was none.
        failed_at: When one came to nothing, if the last one did.
        watched_since: Since when somebody looks for rounds.
    """
    if failed_at is not None:
        return failed_at + RETRY_S + GRACE_S
    if began is None:
        return watched_since + GRACE_S
    return began + PERIOD_S + GRACE_S


def said(one: Unchecked, now: float) -> str:
    """Return it as a sentence."""
    answers = f"Version {one.version} answers"
    if one.since is not None:
        answers += f" since {_moment(one.since, now)} UTC"
    if one.error:
        return f"{answers}, and could not be checked: {one.error}"
    if one.paused:
        return (
            f"{answers} and was not checked yet; no check comes while the workflow "
            "platform.monitor is paused (`mlops workflows resume platform.monitor`)."
        )
    if now > one.due:
        return (
            f"{answers} and was not checked yet, though a check was due by {_moment(one.due, now)} "
            "UTC; `mlops logs controller` may say why."
        )
    return (
        f"{answers} and was not checked yet; its first check is due by {_moment(one.due, now)} UTC."
    )


def _moment(at: float, now: float) -> str:
    then, today = (datetime.fromtimestamp(one, UTC) for one in (at, now))
    return f"{then:%H:%M}" if then.date() == today.date() else f"{then:%Y-%m-%d %H:%M}"
