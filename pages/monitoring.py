"""Monitoring: whether what is in service is still asked, and answers, as it was evaluated."""

import shlex

import streamlit as st

from dashboard import navigation, scope
from dashboard.components import inside, notices
from dashboard.components.cli import command_line
from dashboard.monitoring import access, detail, listing

where = scope.current()
wanted = access.name()
if wanted:
    navigation.link("monitoring", "All deployments", icon="arrow_back", hover="")
    seen = access.subject(wanted)
    detail.draw(seen, where)
    name = shlex.quote(seen.name)
    command_line(
        f"mlops drift show {name}",
        f"mlops drift check {name}",
        f"mlops why --deployment {name}",
        f"mlops retrain propose {shlex.quote(f'{seen.project}/{seen.model}')} --why TEXT",
    )
else:
    st.title("Monitoring")
    listing.draw(where, notices.engine_notice("controller"))
    command_line("mlops drift list", "mlops drift list --json", "mlops drift check --all")
inside.follow()
