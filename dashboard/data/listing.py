"""All projects' data and models, a row each; the remote and the cache above them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import state
from dashboard.components import notices, status, tables, tiles
from dashboard.data import access, figures
from dashboard.data.access import Holding
from dashboard.data.address import KIND, OF
from dashboard.numbers import UNKNOWN, age, count, counted, size
from dashboard.scope import Scope
from dashboard.text import plain
from services.data.models import Room, Standing
from services.data.picture import Look
from services.errors import MlopsError

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

WORDS = (
    "clean", "changed", "untracked", "empty", "not listed", "gone", "unfinished", "damaged",
    "looking",
)  # fmt: skip
REMOTE_WORDS = ("there", "queued", "not sent")
_NAMED = 12
_WAITING = 5
_OPEN, _SHOWN, _GO = "data:open", "data:rows", "data:go"


def draw(where: Scope) -> None:
    """Draw the remote, the cache and all rows, as they are now."""
    if st.session_state.pop(_GO, False):
        st.rerun(scope="app")  # out of the fragment, to the version that was clicked
    names = access.titles()
    wanted = access.ids(where, tuple(names))
    rows = access.holdings(wanted, names)
    head(rows, state.data().standing(), state.data().room())
    troubles(rows)
    waiting(rows)
    held = [row for row in rows if row.word != "no repository"]
    if held:
        table(held)
        st.caption(_listless(held))
    without = dict.fromkeys(row.title for row in rows if row.word == "no repository")
    if without:
        st.caption(_without(list(without)))


def head(rows: Sequence[Holding], remote: Look[Standing], room: Look[Room]) -> None:
    """Draw how many versions there are, how the remote stands, what waits, what the cache takes."""
    queued = [one for row in rows if row.status for one in row.status.queued]
    versions = sum(row.status.versions for row in rows if row.status)
    with st.grid(4, min_column_width=230):
        tiles.tile("Versions", count(versions), why="Of data and of models, of all rows below.")
        word = remote.value.state if remote.value else None
        tiles.tile("Remote", word, why=_why_remote(remote))
        tiles.tile("Wait for the remote", count(len(queued)), why=_why_queue(remote.value))
        took = room.value
        tiles.tile(
            "Cache",
            size(took.bytes) if took else "being measured",
            why=_why_cache(took) if took else "Each of its files is asked for its size.",
        )
    if remote.value is not None:
        _remote(remote.value)


def _remote(remote: Standing) -> None:
    if remote.state == "away":
        st.warning(
            f"**The remote {plain(remote.shown, 200)} is away.** {plain(remote.reason, 400)} "
            "What waits is sent by itself when it is back.",
            icon=":material/cloud_off:",
        )
        return
    said = f"Remote {plain(remote.shown, 300)}"
    if remote.at is not None:
        said += f", last sent to {age(remote.at)}"
    if not remote.configured:
        said += (
            ". It is a folder in the home, no safer than the cache: versions are sent there when "
            "asked. `dvc_remote` in settings.toml chooses another"
        )
    st.caption(f"{said}.")


def _why_remote(remote: Look[Standing]) -> str:
    if remote.value is None:
        return str(remote.trouble) if remote.trouble else "It is being looked at."
    told = {
        "there": "It answered when it was last needed.",
        "away": remote.value.reason,
        "not asked": "Nothing was sent there yet.",
    }[remote.value.state]
    return f"{remote.value.shown}. {told}"


def _why_queue(remote: Standing | None) -> str:
    if remote is not None and not remote.configured:
        return "Versions are sent when asked: a remote of your own gets each by itself."
    return "Each new version is sent by itself; while the remote is away it waits here."


def _why_cache(room: Room) -> str:
    linked = f" {size(room.linked_bytes)} of it also lie in a folder, taken once."
    return (
        f"{counted(room.files, 'file')} of all projects on this machine, each content once."
        f"{linked if room.linked_bytes else ''}"
    )


def troubles(rows: Sequence[Holding]) -> None:
    """Draw what is wrong with a project as a whole, once a project."""
    told = set()
    for row in rows:
        if row.word == "damaged" and row.trouble is not None and row.project not in told:
            told.add(row.project)
            sentence = f"{row.title}: {row.trouble.message}"
            notices.problem(MlopsError(sentence, row.trouble.hint))


def waiting(rows: Sequence[Holding]) -> None:
    """Draw what waits for the remote, since when and why."""
    queued = [row for row in rows if row.status is not None and row.status.queued]
    if not queued:
        return
    lines = [
        f"**{plain(row.title, 60)}**, {row.kind}: {plain(figures.waits(row.status.queued), 300)}"
        for row in queued[:_WAITING]
        if row.status is not None
    ]
    if len(queued) > _WAITING:
        lines.append(f"and {len(queued) - _WAITING} more")
    st.info("  \n".join(lines), icon=":material/schedule:")


def table(rows: Sequence[Holding]) -> None:
    """Draw the rows; a click on a name opens its versions."""
    st.session_state[_SHOWN] = tuple((row.project, row.kind) for row in rows)
    text = st.column_config.TextColumn
    columns = {
        "project": st.column_config.ButtonColumn(
            "Project",
            width=175,
            pinned=True,
            type="tertiary",
            alignment="left",
            key=_OPEN,
            on_click=_open,
        ),
        "kind": text("Kind", width=65),
        "state": wide(status.column("Folder", WORDS), 105),
        "size": text("Size", width=75, alignment="right"),
        "files": text("Files", width=65, alignment="right"),
        "versions": text("Versions", width=70, alignment="right"),
        "at": text("Made", width=85),
        "remote": wide(status.column("Remote", REMOTE_WORDS), 90),
        "revision": text("Revision", width=145),
        "why": text("To know", width=400),
    }
    tables.table([cells(row) for row in rows], columns, key="data-table", max_rows_shown=18)  # type: ignore[arg-type]  # a button column is a column


def cells(row: Holding) -> dict[str, object]:
    """Return a row's cells."""
    found = row.status
    known = found if found is not None and found.revision is not None else None
    return {
        "project": row.title,
        "kind": row.kind,
        "state": status.cell(row.word),
        "revision": known.revision if known else "",
        "files": count(known.files) if known else "",
        "size": size(known.bytes) if known else "",
        "at": age(known.at) if known else "",
        "versions": count(found.versions) if found else UNKNOWN,
        "remote": status.cell(known.remote) if known and known.remote else [],
        "why": row.why,
    }


def wide(column: "ColumnConfig", width_px: int) -> "ColumnConfig":
    """Return a column of states that is so wide."""
    column["width"] = width_px
    return column


def _without(names: Sequence[str]) -> str:
    shown = ", ".join(plain(name, 40) for name in names[:_NAMED])
    more = f" and {counted(len(names) - _NAMED, 'other')}" if len(names) > _NAMED else ""
    return (
        f"Without a data repository yet: {shown}{more}. It is made when the project is connected, "
        "within 30 s of its folder being found."
    )


def _listless(rows: Sequence[Holding]) -> str:
    changed = sum(row.word in {"changed", "untracked"} for row in rows)
    if changed:
        noun = "folder has" if changed == 1 else "folders have"
        return f"{changed} {noun} changes that are no version yet: training makes one by itself."
    return "Each training run makes a version of what it finds, and of the models it leaves."


def _open() -> None:
    click = st.session_state[_OPEN]
    shown = st.session_state[_SHOWN]
    if click is not None and click["row"] < len(shown):
        project, kind = shown[click["row"]]
        st.query_params.update({OF: project, KIND: kind})
        st.session_state[_GO] = True
