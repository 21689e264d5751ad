"""A project as a card and in full."""

import shlex
from collections.abc import Iterable

import streamlit as st

from dashboard import navigation
from dashboard.charts.small import lines
from dashboard.components import notices, status, tiles
from dashboard.numbers import age, count, counted, delta, number, percent
from dashboard.text import plain
from services.mirror.models import ProjectSummary


def card(project: ProjectSummary) -> None:
    """Draw a project in a few lines, with what is wrong with it."""
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    ):
        navigation.link("project", f"**{plain(project.title, 60)}**", id=project.id)
        status.badge(project.state)
    st.caption(_kind(project))
    if project.conformance is not None:
        st.progress(project.conformance, text=f"Conformance {percent(project.conformance)}")
    else:
        st.caption("Conformance could not be read")
    if project.reasons:
        shown = status.look(project.state)
        st.caption(f":{shown.colour}[:material/{shown.icon}: {plain(project.reasons[0], 160)}]")
    elif project.best is not None:
        st.caption(f"Best {plain(project.best.metric, 40)} **{number(project.best.value)}**")
    st.caption(
        f"{counted(project.runs, 'run')} · {counted(project.models, 'model')} · "
        f"last run {age(project.last_run_at)}"
    )


def detail(project: ProjectSummary) -> None:
    """Draw everything known of a project."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title(plain(project.title, 80), anchor=False, width="content")
        status.badge(project.state)
    st.caption(_kind(project))
    for reason in project.reasons:
        st.warning(plain(reason, 500), icon=":material/warning:")
    _figures(project)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _checks(project)
        _trend(project)
    with right:
        _facts(project)


def summary_line(projects: Iterable[ProjectSummary]) -> str:
    """Return how many projects are in which state, as badges."""
    counts: dict[str, int] = {}
    for project in projects:
        counts[project.state] = counts.get(project.state, 0) + 1
    return " ".join(status.inline(state, f"{number}") for state, number in counts.items())


def _kind(project: ProjectSummary) -> str:
    kind = f" · {plain(project.kind)}" if project.kind else ""
    return f"{plain(project.id)}{kind} · priority {project.priority}"


def _figures(project: ProjectSummary) -> None:
    with st.grid(4, min_column_width=190):
        tiles.tile(
            "Conformance",
            percent(project.conformance) if project.conformance is not None else None,
            why="Share of the checks below that hold.",
        )
        tiles.tile("Runs", count(project.runs), why=_run_words(project))
        tiles.tile(
            "Versions",
            count(project.versions),
            why=f"In {counted(project.models, 'model')}.",
        )
        best = project.best
        tiles.tile(
            f"Best {project.primary_metric or 'result'}",
            number(best.value) if best else None,
            delta=delta(best.value, best.previous, best.goal) if best else None,
            versus="vs the best before",
            why="Best finished run by the primary metric."
            if best
            else "No finished run has logged the primary metric.",
        )


def _run_words(project: ProjectSummary) -> str:
    counts = {"running": project.running, "failed": project.failed, "lost": project.lost}
    return ", ".join(f"{value} {word}" for word, value in counts.items())


def _checks(project: ProjectSummary) -> None:
    st.subheader("Conformance")
    if not project.checks:
        notices.empty(
            "No check has been made",
            "The controller checks a project when it finds its folder.",
            icon="rule",
            command=f"mlops projects check {shlex.quote(project.id)}",
        )
        return
    for what, holds, mend in sorted(project.checks, key=lambda check: check[1]):
        look = status.look("passed" if holds else "problem")
        st.markdown(f":{look.colour}[:material/{look.icon}:] {notices.advice(what)}")
        if not holds:
            with st.container(horizontal=True, gap="xsmall"):
                st.space(20)
                st.caption(f"**Mend:** {notices.advice(mend)}")


def _trend(project: ProjectSummary) -> None:
    if len(project.trend) < 2 or project.primary_metric is None:
        return
    st.subheader("Recent results")
    lines(
        {project.primary_metric: (range(1, len(project.trend) + 1), project.trend)},
        key="project-trend",
        unit=project.primary_metric,
        x_name="finished runs, oldest first",
    )


def _facts(project: ProjectSummary) -> None:
    st.subheader("Contract")
    metric = project.primary_metric
    goal = "higher is better" if project.goal == "max" else "lower is better"
    st.markdown(f"**Primary metric**  \n{plain(metric)}, {goal}" if metric else "No primary metric")
    st.markdown("**Gates before promotion**")
    for name, bound in project.gates.items():
        st.markdown(f"- {plain(name)} {plain(bound)}")
    if not project.gates:
        st.caption("None: any version may be promoted.")
    st.markdown("**Folder**")
    st.code(project.path or "unknown", language=None, wrap_lines=True)
    champion = project.champion
    st.markdown("**Champion**")
    if champion is None:
        st.caption("No version is promoted.")
    else:
        st.markdown(f"{plain(champion.name)} version {champion.version}")
    if navigation.has("experiments"):
        navigation.link("experiments", "Its runs", icon="science", project=project.id)
    if navigation.has("registry"):
        navigation.link("registry", "Its models", icon="deployed_code", project=project.id)
