"""Where a run ran: machine, backend, code, data, packages."""

import streamlit as st

from dashboard.components import tables
from dashboard.data import links
from dashboard.experiments.environment import backend_title, environment_of
from dashboard.numbers import UNKNOWN, size
from dashboard.text import plain
from services.mirror.models import Run


def draw(run: Run) -> None:
    """Draw what the client said of the run's surroundings, and what it did not."""
    found = environment_of(run)
    tree = {True: "with uncommitted changes", False: "clean", None: None}[found.git_dirty]
    facts = {
        "Host": found.host,
        "Chip": found.chip,
        "Memory": size(found.memory_bytes) if found.memory_bytes else None,
        "Backend": backend_title(found.backend),
        "Data revision": found.data_revision,
        "Git commit": found.git_commit,
        "Working tree": tree,
        "Seed": run.tags.get("mlops.seed"),
        "Started by": run.user,
        "Started from": run.tags.get("mlflow.source.name"),
    }
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Machine, code and data**")
        st.table(
            {name: plain(value or UNKNOWN, 200) for name, value in facts.items()},
            border="horizontal",
        )
        links.revisions(run.project, run.tags)
    with right:
        st.markdown("**Packages**")
        if not found.packages:
            st.caption("The client reported none: the run was made without it.")
            return
        rows = [{"package": name, "version": v} for name, v in found.packages.items()]
        columns = {
            "package": st.column_config.TextColumn("package"),
            "version": st.column_config.TextColumn("version"),
        }
        tables.table(rows, columns, key="run-packages", max_rows_shown=12)
