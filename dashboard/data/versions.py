"""The versions of a project's data or models over time, as a chart and as a table."""

from collections.abc import Sequence

import streamlit as st

from dashboard import state
from dashboard.components import status, tables
from dashboard.data import access, chart, figures
from dashboard.data.address import REVISION, VERSIONS_PAGE
from dashboard.data.figures import Line
from dashboard.data.listing import REMOTE_WORDS, wide
from dashboard.numbers import age, count, moment, size
from services.data.models import Kind, Version

_OPEN, _SHOWN, _GO = "data:open-version", "data:versions", "data:go-version"


def draw(project: str, kind: Kind, shown: str | None) -> None:
    """Draw the project's own versions as they are now; ``shown`` is the one looked at."""
    if st.session_state.pop(_GO, False):
        st.rerun(scope="app")
    versions = access.versions(project, kind)
    if not versions:
        return
    chart.draw(versions, state.zone(), shown)
    lines = figures.lines(versions, access.uses(project, kind))
    first = min(
        tables.offset(VERSIONS_PAGE), (len(lines) - 1) // tables.PAGE_SIZE * tables.PAGE_SIZE
    )
    table(lines[first : first + tables.PAGE_SIZE], shown)
    if len(lines) > tables.PAGE_SIZE:
        tables.pager(len(lines), key=VERSIONS_PAGE, noun="version")


def table(lines: Sequence[Line], shown: str | None) -> None:
    """Draw versions; a click on a revision opens it."""
    st.session_state[_SHOWN] = tuple(line.version.revision for line in lines)
    text = st.column_config.TextColumn
    columns = {
        "revision": st.column_config.ButtonColumn(
            "Revision",
            width=150,
            pinned=True,
            type="tertiary",
            alignment="left",
            key=_OPEN,
            on_click=_open,
        ),
        "state": wide(status.column("State", ("current", "earlier", "shown")), 145),
        "at": text("Made", width=90),
        "size": text("Size", width=80, alignment="right"),
        "grown": text("Δ size", width=90, alignment="right", help="Against the one made before."),
        "files": text("Files", width=70, alignment="right"),
        "remote": wide(status.column("Remote", REMOTE_WORDS), 90),
        "used": text("Used by", width=150),
        "when": text("Made at", width=190),
        "last": text("Last in the folder", width=130),
        "from": text("From", width=130),
    }
    rows = [cells(line, shown) for line in lines]
    tables.table(rows, columns, key="data-versions", max_rows_shown=8)  # type: ignore[arg-type]  # a button column is a column


def cells(line: Line, shown: str | None) -> dict[str, object]:
    """Return a version's cells."""
    version = line.version
    return {
        "revision": version.revision,
        "state": status.cell("current" if version.current else "earlier")
        + (status.cell("shown") if version.revision == shown else []),
        "at": age(version.at),
        "when": moment(version.at, state.zone()),
        "size": size(version.bytes),
        "grown": figures.grown(line.grown_bytes),
        "files": count(version.files),
        "remote": status.cell(version.remote),
        "used": figures.used(line),
        "last": age(version.last_at),
        "from": version.from_project or "its own",
    }


def looked_at(
    own: Sequence[Version], shared: Sequence[Version], named: str
) -> tuple[Version | None, bool]:
    """Return the version the address names, and whether it named one that is not there.

    By the beginning of its revision; the present one when it names none, else the newest.
    """
    known = [*own, *shared]
    if len(named) >= 4:
        found = [v for v in known if v.revision.startswith(named.lower())]
        if found:
            return found[0], False
    first = next((v for v in own if v.current), own[0] if own else None)
    return first, bool(named)


def _open() -> None:
    click = st.session_state[_OPEN]
    shown = st.session_state[_SHOWN]
    if click is not None and click["row"] < len(shown):
        st.query_params[REVISION] = shown[click["row"]]
        st.session_state[_GO] = True
