"""Compare: two to twenty runs against a base, and techniques against each other."""

import shlex

import streamlit as st

from dashboard import scope, state
from dashboard.components import located, notices
from dashboard.components.cli import command_line
from dashboard.experiments import (
    compare_address,
    compare_charts,
    compare_head,
    compare_tables,
    leaderboard,
)
from dashboard.experiments.comparison import compare
from dashboard.experiments.question import metric_goals
from dashboard.hardware import access as hardware

SIDES = ["Metrics", "Curves", "Parameters", "Environment", "Parallel", "Techniques"]

st.title("Compare runs")
notices.engine_notice("mlflow")
compared, malformed = compare_address.current()
details, missing = compare_head.read(compared)
for sentence in (*malformed, *missing):
    st.info(sentence, icon=":material/link_off:")
where = scope.current()
projects = state.projects()
mine = tuple(dict.fromkeys(detail.run.project for detail in details))
own = mine[0] if mine else where.project
if len(details) < 2:
    compare_head.too_few(len(details))
    st.subheader("Techniques")
    leaderboard.draw(projects, own, where, "")
else:
    shown = compare_address.Compared(tuple(d.run.run_id for d in details), compared.base)
    runs = [detail.run for detail in details]
    base = shown.base_index
    primary = next((p.primary_metric for p in projects if p.id == runs[base].project), None)
    found = compare(details, base, metric_goals(projects), hardware.owner_name)
    compare_head.draw(details, shown)
    compare_head.warnings(found)
    with st.container(horizontal=True, vertical_alignment="center"):
        side = located.choice("Side", SIDES, name="side", default="Metrics", collapsed=True)
        only = located.switch("Differences only", name="differences", default=True)
    if side == "Metrics":
        compare_tables.metrics(found, runs, only_differences=only)
    elif side == "Curves":
        compare_charts.curves(details, base, primary)
    elif side == "Parameters":
        compare_tables.lines(found.params, "parameter", runs, base, only=only)
        if found.tags:
            compare_tables.lines(found.tags, "tag", runs, base, only=only)
    elif side == "Environment":
        compare_tables.lines(found.environment, "surrounding", runs, base, only=only)
    elif side == "Parallel":
        compare_charts.parallel(details, primary)
    else:
        leaderboard.draw(projects, own, where, "")
command_line(shlex.join(["mlops", "runs", "compare", *(compared.runs or ("RUN", "RUN"))]))
