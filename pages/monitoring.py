"""Monitoring: whether what is in service still answers as it was evaluated, and is retrained."""

import shlex

import streamlit as st

from dashboard import navigation, scope
from dashboard.components import inside, located, notices
from dashboard.components.cli import command_line
from dashboard.monitoring import (
    access,
    detail,
    listing,
    retraining,
    retraining_access,
    retraining_list,
)
from dashboard.monitoring.address import VIEW

VIEWS = ["deployments", "retrainings"]

where = scope.current()
wanted, number = access.name(), retraining_access.named()
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
elif number is not None:
    navigation.link("monitoring", "All retrainings", icon="arrow_back", hover="", view=VIEWS[1])
    st.title(f"Retraining {number}")
    retraining.alone(number)
    command_line(
        f"mlops retrain show {number}",
        f"mlops retrain accept {number}",
        f"mlops retrain dismiss {number} --reason WHY",
        f"mlops retrain stop {number} --reason WHY",
    )
else:
    st.title("Monitoring")
    off = notices.engine_notice("controller")
    view = located.choice(
        "View", VIEWS, name=VIEW, default=VIEWS[0], format_func=str.capitalize, collapsed=True
    )
    if view == "retrainings":
        retraining_list.draw(where)
        command_line("mlops retrain list --all", "mlops retrain show ID")
    else:
        listing.draw(where, off)
        command_line("mlops drift list", "mlops drift list --json", "mlops drift check --all")
inside.follow()
