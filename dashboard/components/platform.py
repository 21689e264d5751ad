"""The machine side: engines, disk, and what ``mlops doctor`` finds."""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.components import notices, status, tables
from dashboard.numbers import age, count, size
from dashboard.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.platform.doctor import Finding
    from services.platform.status import PlatformStatus
    from services.platform.storage import Storage

_STATES = ("live", "stale", "down", "never")
_LEVELS = {"error": "problem", "warning": "warning", "ok": "ok"}


def engines(found: "PlatformStatus") -> None:
    """Draw each process with its state, version, address and memory."""
    if found.problem:
        st.warning(plain(found.problem, 400), icon=":material/warning:")
    columns = {
        "engine": st.column_config.TextColumn("Engine", width="small"),
        "state": status.column("State", _STATES),
        "since": st.column_config.TextColumn("Since"),
        "version": st.column_config.TextColumn("Version", width="small"),
        "url": st.column_config.TextColumn("Address"),
        "pid": st.column_config.TextColumn("Process", width="small"),
        "memory": st.column_config.TextColumn("Memory", width="small"),
        "detail": st.column_config.TextColumn("Detail", width="large"),
    }
    rows = [
        {
            "engine": engine.title,
            "state": status.cell(engine.state),
            "since": age(engine.since),
            "version": engine.version or "not reported",
            "url": engine.url or "none",
            "pid": "none" if engine.pid is None else str(engine.pid),
            "memory": size(engine.rss_bytes),
            "detail": engine.detail.replace("`", ""),
        }
        for engine in found.engines
    ]
    tables.table(rows, columns, key="engines-table")
    keeper = "No supervisor runs: nothing is started again by itself."
    if found.supervisor_pid is not None:
        keeper = f"Kept by supervisor process {found.supervisor_pid}."
    st.caption(f"{keeper} Home: {plain(found.home)}")


def storage(found: "Storage") -> None:
    """Draw what is on the disk, and how much of it is free."""
    columns = {
        "what": st.column_config.TextColumn("What", width="medium"),
        "size": st.column_config.TextColumn("Size", width="small"),
        "path": st.column_config.TextColumn("Where", width="large"),
    }
    rows = [{"what": what, "size": size(value), "path": path} for what, path, value in found.parts]
    used = 1 - found.free_bytes / found.total_bytes
    st.progress(used, text=f"{size(found.free_bytes)} of {size(found.total_bytes)} free")
    tables.table(rows, columns, key="storage-table")


def findings(found: "Sequence[Finding]") -> None:
    """Draw what the doctor found: problems with their mend, the rest folded away."""
    bad = [finding for finding in found if finding.level != "ok"]
    well = [finding for finding in found if finding.level == "ok"]
    for finding in bad:
        look = status.look(_LEVELS[finding.level])
        with st.container(border=True, gap="xsmall"):
            st.markdown(
                f":{look.colour}[:material/{look.icon}: {look.word}] **{plain(finding.what)}** "
                f"{notices.advice(finding.meaning)}"
            )
            if finding.mend:
                st.caption(f"**Mend:** {notices.advice(finding.mend)}")
    with st.expander(f"{count(len(well))} checks hold", icon=":material/check_circle:"):
        for finding in well:
            st.markdown(f"**{plain(finding.what)}** {notices.advice(finding.meaning)}")
