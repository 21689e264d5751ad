"""Hardware: every machine of the team, live, and what it did over time."""

import streamlit as st

from dashboard.components import located, notices
from dashboard.components.cli import command_line
from dashboard.hardware import access, detail, history, listing

st.title("Hardware")
notices.engine_notice("telemetry")
hosts = access.hosts()
if hosts:
    listing.live()
    names = [host.machine.host for host in hosts]
    chosen = names[0]
    if len(names) > 1:
        chosen = located.choice("Machine", names, name="host", default=names[0])
    host = hosts[names.index(chosen)]
    detail.head(host)
    detail.live(chosen)
    history.live(host)
    detail.providers(host)
else:
    notices.empty(
        "No machine has reported yet",
        "The platform samples the machine it runs on every two seconds.",
        icon="memory",
        command="./mlops up",
    )
command_line("mlops hardware", "mlops hardware --watch", "mlops logs telemetry")
