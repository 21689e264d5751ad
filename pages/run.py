"""Run: everything of one run, live while it runs."""

import streamlit as st

from dashboard import navigation
from dashboard.components import located, notices
from dashboard.components.cli import command_line
from dashboard.experiments import (
    run_actions,
    run_artifacts,
    run_curves,
    run_hardware,
    run_head,
    run_links,
    run_surroundings,
    run_tables,
)
from dashboard.experiments.access import detail_of
from services.errors import NotFoundError

PARTS = ["Curves", "Metrics", "Parameters", "Artifacts", "Hardware", "Environment"]

run_id = st.query_params.get("run", "")
navigation.link("experiments", "All runs", icon="arrow_back")
if not run_id:
    st.title("Run")
    raise NotFoundError("The address names no run.", "Choose one in the table of all runs.")
detail = detail_of(run_id)
project = run_head.project_of(detail.run)
run_head.title(detail.run)
off = notices.engine_notice("mlflow")
with st.container(horizontal=True, vertical_alignment="center"):
    run_actions.draw(detail.run, off)
    run_links.draw(detail)
run_head.figures(detail, project)
part = located.choice("Part", PARTS, name="part", default="Curves", collapsed=True)
if part == "Curves":
    run_curves.draw(detail, project.primary_metric if project else None)
elif part == "Metrics":
    run_tables.metrics(detail.points)
elif part == "Parameters":
    run_tables.pairs(detail.run.params, "parameter")
    run_tables.pairs(run_tables.own_tags(detail.run.tags), "tag")
elif part == "Artifacts":
    run_artifacts.draw(detail.run, off)
elif part == "Hardware":
    run_hardware.draw(detail, project.primary_metric if project else None)
else:
    run_surroundings.draw(detail.run)
command_line(f"mlops runs show {detail.run.run_id}")
