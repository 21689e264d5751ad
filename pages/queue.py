"""Queue: what runs, what waits and why, who had how much, and what other settings would do."""

import streamlit as st

from dashboard import scope
from dashboard.components import located, notices
from dashboard.components.cli import command_line
from dashboard.queue import access, now, shares, what_if, why
from dashboard.queue.address import PART

PARTS = ["Now", "Why", "Shares", "What if"]

where = scope.current()
st.title("Queue")
off = notices.engine_notice("controller", "airflow")
queue = access.queue()
if queue is None:
    notices.empty(
        "Nothing was decided yet",
        "The controller looks at what waits every second, from when Airflow has come up for the "
        "first time. That takes a minute or two.",
        icon="format_list_numbered",
        command="mlops status",
    )
else:
    part = located.choice("Part", PARTS, name=PART, default=PARTS[0], collapsed=True)
    if part == "Now":
        now.draw(where, queue, off)
    elif part == "Why":
        why.draw(where, queue)
    elif part == "Shares":
        shares.draw(where, queue)
    else:
        what_if.draw(queue)
command_line("mlops queue", "mlops queue --json")
