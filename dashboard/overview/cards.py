"""A project at a glance: its state, its best result, its champion and what went wrong."""

from typing import Literal

import streamlit as st

from dashboard import navigation
from dashboard.components import status
from dashboard.experiments.units import figure, unit_of
from dashboard.numbers import Delta, age, counted, delta
from dashboard.overview import spark
from dashboard.overview.access import BadEnds
from dashboard.registry.marks import told
from dashboard.text import plain
from services.mirror.models import Best, ProjectSummary

_BLANK = "\u00a0"
"""At which no line is broken."""


def draw(project: ProjectSummary, bad: BadEnds) -> None:
    """Draw one project, in few elements: the browser takes its time for each, whatever is in it."""
    navigation.link("project", f"**{plain(project.title, 48)}**", hover="", id=project.id)
    if project.best is None:
        _no_result(project)
    else:
        _result(project, project.best)
    last = f"last run {age(project.last_run_at)}".replace(" ", _BLANK)
    st.markdown(
        f":small[:gray[{facts(project)}]]  \n"
        f"{' '.join(badges(project, bad))} :small[:gray[{last}]]",
        help=plain(" ".join(project.reasons)) or None,
    )


def _no_result(project: ProjectSummary) -> None:
    metric = project.primary_metric
    label = f"Best {metric}" if metric else "Best result"
    why = "No finished run has logged it." if metric else "The project declares no primary metric."
    st.metric(plain(label, 60), "no result", help=why)


def _result(project: ProjectSummary, best: Best) -> None:
    change = delta(best.value, best.previous, best.goal, unit_of(best.metric))
    arrow = "↑" if best.goal == "max" else "↓"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        st.metric(
            f"{plain(best.metric, 40)} {arrow}",
            figure(best.metric, best.value),
            delta=change.text.replace("−", "-") if change else None,  # else it reads as a rise
            delta_color=_colour(change),
            delta_description="vs best before" if change else None,
        )
        spark.draw(best.metric, project.trend, best.baseline)


def _colour(change: Delta | None) -> Literal["off", "normal", "inverse"]:
    if change is None or change.good is None:
        return "off"
    return "normal" if change.good != change.text.startswith("−") else "inverse"


def facts(project: ProjectSummary) -> str:
    """Return how the best stands to the baseline, and what is promoted, as markdown."""
    parts = [against_baseline(project.best)] if project.best else []
    if project.champion is not None:
        parts.append(f"champion v{project.champion.version}")
    elif project.versions:
        parts.append("no champion")
    return " · ".join([*parts, counted(project.runs, "run")])


def against_baseline(best: Best) -> str:
    """Return how the best result differs from the baseline's, as markdown."""
    change = delta(best.value, best.baseline, best.goal, unit_of(best.metric))
    if change is None:
        return "no baseline"
    if change.good is None:
        return "not better than baseline"
    return f":{change.colour}[{plain(told(change))}] than baseline"


def badges(project: ProjectSummary, bad: BadEnds) -> list[str]:
    """Return badges for the project's state and for the runs that run, failed or were lost."""
    counts = (("running", project.running), ("failed", bad.failed), ("lost", bad.lost))
    return [
        status.inline(project.state),
        *(_count_badge(state, value) for state, value in counts if value),
    ]


def _count_badge(state: str, value: int) -> str:
    shown = status.look(state)
    return f":{shown.colour}-badge[:material/{shown.icon}: {value:,} {shown.word}]"
