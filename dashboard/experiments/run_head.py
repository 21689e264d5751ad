"""The head of a run: what it is, how it stands, its main figures; for the page and the drawer."""

from collections.abc import Mapping

import streamlit as st

from dashboard import navigation, state
from dashboard.components import ages, status, tiles
from dashboard.experiments.environment import backend_title, environment_of
from dashboard.experiments.units import figure
from dashboard.numbers import UNKNOWN, age, delta, duration, size
from dashboard.text import plain
from services.mirror.models import ProjectSummary, Run, RunDetail
from services.mirror.projects import Goal

_GIST = 12


def name_of(run: Run) -> str:
    """Return a run's name, or the start of its id when it has none."""
    return run.name or run.run_id[:8]


def title(run: Run) -> None:
    """Draw name, state and kind of a run."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title(plain(name_of(run), 120), width="content")
        status.badge(run.status, why=run.status_reason)
        if run.archived:
            status.badge("archived")
        if run.baseline:
            st.badge("baseline", icon=":material/flag:", color="gray")
    st.caption(_line(run))
    if run.status == "lost":
        st.warning(
            "**MLflow says this run is running; nothing else does.** "
            f"{plain(run.status_reason, 300)} What it logged until then is below.",
            icon=":material/help:",
        )


def _line(run: Run) -> str:
    parts = [f"Project {plain(run.project)}"]
    parts += [f"technique {plain(run.technique, 60)}"] if run.technique else []
    parts += [f"by {plain(run.user, 40)}"] if run.user else []
    parts.append(f"id {run.run_id}")
    return " · ".join(parts)


def figures(detail: RunDetail, project: ProjectSummary | None) -> None:
    """Draw the main figures as tiles."""
    run = detail.run
    surroundings = environment_of(run)
    with st.grid(4, min_column_width=170):
        _main_metric(run, project)
        tiles.tile("Duration", _lasted(run), why=_when(run))
        tiles.tile("Started", age(run.started_at), why=ages.exact(run.started_at))
        tiles.tile(
            "Backend",
            backend_title(surroundings.backend),
            why=_machine(run)
            if surroundings.backend
            else "The run carries no tag mlops.backend: it was made without the client.",
        )


def _main_metric(run: Run, project: ProjectSummary | None) -> None:
    metric = project.primary_metric if project else None
    if project is None or metric is None:
        tiles.tile("Main metric", None, why="The project declares no primary metric.")
        return
    value = run.metrics.get(metric)
    best = project.best
    against = best.value if best is not None and best.run_id != run.run_id else None
    own = best is not None and best.run_id == run.run_id
    tiles.tile(
        metric,
        None if value is None else figure(metric, value),
        delta=delta(value, against, project.goal),
        versus="vs best",
        why=_meaning(project, own=own),
    )


def _meaning(project: ProjectSummary, *, own: bool) -> str:
    better = "higher" if project.goal == "max" else "lower"
    told = "This is it." if own else "The difference is to the best finished run of the project."
    return f"Primary metric of the project; {better} is better. {told}"


def _lasted(run: Run) -> str | None:
    if run.status == "running":
        return f"running, {age(run.started_at)}".removesuffix(" ago")
    return None if run.duration_s is None else duration(run.duration_s)


def _when(run: Run) -> str:
    if run.ended_at is None:
        return "It has not ended." if run.status == "running" else "No end was reported."
    return f"Ended {ages.exact(run.ended_at)}"


def _machine(run: Run) -> str:
    found = environment_of(run)
    parts = [found.host, found.chip, size(found.memory_bytes) if found.memory_bytes else None]
    return ", ".join(part for part in parts if part)


def gist(detail: RunDetail, goals: Mapping[str, Goal]) -> None:
    """Draw what a drawer has room for, with the way to the whole page."""
    run = detail.run
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(plain(name_of(run), 80), width="content")
        status.badge(run.status, why=run.status_reason)
    st.caption(_line(run))
    navigation.link("run", "Open the run’s page", icon="open_in_full", run=run.run_id)
    if run.status == "lost":
        st.caption(plain(run.status_reason, 300))
    st.caption(f"Started {ages.exact(run.started_at)}, took {_lasted(run) or UNKNOWN}.")
    _pairs(
        "Metrics", {name: figure(name, run.metrics[name]) for name in _first(run.metrics, goals)}
    )
    _pairs("Parameters", {name: run.params[name] for name in _first(run.params, {})})
    found = environment_of(run)
    surroundings = {
        "host": found.host,
        "chip": found.chip,
        "backend": backend_title(found.backend),
        "data revision": found.data_revision,
        "git commit": found.git_commit[:12] if found.git_commit else None,
    }
    _pairs("Environment", {name: value for name, value in surroundings.items() if value})
    if detail.versions:
        st.markdown(f"**Registered as** {plain(', '.join(detail.versions), 300)}")


def _first(values: Mapping[str, object], goals: Mapping[str, Goal]) -> list[str]:
    return sorted(values, key=lambda name: (name not in goals, name))[:_GIST]


def _pairs(heading: str, values: Mapping[str, str]) -> None:
    if not values:
        return
    st.markdown(f"**{heading}**")
    st.table(
        {plain(name, 60): plain(value, 120) for name, value in values.items()}, border="horizontal"
    )


def project_of(run: Run) -> ProjectSummary | None:
    """Return the project of a run, None when it is not known any more."""
    return next(iter(state.projects((run.project,))), None)
