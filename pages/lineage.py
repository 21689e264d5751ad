"""Lineage: where a thing came from, what came of it, and what of it is bad or broken."""

import shlex

import streamlit as st

from dashboard import navigation
from dashboard.components import inside, located, notices
from dashboard.components.cli import command_line
from dashboard.lineage import access, landing, thread
from dashboard.lineage.address import FIND, WAY

ref = access.ref()
if ref is not None:
    navigation.link("lineage", "All lineage", icon="arrow_back")
st.title("Lineage")
off = notices.engine_notice("controller")
here = access.lineage()
if ref is None:
    words = located.text(
        "Find",
        name=FIND,
        placeholder="Revision, run, PROJECT/MODEL:VERSION, DAG/RUN",
        width=460,
    ).strip()
    if words:
        ref = landing.matches(here, words)
if ref is None and not access.looked_for():
    landing.draw(here)
elif ref is not None:
    located.choice("Way", list(access.WAYS), name=WAY, default="Both ways", collapsed=True)
    thread.draw(here, ref, access.ways(), off, access.size())
name = "ID" if ref is None else shlex.quote(ref.id)
command_line(
    f"mlops lineage {name}",
    f"mlops lineage affected {name}",
    f"mlops lineage mark {name} --reason WHY",
    "mlops lineage bad",
    "mlops lineage broken",
)
inside.follow()
