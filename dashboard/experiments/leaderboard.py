"""Techniques of a project: repeats as mean and interval, and what they allow to say."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from dashboard import navigation, state
from dashboard.charts import analysis
from dashboard.charts.theme import colours
from dashboard.components import notices, tables
from dashboard.experiments.offered import one_of
from dashboard.experiments.units import figure
from dashboard.experiments.verdict import verdicts
from dashboard.numbers import counted, number
from dashboard.scope import Scope
from dashboard.text import markup, plain
from services.mirror.filters import split_field
from services.mirror.models import ProjectSummary, TechniqueRow
from services.mirror.projects import Goal, goal_of


def draw(projects: Sequence[ProjectSummary], named: str | None, where: Scope, text: str) -> None:
    """Draw the choice of project and metric, the table, the intervals and the sentences."""
    if not projects:
        notices.empty(
            "No project",
            "Techniques are compared within a project.",
            icon="folder_open",
            command="mlops projects list",
        )
        return
    project, metric = _choice(projects, named)
    if metric is None:
        st.caption("This project has logged no metric yet.")
        return
    rows = state.leaderboard(project.id, metric, text, where.since)
    if not rows:
        notices.empty(
            "No technique to compare",
            f"No finished run of {plain(project.title)} {where.sentence} carries both a technique "
            f"(the tag mlops.technique) and {plain(metric, 80)}.",
            icon="leaderboard",
            command="mlops up --demo",
        )
        return
    goal: Goal = project.goal if metric == project.primary_metric else goal_of(metric)
    for sentence in verdicts(rows, goal):
        st.markdown(f":material/balance: {plain(sentence, 600)}")
    with st.grid(2, min_column_width=400):
        with st.container():
            _table(rows, goal)
        _intervals(rows)
    st.caption(
        f"Finished runs that started {where.sentence}"
        f"{', within the filter of the table' if text else ''}. Mean with Student’s 95 % interval; "
        "differences by Welch’s interval, widened for the number of comparisons (Bonferroni)."
    )


def _choice(
    projects: Sequence[ProjectSummary], named: str | None
) -> tuple[ProjectSummary, str | None]:
    by_id = {project.id: project for project in projects}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first = list(by_id).index(named) if named in by_id else 0
        chosen = st.selectbox(
            "Project",
            list(by_id),
            index=first,
            key=f"board-project-{named}",
            format_func=lambda project: by_id[project].title,
            width=320,
        )
        project = by_id[chosen or next(iter(by_id))]
        fields = [f for f in state.recent_fields(project.id) if f.name.startswith("metrics.")]
        metrics = [replace(field, name=split_field(field.name)[1]) for field in fields]
        metrics.sort(key=lambda field: field.name)
        primary = (project.primary_metric,) if project.primary_metric else ()
        key = f"board-metric-{project.id}"
        metric = one_of("Metric", metrics, key=key, noun="metric", first=primary)
    return project, metric


def _table(rows: Sequence[TechniqueRow], goal: Goal) -> None:
    cells = [
        {
            "technique": row.technique,
            "role": "baseline" if row.baseline else "",
            "n": f"{row.runs} of {row.runs + row.unfinite}" if row.unfinite else str(row.runs),
            "mean": figure(row.metric, row.mean),
            "interval": _interval(row),
            "best": figure(row.metric, row.best),
        }
        for row in rows
    ]
    arrow = "↑" if goal == "max" else "↓"
    columns = {
        "technique": st.column_config.TextColumn("technique", width=120),
        "role": st.column_config.TextColumn("role", width=75),
        "n": st.column_config.TextColumn("runs", width=60, alignment="right"),
        "mean": st.column_config.TextColumn(f"mean {arrow}", width=90, alignment="right"),
        "interval": st.column_config.TextColumn("95 % interval", width=140, alignment="right"),
        "best": st.column_config.TextColumn("best run", width=90, alignment="right"),
    }
    chosen = tables.table(cells, columns, key="board", select=True)
    if chosen is not None:
        row = rows[chosen]
        which = "Best" if row.runs else "Newest"
        label = f"{which} run of {plain(row.technique, 60)} ({counted(row.runs, 'run')})"
        navigation.link("run", label, icon="science", run=row.best_run_id)
    else:
        st.caption("Choose a row for the way to its best run.")


def _interval(row: TechniqueRow) -> str:
    if row.low is None or row.high is None:
        return "one run: none" if row.runs else "no finite value"
    return f"{number(row.low)} to {number(row.high)}"


def _intervals(every: Sequence[TechniqueRow]) -> None:
    rows = [row for row in every if row.runs]
    if not rows:
        return
    hues = colours()
    figure = analysis.figure(x=markup(rows[0].metric, 60), height_px=max(160, 44 * len(rows) + 70))
    figure.add_scatter(
        x=[row.mean for row in rows],
        y=[markup(row.technique, 30) for row in rows],
        mode="markers",
        marker={
            "size": 10,
            "color": [hues.muted if row.baseline else hues.accent for row in rows],
            "symbol": ["square" if row.baseline else "circle" for row in rows],
        },
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [0 if row.high is None else row.high - row.mean for row in rows],
            "arrayminus": [0 if row.low is None else row.mean - row.low for row in rows],
            "thickness": 1.6,
            "color": hues.muted,
        },
        hovertemplate="%{y}: %{x:.5g}<extra></extra>",
    )
    figure.update_yaxes(autorange="reversed", automargin=True, type="category")
    figure.update_layout(showlegend=False, margin={"l": 20, "r": 16, "t": 8, "b": 44})
    analysis.draw(figure, key="board-intervals")
