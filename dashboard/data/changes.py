"""What a version changed against any other: which files, and how large they are."""

from collections.abc import Sequence

import streamlit as st

from dashboard import state
from dashboard.components import located, notices, status, tables
from dashboard.data import figures
from dashboard.data.address import AGAINST, CHANGE, FILE, FILES_PAGE, ORDER
from dashboard.numbers import counted, size
from services.data.models import Changes, FileChange, Version
from services.errors import EngineError, MlopsError

WORDS = ("added", "changed", "removed")
_ORDERS = ["by name", "by size"]
_NOTHING = "nothing (all of its files)"


def draw(project: str, version: Version, others: Sequence[Version]) -> None:
    """Draw the choice of the other version, and the files that differ."""
    against = _chosen(version, others)
    try:
        with st.spinner("Comparing the lists of files"):  # of 50,000 files: a second, once
            found = state.data().changes(
                project, version.revision, against.revision if against else None
            )
    except EngineError as error:
        hint = "Fetch the version: its list of files comes with it."
        notices.problem(MlopsError(error.message, hint))
        return
    if against is None and found.against is not None:
        # It has a version before it that is not listed here, one of its owner's.
        st.caption(f"Compared with {found.against}, which was made before it.")
    st.markdown(summary(found))
    if found.files:
        _files(found)


def before(version: Version, others: Sequence[Version]) -> Version | None:
    """Return the version made before this one, of the same project; None for the first."""
    older = [one for one in others if one.project == version.project and one.at <= version.at]
    return max(older, key=lambda one: one.at, default=None)


def _chosen(version: Version, others: Sequence[Version]) -> Version | None:
    """Draw the choice; the address holds it, and without one it is the version before."""
    by_revision = {one.revision: one for one in others}
    first = before(version, others)
    named = st.query_params.get(AGAINST, "")
    found = next((r for r in by_revision if len(named) >= 4 and r.startswith(named)), None)
    default = first.revision if first else None
    st.session_state[AGAINST] = found or default
    if not by_revision:
        return None
    st.selectbox(
        "Compared with",
        list(by_revision),
        key=AGAINST,
        index=None,
        placeholder=_NOTHING,
        format_func=lambda revision: label(by_revision[revision], version),
        on_change=_changed,
        args=(default,),
        width=460,
    )
    return by_revision.get(found or default or "")


def label(version: Version, other: Version) -> str:
    """Return a version for the choice; nothing in it changes while one chooses, as an age would."""
    whose = f", of {version.project}" if version.project != other.project else ""
    files = counted(version.files, "file")
    at = version.at.astimezone(state.zone())
    return f"{version.revision} · {at:%d %b %Y %H:%M}, {files}, {size(version.bytes)}{whose}"


def _changed(default: str | None) -> None:
    value = st.session_state[AGAINST]
    st.query_params.update({AGAINST: [] if value in (None, default) else value, FILES_PAGE: []})


def summary(found: Changes) -> str:
    """Return the counts as markdown, in the colours of the words, and how the size changed."""
    if not found.files:
        return "**The two versions hold the same files.**"
    counts = (found.added, found.changed, found.removed)
    parts = [
        f":{look.colour}[:material/{look.icon}: **{count:,}** {word}]"
        for word, count in zip(WORDS, counts, strict=True)
        if count and (look := status.look(word))
    ]
    sizes = f"{size(found.bytes_against)} → **{size(found.bytes)}**"
    change = figures.grown(found.bytes - found.bytes_against)
    if found.against is None:
        return f"{' · '.join(parts)} :gray[· {size(found.bytes)} in all]"
    return f"{' · '.join(parts)} :gray[·] {sizes} :gray[({change})]"


def _files(found: Changes) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = located.text("File", name=FILE, placeholder="part of the path", width=260)
        kinds = [word for word in WORDS if any(one.change == word for one in found.files)]
        words = located.several("Show only", kinds, name=CHANGE) if len(kinds) > 1 else []
        order = located.choice("Order", _ORDERS, name=ORDER, default=_ORDERS[0])
    shown = figures.matching(found.files, text, words, by_size=order == _ORDERS[1])
    if not shown:
        st.caption("No file that differs has this in its path.")
        return
    size_ = tables.PAGE_SIZE
    first = min(tables.offset(FILES_PAGE), (len(shown) - 1) // size_ * size_)
    table(shown[first : first + size_])
    tables.pager(len(shown), key=FILES_PAGE, noun="file")


def table(files: Sequence[FileChange]) -> None:
    """Draw files with their sizes in both versions."""
    columns = {
        "change": status.column("Change", WORDS),
        "path": st.column_config.TextColumn("File", width=300),
        "before": st.column_config.TextColumn("Before", width=100, alignment="right"),
        "after": st.column_config.TextColumn("After", width=100, alignment="right"),
        "grown": st.column_config.TextColumn("Δ size", width=100, alignment="right"),
    }
    tables.table([cells(one) for one in files], columns, key="data-files", max_rows_shown=12)


def cells(change: FileChange) -> dict[str, object]:
    """Return a file's cells."""
    both = change.before is not None and change.after is not None
    difference = (change.after or 0) - (change.before or 0) if both else None
    return {
        "change": status.cell(change.change),
        "path": change.path,
        "before": figures.file_size(change.before, there=change.change != "added"),
        "after": figures.file_size(change.after, there=change.change != "removed"),
        "grown": "" if difference is None else figures.grown(difference),
    }
