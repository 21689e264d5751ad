"""Quotas: hours of one heavy slot that a project may use in a window that slides."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.workflows.models import Job, Rules, Share, Use
from services.workflows.words import hours

_STEPS = 50


@dataclass(frozen=True, slots=True)
class QuotaHold:
    """A job that its project's quota does not let start."""

    job: Job
    used_s: float
    quota_s: float
    free_at: float | None
    """When enough of the use has left the window; None: the job alone is more than the quota."""
    said: str


def window_use_s(uses: Iterable[Use], now: float, rules: Rules) -> float:
    """Return slot-seconds in the window, what running jobs are expected to take yet included.

    Counting the rest beforehand keeps two jobs that start together from going over the quota.
    """
    return sum(_in_window(use, now, now, rules) for use in uses)


def quota_hold(
    job: Job, share: Share, uses: Sequence[Use], now: float, rules: Rules
) -> QuotaHold | None:
    """Return why the quota holds a job, None when it does not.

    It starts when what was used and what it is expected to take stay within the quota; one that
    nobody knows the length of starts while anything is left.

    Args:
        job: It waits.
        share: Its project's.
        uses: Of its project alone.
        now: The time.
        rules: The window.
    """
    if share.quota_hours is None:
        return None
    quota_s = share.quota_hours * 3600
    expected_s = job.cost * (job.expected_s or 0.0)
    used_s = window_use_s(uses, now, rules)
    if _allows(used_s, expected_s, quota_s):
        return None
    days = f"{rules.quota_window_s / 86400:g} days"
    if expected_s > quota_s or not quota_s:
        said = (
            f"It can never start within the quota: it takes about {hours(expected_s)}, and "
            f"{job.project} may use {hours(quota_s)} in {days}."
        )
        return QuotaHold(job, used_s, quota_s, None, said)
    free_at = _free_at(expected_s, quota_s, uses, now, rules)
    said = (
        f"{job.project} used {hours(used_s)} of the {hours(quota_s)} it may use in {days}"
        f"{f', and this takes about {hours(expected_s)}' if expected_s else ''}."
    )
    return QuotaHold(job, used_s, quota_s, free_at, said)


def _allows(used_s: float, expected_s: float, quota_s: float) -> bool:
    return used_s + expected_s <= quota_s if expected_s else used_s < quota_s


def _free_at(
    expected_s: float, quota_s: float, uses: Sequence[Use], now: float, rules: Rules
) -> float:
    """Return the first time at which the quota allows it, if nothing else starts before.

    What is in the window only gets less, so halving finds it; to a second of a week after 20 steps.
    """
    longest = max((_ends(use, now, rules) for use in uses), default=now)
    low, high = now, max(now, longest) + rules.quota_window_s
    for _ in range(_STEPS):
        middle = (low + high) / 2
        used_s = sum(_in_window(use, middle, now, rules) for use in uses)
        if _allows(used_s, expected_s, quota_s):
            high = middle
        else:
            low = middle
    return high


def _in_window(use: Use, at: float, now: float, rules: Rules) -> float:
    begin = max(use.begin, at - rules.quota_window_s)
    return use.cost * max(0.0, _ends(use, now, rules) - begin)


def _ends(use: Use, now: float, rules: Rules) -> float:
    if use.end is not None:
        return use.end
    whole = rules.unknown_s if use.expected_s is None else use.expected_s
    return max(now, use.begin + whole)
