"""Data: versions of the data and models of all projects, and who uses them."""

import shlex

import streamlit as st

from dashboard import navigation, scope
from dashboard.components import notices
from dashboard.components.cli import command_line
from dashboard.components.live import live
from dashboard.data import access, detail, head, listing, work

where = scope.current()
names = access.titles()
known = access.ids(where, tuple(names))
named = access.named(access.ids(scope.Scope(None, where.span), tuple(names)))
if named is not None:
    project, kind = named
    navigation.link("data", "All data", icon="arrow_back")
    head.title(project, names.get(project, project), kind)
    detail.draw(project, names.get(project, project), kind)
    name = shlex.quote(project)
    command_line(f"mlops data versions {name} --kind {kind}", f"mlops data diff {name} REV AGAINST")
else:
    st.title("Data")
    if known:
        work.draw(known)
        live(listing.draw, detail.LIVE_S)(where)
    else:
        notices.empty(
            "No project has data yet",
            "A project lists its folders under `data` and `models` in `[tool.mlops]`: from then on "
            "each training run makes a version of them.",
            icon="database",
            command="mlops projects add PATH",
        )
    command_line("mlops data status", "mlops data versions PROJECT")
