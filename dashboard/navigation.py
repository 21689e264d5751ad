"""The pages there are, and links between them that keep the scope.

A new page is a file in ``pages/`` and one line here.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import streamlit as st

from dashboard import scope

_PAGES = Path(__file__).resolve().parent.parent / "pages"
_NOWHERE = _PAGES / "nowhere.py"
_PAGE_NAME = re.compile(r"[\w.~-]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """One page: its name is its file and its address."""

    name: str
    title: str
    icon: str
    group: str
    help: str
    listed: bool = True
    """Whether the menu shows it; a page of one thing is reached by links."""
    admin: bool = False

    @property
    def path(self) -> Path:
        """The file."""
        return _PAGES / f"{self.name}.py"


ENTRIES = (
    Entry("overview", "Overview", "dashboard", "", "Health of all projects and what needs you."),
    Entry(
        "alerts",
        "Alerts",
        "notifications",
        "",
        "What needs you, what is kept quiet, and who is told.",
    ),
    Entry(
        "experiments", "Experiments", "science", "Work", "All runs of all projects in one table."
    ),
    Entry("compare", "Compare runs", "compare_arrows", "Work", "Runs side by side.", listed=False),
    Entry("run", "Run", "play_circle", "Work", "One run in full.", listed=False),
    Entry(
        "registry", "Registry", "deployed_code", "Work", "Models, versions and who promoted them."
    ),
    Entry("model", "Model", "package_2", "Work", "One model in full.", listed=False),
    Entry(
        "deployments",
        "Deployments",
        "dns",
        "Work",
        "Models in service: how they do, and what is done with them.",
    ),
    Entry(
        "monitoring",
        "Monitoring",
        "monitoring",
        "Work",
        "Whether models are still asked, and answer, as they were evaluated.",
    ),
    Entry(
        "lineage",
        "Lineage",
        "conversion_path",
        "Work",
        "Where a thing came from, what came of it, what of it is bad.",
    ),
    Entry("data", "Data", "database", "Work", "Versions of data and models, and who uses them."),
    Entry(
        "workflows",
        "Workflows",
        "account_tree",
        "Work",
        "Trainings and releases: their runs, tasks and logs.",
    ),
    Entry(
        "projects", "Projects", "folder_open", "Work", "The projects, their state and conformance."
    ),
    Entry("project", "Project", "folder", "Work", "One project in full.", listed=False),
    Entry(
        "queue", "Queue", "low_priority", "Platform", "What runs, what waits, why, and until when."
    ),
    Entry(
        "hardware",
        "Hardware",
        "memory",
        "Platform",
        "Machines: load, power, heat and who uses them.",
    ),
    Entry("activity", "Activity", "history", "Platform", "Who did what, when, and how it went."),
    Entry(
        "admin", "Admin", "shield_person", "Platform", "People, sessions and engines.", admin=True
    ),
)
HOME = "overview"
_DRAWN = "page-drawn"


def entries() -> tuple[Entry, ...]:
    """Return the pages whose file is there."""
    return tuple(entry for entry in ENTRIES if _is_there(entry.path))


@functools.cache
def _is_there(path: Path) -> bool:
    """Look once a process: a live page asks for links every two seconds in every tab."""
    return path.is_file()


@functools.cache
def page(name: str) -> st.Page:
    """Return the page of that name, as ``st.page_link`` and ``st.switch_page`` want it.

    Made once a process: it asks the disk where its file is, and a live page has dozens of links.

    Raises:
        KeyError: No page has that name.
    """
    for entry in entries():
        if entry.name == name:
            return _as_page(entry, admin=True)
    raise KeyError(name)


def menu(*, admin: bool) -> dict[str, list[st.Page]]:
    """Return the pages by group for ``st.navigation``; hidden ones are still reached by address."""
    groups: dict[str, list[st.Page]] = {}
    for entry in entries():
        groups.setdefault(entry.group, []).append(_as_page(entry, admin=admin))
    if unknown := _unknown():
        # A page of ours under that name: else Streamlit answers, with a window of its own.
        nowhere = st.Page(_NOWHERE, title="No such page", url_path=unknown, visibility="hidden")
        groups[ENTRIES[0].group].append(nowhere)
    return groups


def _unknown() -> str:
    """Return the page the address names when there is none of that name, empty otherwise."""
    name = urlsplit(st.context.url or "").path.strip("/")
    known = any(entry.name == name for entry in entries())
    return "" if known or not _PAGE_NAME.fullmatch(name) else name


def link(
    name: str, label: str, icon: str = "", *, hover: str | None = None, **params: str | None
) -> None:
    """Draw a link to a page that keeps the scope and adds ``params`` to the address.

    ``hover`` is what it tells on hover: None, what the page is for; empty, nothing.
    """
    st.page_link(
        page(name),
        label=label,
        icon=f":material/{icon}:" if icon else None,
        help=hover,
        query_params=_query(params),
    )


def address(name: str, **params: str | None) -> str:
    """Return the address of a page for link columns and copying."""
    query = urlencode(_query(params))
    path = "/" if name == HOME else f"/{name}"
    return f"{path}?{query}" if query else path


def settle(page: st.Page) -> None:
    """Put into the browser's address what the page was opened with.

    A link from a page to the same page tells the server its parameters and leaves the address as
    it was: a reload, or the link passed on, would show something else. On a change of page,
    forth or back, the browser does it, and what it told may still be of the page before.
    """
    before, st.session_state[_DRAWN] = st.session_state.get(_DRAWN), page.url_path
    told = urlsplit(st.context.url or "")
    if before != page.url_path or told.path.rpartition("/")[2] != page.url_path:
        return
    asked = {name: st.query_params.get_all(name) for name in st.query_params}
    if parse_qs(told.query, keep_blank_values=True) != asked:
        st.query_params.update({})  # says all of them


def has(name: str) -> bool:
    """Return whether this installation has the page."""
    return any(entry.name == name for entry in entries())


def _query(params: Mapping[str, str | None]) -> dict[str, str]:
    own = {name: value for name, value in params.items() if value is not None}
    return scope.as_query() | own


def _as_page(entry: Entry, *, admin: bool) -> st.Page:
    shown = entry.listed and (admin or not entry.admin)
    return st.Page(
        entry.path,
        title=entry.title,
        icon=f":material/{entry.icon}:",
        url_path=entry.name,
        default=entry.name == HOME,
        visibility="visible" if shown else "hidden",
        help=entry.help,
    )
