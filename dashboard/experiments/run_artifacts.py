"""The files of a run: their list from the mirror, their content from MLflow when asked for."""

from pathlib import PurePosixPath

import streamlit as st

from dashboard import state
from dashboard.components import dialogs, notices, tables
from dashboard.experiments.content import content_of
from dashboard.experiments.wants import want
from dashboard.numbers import UNKNOWN, counted, size
from dashboard.text import plain
from services.mirror.models import Artifact, Run

_MOST = 500
_TEXT_BYTES = 200_000
_IMAGE_BYTES = 5_000_000
_DOWNLOAD_BYTES = 200_000_000
_IMAGES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp"})
_TEXTS = frozenset(
    {".txt", ".json", ".yaml", ".yml", ".csv", ".md", ".toml", ".py", ".log", ".ini", ".cfg"}
)
_TEXT_NAMES = frozenset({"MLmodel"})


def draw(run: Run, off: str | None) -> None:
    """Draw the list, and the file that is chosen in it."""
    listing = state.mirror().artifacts(run.run_id)
    if listing is None:
        _await(run, off)
        return
    files = [entry for entry in listing if not entry.is_folder]
    if not files:
        notices.empty("No file", "This run has left no artifact.", icon="folder_open")
        return
    total = sum(entry.size_bytes or 0 for entry in files)
    st.caption(f"{counted(len(files), 'file')}, {size(total)}. Choose one to look into it.")
    rows = [
        {
            "path": entry.path,
            "size": UNKNOWN if entry.size_bytes is None else size(entry.size_bytes),
        }
        for entry in files[:_MOST]
    ]
    columns = {
        "path": st.column_config.TextColumn("file", width="large"),
        "size": st.column_config.TextColumn("size", alignment="right"),
    }
    chosen = tables.table(rows, columns, key="run-files", select=True, max_rows_shown=10)
    if len(files) > _MOST:
        st.caption(f"The first {_MOST} files are shown; MLflow’s own page lists all.")
    if chosen is not None:
        _file(run, files[chosen], off)


def _await(run: Run, off: str | None) -> None:
    waiting = want("artifacts", (run.run_id,))
    if off is None and waiting:
        st.caption("The list of files is being fetched.")
        st.fragment(_look_again, run_every=1)(run.run_id)
        return
    st.caption(
        f"The list of files was not fetched yet{f': {plain(off, 200)}' if off else ''}. The "
        "controller does it when MLflow answers."
    )


def _look_again(run_id: str) -> None:
    if state.mirror().artifacts(run_id) is not None or not want("artifacts", (run_id,)):
        dialogs.redraw()
    st.skeleton(height=120)


def _file(run: Run, entry: Artifact, off: str | None) -> None:
    path = PurePosixPath(entry.path)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{plain(entry.path, 200)}**", width="stretch")
            _download(run, entry, off)
        if off is not None:
            st.caption(f"Its content cannot be shown now: {plain(off, 200)}")
        elif path.suffix.lower() in _IMAGES:
            _preview(run, entry, _IMAGE_BYTES, image=True)
        elif path.suffix.lower() in _TEXTS or path.name in _TEXT_NAMES:
            _preview(run, entry, _TEXT_BYTES, image=False)
        else:
            st.caption("Files of this kind are not shown here; download it to look into it.")


def _download(run: Run, entry: Artifact, off: str | None) -> None:
    large = (entry.size_bytes or 0) > _DOWNLOAD_BYTES
    if off is not None or large:
        why = off or f"Above {size(_DOWNLOAD_BYTES)}: use `mlflow artifacts download`."
        st.button("Download", icon=":material/download:", disabled=True, help=why, key="run-get")
        return
    project, run_id, path = run.project, run.run_id, entry.path
    st.download_button(
        "Download",
        lambda: content_of(project, run_id, path).value_or_sentence(),
        file_name=PurePosixPath(path).name,
        mime="application/octet-stream",
        icon=":material/download:",
        key="run-get",
        on_click="ignore",
    )


def _preview(run: Run, entry: Artifact, most: int, *, image: bool) -> None:
    if (entry.size_bytes or 0) > most:
        st.caption(f"{size(entry.size_bytes)} is too large to show here; download it.")
        return
    found = content_of(run.project, run.run_id, entry.path)
    data = notices.value_or_notice(found.reading)
    if data is None:
        return
    if image:
        try:
            st.image(data, alt=entry.path)
        except (OSError, ValueError):
            st.caption("The file is not an image, whatever its name says.")
        return
    st.code(data[:most].decode("utf-8", "replace"), language=None, height=360)
