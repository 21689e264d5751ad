"""Alerts: what needs somebody, what it did, what is kept quiet, and who is told."""

import streamlit as st

from dashboard import navigation, scope
from dashboard.alerts import (
    access,
    acting,
    channels,
    detail,
    history,
    inbox,
    silences,
    timeline,
)
from dashboard.alerts.address import VIEW
from dashboard.components import inside, located, notices
from dashboard.components.cli import command_line

VIEWS = ["inbox", "timeline", "silences", "channels", "history"]

where = scope.current()
named = access.named()
if named is not None:
    navigation.link("alerts", "All alerts", icon="arrow_back")
    st.title(f"Alert {named}")
else:
    st.title("Alerts")
off = notices.engine_notice("controller")
acting.open_wished()
if named is not None:
    detail.draw(named, off)
    command_line(
        f"mlops alerts show {named}",
        f"mlops alerts ack {named} --for 4h --note TEXT",
        f"mlops alerts release {named}",
        f"mlops alerts silence {named} --for 2h --reason TEXT",
        f"mlops alerts close {named} --reason TEXT",
    )
else:
    view = located.choice(
        "View", VIEWS, name=VIEW, default="inbox", format_func=str.capitalize, collapsed=True
    )
    if view == "inbox":
        inbox.draw(where, off)
        command_line(
            "mlops alerts list --inbox", "mlops alerts ack ID… --note TEXT", "mlops alerts show ID"
        )
    elif view == "timeline":
        timeline.draw(where)
        command_line("mlops alerts list --all")
    elif view == "silences":
        silences.draw(where, off)
        command_line("mlops alerts silences --all", "mlops alerts unsilence ID")
    elif view == "channels":
        channels.draw(off)
        command_line(
            "mlops alerts channels", "mlops alerts test NAME", "mlops alerts channels remove NAME"
        )
    else:
        history.draw(where)
        command_line("mlops alerts list --all --find TEXT --since 7d", "mlops alerts show ID")
inside.follow()
