"""Registry: the models of all projects, what is promoted, and what waits to be."""

import streamlit as st

from dashboard import scope, state
from dashboard.components import notices
from dashboard.components.cli import command_line
from dashboard.registry import access, bar, listing, peek
from dashboard.registry.search import Wanted, matching

st.title("Registry")
where = scope.current()
notices.engine_notice("mlflow")
models = matching(state.models(), Wanted(where.project))
if models:
    wanted = bar.draw(models, where.project)
    rules = access.rules()
    rows = listing.rows_of(matching(models, wanted), rules)
    listing.summary(rows)
    if rows:
        listing.draw(rows)
        peek.draw(rows, rules)
    else:
        notices.empty(
            "No model matches",
            "None has this format, alias or text.",
            icon="filter_alt",
            action=bar.clear,
        )
else:
    notices.empty(
        "No model is registered yet",
        "A project's training registers its best model; it shows here within seconds.",
        icon="deployed_code",
        command="./mlops up --demo",
    )
command_line("mlops models list", "mlops models show NAME")
