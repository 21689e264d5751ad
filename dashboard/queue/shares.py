"""Who had how much of the machines, and how much they were due."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import streamlit as st

from dashboard import state
from dashboard.charts.theme import colours
from dashboard.components import notices
from dashboard.components.live import live
from dashboard.numbers import percent
from dashboard.queue import history, shares_chart, stretches
from dashboard.queue.access import Queue
from dashboard.queue.stretches import Window
from dashboard.scope import Scope
from services.workflows import recorded
from services.workflows.models import Rules, Use
from services.workflows.whatif import use_over_time

OTHERS = ""
"""Stands for all projects that the person may not see."""
_BUCKETS: Mapping[str, int] = {"1h": 12, "6h": 24, "24h": 24, "7d": 28, "30d": 30, "all": 28}
_QUOTA = timedelta(seconds=Rules().quota_window_s)
_LIVE_S = 30.0


@dataclass(frozen=True, slots=True)
class Part:
    """What one project had and was due. Slot-seconds by stretch of time."""

    project: str
    used: tuple[float, ...]
    due: tuple[float, ...]
    weight: float | None
    priority: int | None
    quota_hours: float | None
    quota_used_s: float
    """In the window that quotas count."""
    share: float | None
    """Of what counts now: use that decays, 0–1."""
    due_share: float | None
    waiting: int


def draw(where: Scope, queue: Queue) -> None:
    """Draw it, again as jobs end."""
    live(_draw, _LIVE_S)(where, queue)


def _draw(where: Scope, queue: Queue) -> None:
    now = datetime.now(UTC)
    shown = stretches.window(where, now)
    made = parts(queue, shown, _BUCKETS[where.span])
    mine = [one for one in made if where.project in (None, one.project)]
    if not any(sum(one.used) for one in made):
        notices.empty(
            "No heavy job ran",
            f"Nothing took a slot of the machines {shown.sentence}. A wider time range may show "
            "more.",
            icon="pie_chart",
            command="mlops run PROJECT",
        )
    else:
        _chart(made, queue, shown)
    if mine:
        st.html(shares_chart.rows(mine, queue.titles, colours()))
        st.caption(_fineprint(made, shown))


def _chart(made: Sequence[Part], queue: Queue, shown: Window) -> None:
    whole = sum(sum(one.used) for one in made) / 3600
    st.markdown(f"**{whole:,.1f} slot-hours {shown.sentence}**, by project")
    st.echarts_chart(
        shares_chart.stacked(made, queue.titles, shown, colours()),
        height=260,
        key="queue-shares",
        alt=f"Slot-hours of {len(made)} projects over time, stacked",
    )


def _fineprint(made: Sequence[Part], shown: Window) -> str:
    worst = max(made, key=lambda one: abs(sum(one.used) - sum(one.due)))
    whole = sum(sum(one.used) for one in made)
    told = ""
    if whole:
        far = abs(sum(worst.used) - sum(worst.due)) / whole
        told = f"Farthest from its due {shown.sentence}: {percent(far, 1)} of all use. "
    return (
        f"{told}A slot-hour is an hour of one heavy slot, or as much of the memory. Due is by "
        "weight, and never more than what a project used or waited for; what it does not want goes "
        "to the others. “Counts now” decays: use of a day ago counts half, and the least of it by "
        "weight goes next."
    )


def parts(queue: Queue, shown: Window, buckets: int) -> tuple[Part, ...]:
    """Return all projects that had or were due anything, those the person may not see as one."""
    back = history.minute(_QUOTA)
    found = history.since(min(back, shown.start), queue.decided)
    now = shown.end.timestamp()
    uses = recorded.uses(found.tasks, found.declared, found.hosts, now)
    used = use_over_time(uses, shown.start.timestamp(), now, buckets)
    waited = recorded.wanted_over_time(found.waits, shown.start.timestamp(), now, buckets)
    given = {str(one["project"]): one for one in queue.decided.shares}
    weights = {name: float(one["weight"]) for name, one in given.items()}
    due = recorded.due_over_time(used, waited, weights)
    quota = _since(uses, back.timestamp(), now)
    empty = (0.0,) * buckets
    made = []
    for name in sorted({*given, *due}):
        one = given.get(name, {})
        made.append(
            Part(
                name,
                used.get(name, empty),
                due.get(name, empty),
                one.get("weight"),
                one.get("priority"),
                one.get("quota_hours"),
                quota.get(name, 0.0),
                one.get("share"),
                one.get("due"),
                int(one.get("waiting") or 0),
            )
        )
    return veiled(made, state.visible_projects())


def veiled(made: Sequence[Part], mine: Sequence[str] | None) -> tuple[Part, ...]:
    """Return the projects with those that the person may not see put together, without names."""
    if mine is None:
        return tuple(made)
    hidden = [one for one in made if one.project not in mine]
    own = tuple(one for one in made if one.project in mine)
    if not hidden:
        return own
    together = Part(
        OTHERS,
        tuple(map(sum, zip(*(one.used for one in hidden), strict=True))),
        tuple(map(sum, zip(*(one.due for one in hidden), strict=True))),
        None,
        None,
        None,
        0.0,
        _sum([one.share for one in hidden]),
        _sum([one.due_share for one in hidden]),
        sum(one.waiting for one in hidden),
    )
    return (*own, together)


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _since(uses: Sequence[Use], begin: float, end: float) -> dict[str, float]:
    return {name: sum(row) for name, row in use_over_time(uses, begin, end, 1).items()}
