"""Experiments: every run of every project in one table, techniques and their trade-offs."""

import streamlit as st

from dashboard import scope, state
from dashboard.components import notices
from dashboard.components.cli import command_line
from dashboard.experiments import address, board, sides, toolbar
from dashboard.experiments.question import Known, command

where = scope.current()
view, malformed = address.arrive()
st.title("Experiments")
off = notices.engine_notice("mlflow")
for sentence in malformed:
    st.info(sentence, icon=":material/link_off:")
projects = tuple(p for p in state.projects() if where.project in (None, p.id))
side = sides.choose()
if side == sides.RUNS:
    known = Known(projects, state.recent_fields(where.project))
    toolbar.draw(view, known)
    board.draw(known, off)
    command_line(command(view, where))
else:
    toolbar.filters(view)
    sides.draw(side, projects, where, view.filter)
    command_line(sides.command(side, projects, where, view.filter))
