"""Workflows: trainings, releases and what else runs by itself; one of them; one of their runs."""

import shlex

import streamlit as st

from dashboard import scope
from dashboard.components import inside
from dashboard.components.cli import command_line
from dashboard.workflows import access, detail, listing, one_run, standing
from dashboard.workflows.address import RUN

where = scope.current()
named = access.named()
if named is None:
    st.title("Workflows")
    standing.notice()
    listing.draw(where)
    command_line("mlops workflows list", "mlops workflows show DAG")
else:
    run = access.named_run(named)
    name = shlex.quote(named.dag_id)
    if run is None and RUN in st.query_params:
        one_run.back(named)
        standing.notice()
        one_run.awaited(named)
    elif run is None:
        detail.back()
        off = standing.notice()
        detail.draw(named, where, off)
        command_line(f"mlops workflows show {name}", f"mlops workflows trigger {name}")
    else:
        one_run.back(named)
        off = standing.notice()
        one_run.draw(named, run, off)
        command_line(f"mlops workflows logs {shlex.quote(f'{run.dag_id}/{run.run_id}')}")
inside.follow()
