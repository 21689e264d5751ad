"""What a deployment promises and how it stands: budgets, burn rates, and what the machine did.

All of it comes from the prediction log and the journal, so it is there while engines are not.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import promised, scope
from dashboard.charts import timeline
from dashboard.charts.timeline import Line, Panel
from dashboard.components import notices, tables
from dashboard.components.status import Look
from dashboard.monitoring import promising
from dashboard.numbers import count, moment, number, percent
from dashboard.text import plain
from services.errors import MlopsError
from services.objectives.course import Course, course, of_time
from services.objectives.hosts import FACTORS, NO_ENERGY
from services.objectives.models import Burn, Objective, Standing, State, span

if TYPE_CHECKING:
    from services.objectives.hosts import AtLevel, ByState, Efficiency, Factor

_LONGEST = timedelta(days=30)
_STEPS = 120
_OUTAGES = 5
_LOOKS: dict[State, Look] = {
    "met": Look("check_circle", "green", "met"),
    "at risk": Look("warning", "orange", "at risk"),
    "missed": Look("cancel", "red", "missed"),
    "unknown": Look("help", "gray", "unknown"),
}
_SOURCES = {
    "default": "the platform's default", "project": "said of the whole project",
    "model": "said of this model",
}  # fmt: skip


def draw(project: str, model: str, version: int | None) -> None:
    """Draw objectives, their budgets, latency by the state of the machine, throughput per watt.

    Args:
        project: Of the deployment.
        model: Its model.
        version: What the machine did is told of this one; None: of all. Objectives are those of the
            deployment: who asks does not choose a version.
    """
    try:
        _objectives(project, model)
        _machine(project, model, version)
    except MlopsError as error:
        notices.problem(error)


# Objectives


def _objectives(project: str, model: str) -> None:
    off = notices.why_off("controller")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Objectives", width="stretch")
        promising.set_button(project, model, off)
    found = promised.standings(project, model)
    for one in found:
        _standing(one, off)
    _burn_down(project, model, [one for one in found if one.budget_left is not None])


def _standing(one: Standing, off: str | None) -> None:
    look = _LOOKS[one.state]
    with st.container(border=True, key=f"promise-{one.objective.kind}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{promising.word(one.objective.kind)}**", width="content")
            st.badge(look.word, icon=f":material/{look.icon}:", color=look.colour)
            st.caption(
                plain(f"{one.objective.said} · {_source(one.objective)}", 300), width="stretch"
            )
            promising.remove_button(one, off)
        if one.budget_left is not None:
            st.progress(one.budget_left, text=_left(one))
        st.markdown(plain(one.said, 600))
        if one.burns and one.requests:
            nobody = "nobody watched" if one.objective.kind == "availability" else "nobody asked"
            st.caption(" · ".join(_rate(burn, nobody) for burn in one.burns))
        if one.objective.kind == "availability" and one.bad:
            _outages(one)


def _outages(one: Standing) -> None:
    found = promised.watched(one.project, one.model).outages(one.since or 0.0)
    said = " · ".join(
        f"{moment(_time(run.since))}, {number((run.until - run.since) / 60, 2)} min"
        for run in found[:_OUTAGES]
    )
    more = len(found) - _OUTAGES
    st.caption(f"Out of service: {said}{f' · and {more} times more' if more > 0 else ''}")


def _source(objective: Objective) -> str:
    by = f" by {objective.set_by}" if objective.set_by else ""
    return f"{_SOURCES[objective.source]}{by}"


def _left(one: Standing) -> str:
    if one.spent is not None and one.spent > 1:
        return f"Nothing is left of the budget: {number(one.spent, 3)} times as much was spent"
    return f"{percent(one.budget_left)} of the budget is left"


def _rate(burn: Burn, nobody: str) -> str:
    where = f"{span(burn.long_s)} and {span(burn.short_s)}"
    if burn.long is None:
        return f"{where}: {nobody}"
    lately = nobody if burn.short is None else number(burn.short, 2)
    said = f"{where}: burns {number(burn.long, 2)} and {lately}, an alert from {burn.bound:.3g} on"
    if burn.state == "firing":
        colour = "red" if burn.severity == "critical" else "orange"
        return f":{colour}[:material/local_fire_department: {said}]"
    return said if burn.state == "quiet" else f"{said} (too few to say)"


def _burn_down(project: str, model: str, found: Sequence[Standing]) -> None:
    if not found:
        return
    now = time.time()
    begin = now - max(one.objective.window_s for one in found)
    bound = next((o.objective.bound_ms for o in found if o.objective.bound_ms is not None), None)
    minutes = promised.minutes(project, model, begin, now, bound)
    courses = [
        (
            one.objective,
            of_time(promised.watched(project, model), one.objective, now)
            if one.objective.kind == "availability"
            else course(minutes, one.objective, now),
        )
        for one in found
    ]
    panels = [_budget(objective, known) for objective, known in courses if known is not None]
    timeline.draw(panels, _time(begin), _time(now), key="objective-burn-down")
    st.caption(
        "What was left of each budget as its window went by; below the dashed line it is spent "
        "faster than it may be. To the minute, from the prediction log; availability from what the "
        "controller saw."
    )


def _budget(objective: Objective, found: Course) -> Panel:
    times = [_time(at) for at in found.at]
    even = [100.0 * (1 - place / (len(times) - 1)) for place in range(len(times))]
    left = [100.0 * one for one in found.left]
    return Panel(
        f"Budget of {objective.kind}",
        "% left",
        [Line("left", times, left), Line("even pace", times, even, dashed=True, colour=3)],
        bottom=min(0.0, *left),
    )


# The machine


def _machine(project: str, model: str, version: int | None) -> None:
    of = "" if version is None else f" of version {version}"
    st.subheader(f"What the machine did to answers{of}")
    end = datetime.now(UTC).replace(second=0, microsecond=0)
    begin = max(scope.current().since or end - _LONGEST, end - _LONGEST)
    since, until = begin.timestamp(), end.timestamp() + 60
    found = promised.by_state(project, model, since, until, version)
    _by_state(found)
    step_s = max(60.0, (until - since) / _STEPS // 60 * 60)
    _energy(promised.efficiency(project, model, since, until, step_s, version), begin, end)


def _by_state(found: "ByState") -> None:
    rows = [_row(one) for factor in FACTORS for one in found.of(factor)]
    if rows:
        st.markdown("**Latency by the state of the machine**")
        tables.table(
            rows,
            {
                "factor": "State of the machine",
                "level": "Level",
                "answers": "Answers",
                "p50": "p50",
                "p95": "p95",
                "energy": "Energy of 1,000",
            },
            key="objective-states",
        )
    for factor, title in FACTORS.items():
        why = found.why_none(factor)
        if why:
            st.caption(f"{title}: unavailable, because {plain(why, 300)}")


def _row(one: "AtLevel") -> dict[str, object]:
    return {
        "factor": FACTORS[one.factor],
        "level": _level(one.factor, one),
        "answers": count(one.requests),
        "p50": f"{number(one.p50_ms, 3)} ms",
        "p95": f"{number(one.p95_ms, 3)} ms",
        "energy": "–" if one.energy_j is None else f"{number(one.energy_j * 1000, 3)} J",
    }


def _level(factor: "Factor", one: "AtLevel") -> str:
    return one.word if factor == "low_power_mode" else f"{one.level} ({one.word})"


def _energy(found: Sequence["Efficiency"], begin: datetime, end: datetime) -> None:
    known = [one for one in found if one.per_watt is not None]
    if not known:
        why = NO_ENERGY if found else "nobody asked it in this stretch."
        st.caption(f"Throughput per watt and energy: unavailable, because {why}")
        return
    times = [_time(one.at) for one in found]
    per_watt = [one.per_watt for one in found]
    energy = [one.per_thousand_j for one in found]
    timeline.draw(
        [
            Panel(
                "Predictions a second per watt", "1/(s·W)", [Line("throughput", times, per_watt)]
            ),
            Panel("Energy of 1,000 predictions", "J", [Line("energy", times, energy, colour=1)]),
        ],
        begin,
        end,
        key="objective-energy",
    )
    rows, joules = sum(o.energy_rows for o in known), sum(o.energy_j or 0.0 for o in known)
    st.caption(
        f"{count(rows)} predictions took {number(joules, 3)} J, "
        f"{number(joules / rows * 1000, 3)} J a thousand: {number(rows / joules, 3)} a second per "
        "watt. Allocated: the power of CPU, GPU and Neural Engine over the model's busy time."
    )


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
