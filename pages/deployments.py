"""Deployments: what is in service, how it does, and what is done with it."""

import shlex

import streamlit as st

from dashboard import scope
from dashboard.components import inside
from dashboard.components.cli import command_line
from dashboard.deployments import access, deploy, detail, listing, standing

where = scope.current()
wanted = access.name()
if wanted:
    detail.back()
    seen = access.named(wanted)
    off = standing.notice()
    detail.draw(seen, where, off)
    name = shlex.quote(f"{seen.project}/{seen.model}")
    command_line(
        f"mlops deployments {name}",
        f"mlops deploy {name} --canary 10",
        f"mlops scale {name} --replicas 2",
        f"mlops rollback {name}",
        f"mlops predict {name} --input FILE",
    )
else:
    st.title("Deployments")
    off = standing.notice()
    deploy.picker(where.project, off)
    listing.draw(where)
    command_line("mlops deployments", "mlops deployments --json", "mlops plan MODEL")
inside.follow()
