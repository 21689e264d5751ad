"""Trade-offs: techniques by two figures, one chart a project, the front as a line and in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from dashboard import state
from dashboard.components import located, notices, tables
from dashboard.experiments import cost_text, judged, trade_chart, trade_text
from dashboard.experiments.ways import show_runs
from dashboard.scope import Scope
from dashboard.text import plain
from services.mirror.main_metric import Primary
from services.mirror.models import ProjectSummary
from services.telemetry.economics import AXES, COSTS, Axis, ProjectCosts, technique_costs
from services.telemetry.repeats import repeats_of
from services.telemetry.trades import Trade, trade

X, Y = "x", "y"
_SMALL_PX, _LARGE_PX = 270, 440


@dataclass(frozen=True, slots=True)
class Weighed:
    """One project's techniques by two figures, and whether they compare."""

    trade: Trade
    costs: ProjectCosts


def draw(projects: Sequence[ProjectSummary], where: Scope, text: str) -> None:
    """Draw the choice of axes, then one project in full or all of them side by side.

    Raises:
        FilterError: The filter does not parse.
    """
    if not projects:
        notices.empty(
            "No project",
            "Trade-offs are drawn a project.",
            icon="folder_open",
            command="mlops projects list",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        if len(projects) == 1:
            primary = judged.metric_of(projects[0])
            asked = [primary] if primary else []
        else:
            asked = [Primary(p.id, p.primary_metric, p.goal) for p in projects if p.primary_metric]
        y, x = axes()
    found = [
        Weighed(trade(repeats, x, y), technique_costs(repeats))
        for repeats in repeats_of(state.mirror(), asked, text, where.since)
    ]
    titles = {project.id: project.title for project in projects}
    drawn = [one for one in found if one.trade.points]
    if not drawn:
        _nothing(found, titles, where, y, x)
        return
    if len(projects) == 1:
        _one(drawn[0], text, where)
    else:
        _all(found, drawn, titles, where)


def axes() -> tuple[Axis, Axis]:
    """Draw the choice of the two figures, and return up and across: never the same twice."""
    named = st.query_params.get(X, "").casefold()
    across: Axis = next((axis for axis in COSTS if axis == named), "seconds")
    offered = [axis for axis in AXES if axis != across]
    up = located.choice("Up", offered, name=Y, default="quality", format_func=_title)
    across = located.choice("Across", COSTS, name=X, default="seconds", format_func=_title)  # type: ignore[assignment]  # one of the options
    return next(axis for axis in AXES if axis == up), across


def _title(axis: str) -> str:
    return cost_text.TITLES[axis]  # type: ignore[index]  # one of AXES


def _one(one: Weighed, text: str, where: Scope) -> None:
    weighed = one.trade
    st.markdown(f":material/balance: {plain(trade_text.lead(weighed), 700)}")
    trade_chart.draw(weighed, key="trade", height_px=_LARGE_PX, picked=show_runs)
    for sentence in trade_text.left_out(weighed):
        st.markdown(f":material/visibility_off: {plain(sentence, 500)}")
    _warned((one,), {})
    _table((weighed,), {}, {weighed.project: one.costs})
    st.caption(_said(where, text=text))


def _all(
    found: Sequence[Weighed], drawn: Sequence[Weighed], titles: Mapping[str, str], where: Scope
) -> None:
    for sentence in trade_text.across([one.trade for one in drawn], titles):
        st.markdown(f":material/balance: {plain(sentence, 500)}")
    st.caption(
        "Each project has axes of its own: neither its metric nor the price of its task is that of "
        "another, so each has its own front, and how often a technique is on it is what compares."
    )
    with st.grid(3, min_column_width=300):
        for one in drawn:
            with st.container(border=True):
                st.markdown(f"**{plain(titles.get(one.trade.project, one.trade.project), 60)}**")
                key = f"trade-{one.trade.project}"
                trade_chart.draw(one.trade, key=key, height_px=_SMALL_PX, picked=show_runs)
    _warned(drawn, titles)
    _table([one.trade for one in drawn], titles, {one.costs.project: one.costs for one in drawn})
    st.caption(_said(where, text=""))
    _lacking(found, titles)


def _table(
    trades: Sequence[Trade], titles: Mapping[str, str], costs: Mapping[str, ProjectCosts]
) -> None:
    """Draw the points as rows: for people who read no charts, and for copying."""
    rows = []
    for weighed in trades:
        steps = trade_text.steps(weighed)
        standing = {row.technique: row for row in costs[weighed.project].rows}
        rows += [
            {
                "project": titles.get(weighed.project, weighed.project),
                "technique": point.technique,
                "role": "baseline" if point.baseline else "",
                "standing": trade_text.standing(point),
                "y": trade_text.figure_of(point, weighed.y, weighed),
                "x": trade_text.figure_of(point, weighed.x, weighed),
                "energy": point.energy,
                "step": steps.get(point.technique, ""),
                "runs": f"{point.runs:,}",
                "conditions": cost_text.standing_text(standing[point.technique]),
                "machines": cost_text.machines_text(standing[point.technique]),
            }
            for point in sorted(weighed.points, key=lambda point: not point.front)
        ]
    first = trades[0]
    one = len(trades) == 1 and not titles
    up = trade_text.title_of(first.y, first) if one else cost_text.TITLES[first.y]
    text = st.column_config.TextColumn
    columns = {
        **({} if one else {"project": text("project", width=170)}),
        "technique": text("technique", width=115),
        "role": text("role", width=70),
        "standing": text("standing", width=150),
        "y": text(up, width=140, alignment="right"),
        "x": text(cost_text.TITLES[first.x], width=140, alignment="right"),
        **({"energy": text("energy is", width=88)} if "joules" in (first.x, first.y) else {}),
        "step": text("against the one before it on the front", width=270),
        "runs": text("runs", width=55, alignment="right"),
        "conditions": text("conditions", width=100),
        "machines": text("ran on", width=120),
    }
    tables.table(rows, columns, key="trade-table")


def _warned(found: Sequence[Weighed], titles: Mapping[str, str]) -> None:
    """Draw why figures may not compare; of several projects only which, and where that stands."""
    if not titles:
        for sentence in cost_text.warnings(found[0].costs):
            st.markdown(f":material/warning: {plain(sentence, 500)}")
        return
    unlike = [
        titles.get(one.costs.project, one.costs.project)
        for one in found
        if one.costs.cautions or any(row.unlike for row in one.costs.rows)
    ]
    if unlike:
        st.markdown(
            f":material/warning: Not all runs of {plain(', '.join(unlike), 400)} ran on like "
            "machines under like conditions: choose the project above for what differs."
        )


def _lacking(found: Sequence[Weighed], titles: Mapping[str, str]) -> None:
    told = [
        f"- {plain(titles.get(one.trade.project, one.trade.project), 60)}: "
        + " ".join(plain(sentence, 300) for sentence in trade_text.left_out(one.trade))
        for one in found
        if one.trade.left_out or one.trade.unnamed
    ]
    silent = [
        titles.get(one.trade.project, one.trade.project)
        for one in found
        if not one.trade.points and not one.trade.left_out and not one.trade.unnamed
    ]
    if silent:
        told.append(f"- No finished run: {plain(', '.join(silent), 400)}.")
    if told:
        with st.expander("Runs that are in no chart", icon=":material/visibility_off:"):
            st.markdown("\n".join(told))


def _nothing(
    found: Sequence[Weighed], titles: Mapping[str, str], where: Scope, y: Axis, x: Axis
) -> None:
    notices.empty(
        "Nothing to weigh",
        f"No finished run {where.sentence} has a technique (the tag mlops.technique), "
        f"{cost_text.TITLES[y]} and {cost_text.TITLES[x]}. Choose another figure, or train some.",
        icon="scatter_plot",
        command="mlops up --demo",
    )
    _lacking(found, titles)


def _said(where: Scope, *, text: str) -> str:
    within = ", within the filter" if text else ""
    return (
        f"Finished runs that started {where.sentence}{within}. A technique stands at the medians "
        "of its runs that have both figures; bars and parentheses are where half of them lie (of "
        "fewer than four: the least and the largest). Faint ones are beaten. A click on one shows "
        "its runs."
    )
