"""Which project's techniques are judged by which metric, as the address keeps it."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from dashboard import state
from dashboard.experiments.offered import one_of
from services.mirror.filters import split_field
from services.mirror.main_metric import Primary
from services.mirror.models import FieldInfo, ProjectSummary
from services.mirror.projects import goal_of

PROJECT, METRIC = "of", "metric"


def choose(
    projects: Sequence[ProjectSummary], named: str | None
) -> tuple[ProjectSummary, Primary | None]:
    """Draw the choice of project and metric, and return it; no metric: none was ever logged."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        project = _project(projects, named)
        return project, metric_of(project)


def _project(projects: Sequence[ProjectSummary], named: str | None) -> ProjectSummary:
    by_id = {project.id: project for project in projects}
    wanted = (st.query_params.get(PROJECT), named, next(iter(by_id)))
    found = next(one for one in wanted if one in by_id)
    key = f"board-project-{named}"
    st.session_state[key] = found
    st.selectbox(
        "Project",
        list(by_id),
        key=key,
        format_func=lambda project: by_id[project].title,
        width=320,
        on_change=_project_chosen,
        args=(key,),
    )
    return by_id[found]


def metric_of(project: ProjectSummary) -> Primary | None:
    """Draw the choice of a project's metric, and return it with which way it is better."""
    fields = [f for f in state.recent_fields(project.id) if f.name.startswith("metrics.")]
    metrics = [replace(field, name=split_field(field.name)[1]) for field in fields]
    metrics.sort(key=lambda field: field.name)
    first = (project.primary_metric,) if project.primary_metric else ()
    key = f"board-metric-{project.id}"
    _follow(key, metrics, first)
    chosen = one_of(
        "Metric", metrics, key=key, noun="metric", first=first, changed=lambda: _metric_chosen(key)
    )
    if chosen is None:
        return None
    goal = project.goal if chosen == project.primary_metric else goal_of(chosen)
    return Primary(project.id, chosen, goal)


def _follow(key: str, metrics: Sequence[FieldInfo], first: Sequence[str]) -> None:
    """Let the widget follow the address; a metric nobody logged is left out."""
    named = st.query_params.get(METRIC)
    if named is not None and (named in first or any(named == field.name for field in metrics)):
        st.session_state[key] = named
    else:
        st.session_state.pop(key, None)


def _project_chosen(key: str) -> None:
    st.query_params.update({PROJECT: st.session_state[key], METRIC: []})


def _metric_chosen(key: str) -> None:
    st.query_params.update({METRIC: st.session_state[key]})
