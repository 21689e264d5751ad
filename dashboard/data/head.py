"""The head of one project's data or models: how the folder stands, and what it holds."""

import streamlit as st

from dashboard import navigation
from dashboard.components import notices, status, tiles
from dashboard.components.notices import advice
from dashboard.data import access, figures
from dashboard.data.access import Holding
from dashboard.data.address import KIND, OF_ONE_KIND
from dashboard.numbers import age, count, size
from dashboard.text import plain
from services.data.models import KINDS, Kind, Status


def title(project: str, name: str, kind: Kind) -> None:
    """Draw what the page is about, and the choice between data and models."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title(f"{kind.capitalize()} of {plain(name, 80)}", width="content")
        st.space("stretch")
        _kind(kind)
        if navigation.has("project"):
            navigation.link("project", "Project", icon="folder", id=project)


def _kind(kind: Kind) -> None:
    st.session_state[KIND] = kind
    st.segmented_control(
        "Kind",
        KINDS,
        required=True,
        key=KIND,
        format_func=str.capitalize,
        label_visibility="collapsed",
        on_change=_kind_changed,
    )


def _kind_changed() -> None:
    gone: dict[str, str | list[str]] = {name: [] for name in OF_ONE_KIND}
    st.query_params.update(gone | {KIND: st.session_state[KIND]})


def draw(project: str, name: str, kind: Kind) -> Holding:
    """Draw how the folder stands now, in words and figures."""
    found = access.holdings([project], {project: name})
    holding = next(one for one in found if one.kind == kind)
    _standing(holding)
    if holding.status is not None and holding.status.revision is not None:
        _figures(holding.status)
    return holding


def _standing(holding: Holding) -> None:
    if holding.word == "damaged" and holding.trouble is not None:
        notices.problem(holding.trouble)
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        status.badge(holding.word)
        st.markdown(advice(holding.why or _SAID.get(holding.word, "")), width="content")
        if holding.status is not None and holding.status.paths:
            paths = ", ".join(holding.status.paths)
            st.caption(f"{plain(paths, 200)} in {plain(holding.status.folder, 200)}")


_SAID = {"clean": "The folder is as its version has it."}


def _figures(found: Status) -> None:
    with st.grid(4, min_column_width=230):
        tiles.tile("Present version", found.revision, why=_why_revision(found))
        tiles.tile("Size", size(found.bytes), why="Of all its files; the same bytes lie once.")
        tiles.tile("Files", count(found.files))
        tiles.tile("Remote", found.remote, why=_why_remote(found))
    if found.queued:
        st.info(f"{plain(figures.waits(found.queued), 400)}", icon=":material/schedule:")


def _why_revision(found: Status) -> str:
    return f"Made {age(found.at)}. Runs and registered versions carry it as a tag."


def _why_remote(found: Status) -> str:
    return {
        "there": "All of it was sent.",
        "queued": "It waits for the remote, and is sent by itself.",
        "not sent": "It is on this machine alone: Send copies it.",
        None: "",
    }[found.remote]


def empty(holding: Holding) -> None:
    """Draw what to do where there is no version yet."""
    if holding.word == "not listed":
        notices.empty(
            f"The project lists no {holding.kind}",
            f"List its folders under `{holding.kind}` in `[tool.mlops]` of its pyproject.toml.",
            icon="playlist_add",
            command=f'{holding.kind} = ["{holding.kind}/"]',
        )
        return
    if holding.word == "no repository":
        sentence = "Its data repository is made when the project is connected, within 30 s."
    elif holding.word == "looking":
        sentence = "The folder is being looked through."
    elif holding.kind == "models":
        sentence = "A training run makes one of the models it leaves; or make one of what is there."
    else:
        sentence = "A training run makes one of what it finds; or make one of what is there now."
    notices.empty(
        f"No version of {holding.kind} yet",
        sentence,
        icon="database",
        command=f"mlops data add {holding.project}",
    )
