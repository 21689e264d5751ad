"""Hardware: every machine of the team as it is now, what it did, and who uses it."""

import streamlit as st

from dashboard import navigation
from dashboard.components import located, notices
from dashboard.components.cli import command_line
from dashboard.hardware import access, history, joining, listing, machine, removal, used, work
from dashboard.text import plain
from services.errors import NotFoundError

PARTS = ["Charts", "Processes", "Figures", "Machine"]

hosts = access.hosts()
named = st.query_params.get("host", "")
chosen = named or (hosts[0].machine.host if len(hosts) == 1 else "")
if len(hosts) > 1 and named:
    navigation.link("hardware", "All machines", icon="arrow_back")
st.title(plain(named, 80) if named else "Hardware")
host = next((one for one in hosts if one.machine.host == chosen), None)
removal.told()
if named and host is None:
    removal.leave(named)
    known = ", ".join(one.machine.host for one in hosts) or "none"
    raise NotFoundError(f"No machine named {named[:80]} reports here.", f"These do: {known}.")
if not hosts:
    notices.empty(
        "No machine has reported yet",
        "The platform looks at the machine it runs on every two seconds; other machines of the "
        "team join with `mlops agent --join URL`.",
        icon="memory",
        command="mlops up",
    )
elif host is None:
    listing.draw()
else:
    listing.draw_one(chosen)
    part = located.choice("Part", PARTS, name="part", default="Charts", collapsed=True)
    if part == "Charts":
        history.draw(host)
    elif part == "Processes":
        work.draw(chosen)
        used.draw(host)
    elif part == "Figures":
        machine.figures(chosen)
    else:
        machine.draw(host)
        removal.draw(host)
if not named:
    joining.draw()
command_line("mlops hardware", "mlops hardware --watch", *joining.commands())
