"""Techniques of a project: repeats as mean and interval, costs, and what they allow to say."""

from collections.abc import Sequence

import streamlit as st

from dashboard import state
from dashboard.charts import analysis
from dashboard.charts.theme import colours
from dashboard.components import notices
from dashboard.experiments import cost_text, judged
from dashboard.experiments.cost_table import draw as draw_table
from dashboard.experiments.cost_table import sort_of
from dashboard.experiments.verdict import verdicts
from dashboard.scope import Scope
from dashboard.text import markup, plain
from services.mirror.main_metric import Primary
from services.mirror.models import ProjectSummary, TechniqueRow
from services.telemetry.economics import ProjectCosts, technique_costs
from services.telemetry.repeats import repeats_of


def draw(projects: Sequence[ProjectSummary], named: str | None, where: Scope, text: str) -> None:
    """Draw the choice of project and metric, the table, the intervals and the sentences.

    Raises:
        FilterError: The filter does not parse.
    """
    if not projects:
        notices.empty(
            "No project",
            "Techniques are compared within a project.",
            icon="folder_open",
            command="mlops projects list",
        )
        return
    project, primary = judged.choose(projects, named)
    if primary is None:
        st.caption("This project has logged no metric yet.")
        return
    rows = state.leaderboard(project.id, primary.metric, text, where.since)
    if not rows:
        notices.empty(
            "No technique to compare",
            f"No finished run of {plain(project.title)} {where.sentence} carries both a technique "
            f"(the tag mlops.technique) and {plain(primary.metric, 80)}.",
            icon="leaderboard",
            command="mlops up --demo",
        )
        return
    costs = _costs(primary, text, where)
    for sentence in verdicts(rows, primary.goal):
        st.markdown(f":material/balance: {plain(sentence, 600)}")
    draw_table(cost_text.lines(rows, costs, sort_of()), costs)
    with st.grid(2, min_column_width=400):
        _intervals(rows)
        with st.container():
            _before_comparing(costs)
    st.caption(
        f"Finished runs that started {where.sentence}"
        f"{', within the filter of the table' if text else ''}. Mean with Student’s 95 % interval; "
        "differences by Welch’s interval, widened for the number of comparisons (Bonferroni). "
        f"Costs are medians. {plain(cost_text.MEMORY[costs.memory])}. {_per_joule(costs)}"
    )


def _costs(primary: Primary, text: str, where: Scope) -> ProjectCosts:
    (repeats,) = repeats_of(state.mirror(), (primary,), text, where.since)
    return technique_costs(repeats)


def _per_joule(costs: ProjectCosts) -> str:
    metric = plain(costs.metric, 80)
    if costs.goal == "max":
        return f"Quality per joule is a run’s {metric} by its joules."
    return (
        f"Quality per joule is by how much a run’s {metric} is below the baselines’ mean, by its "
        "joules."
    )


def _before_comparing(costs: ProjectCosts) -> None:
    unlike, lacking = cost_text.warnings(costs), cost_text.missing(costs)
    if unlike:
        st.markdown("**Before you compare**")
        st.markdown("\n".join(f"- {plain(sentence, 500)}" for sentence in unlike))
    if lacking:
        st.markdown("**What is not known**")
        st.markdown("\n".join(f"- {plain(sentence, 400)}" for sentence in lacking))
    if not unlike and not lacking:
        st.caption("All runs ran on one chip under like conditions, and all their costs are known.")


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
