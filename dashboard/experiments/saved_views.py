"""Named views: one's own and those others share; a view is the address, with its scope."""

from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from dashboard import scope, state
from dashboard.components import dialogs, notices
from dashboard.experiments import address
from dashboard.experiments.view import View, read_view
from dashboard.text import plain
from services.errors import MlopsError

PAGE = "experiments"
_MAX_NAME = 120


@dataclass(frozen=True, slots=True)
class SavedView:
    """A view somebody keeps under a name."""

    owner: str
    name: str
    query: str
    shared: bool


def to_query(view: View, where: scope.Scope) -> str:
    """Return a view as it is kept: without page and choice, which belong to the moment."""
    kept = replace(view, page=1, selected=())
    params = kept.to_params()
    if where.project:
        params[scope.PROJECT] = where.project
    params[scope.RANGE] = where.span
    return urlencode(params)


def from_query(query: str) -> tuple[View, dict[str, str]]:
    """Return the view and the scope a kept query names."""
    params = dict(parse_qsl(query))
    view, _ = read_view(params)
    where = {key: params[key] for key in (scope.PROJECT, scope.RANGE) if key in params}
    return view, where


def listed() -> tuple[SavedView, ...]:
    """Return one's own views and the shared ones."""
    from services.actions import views

    found = views.list_views(state.journal(), state.user().name, PAGE)
    return tuple(SavedView(*entry) for entry in found)


@dialogs.dialog("Saved views", icon=":material/bookmark:", width="medium")
def dialog() -> None:
    """Open, save, update and delete views."""
    view, _ = address.current()
    where = scope.current()
    me = state.user().name
    found = listed()
    if not found:
        st.caption(
            "No view is saved yet. A view keeps filter, order, columns, curve, project and time "
            "range under a name, for you or for everybody."
        )
    for saved in found:
        _line(saved, me, to_query(view, where))
    _save(me, to_query(view, where), found)


def _line(saved: SavedView, me: str, now: str) -> None:
    mine = saved.owner == me
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        key = f"{saved.owner}:{saved.name}"
        opened = st.button(
            plain(saved.name, 60),
            key=f"exp-v-open-{key}",
            icon=":material/bookmark:",
            type="tertiary",
            on_click=_open,
            args=(saved.query,),
            help=plain(saved.query, 300),
        )
        if opened:
            st.rerun()
        if saved.shared:
            st.badge("shared" if mine else f"by {plain(saved.owner, 40)}", color="blue")
        if saved.query == now:
            st.badge("shown now", color="gray")
        st.space("stretch")
        if not mine:
            return
        _small("sync", "Keep what is shown now under this name", key, _keep, saved, now)
        icon = "group_remove" if saved.shared else "group_add"
        _small(icon, _share_word(saved), key, _share, saved)
        _small("delete", "Delete this view", key, _delete, saved)


def _share_word(saved: SavedView) -> str:
    return "Show it only to me" if saved.shared else "Show it to everybody"


def _small(icon: str, word: str, key: str, do: object, *args: object) -> None:
    st.button(
        "",
        icon=f":material/{icon}:",
        help=word,
        type="tertiary",
        key=f"exp-v-{icon}-{key}",
        on_click=do,  # type: ignore[arg-type]  # one of the three callbacks below
        args=args,
    )


def _open(query: str) -> None:
    view, where = from_query(query)
    st.session_state[scope.PROJECT] = where.get(scope.PROJECT)
    span = where.get(scope.RANGE, scope.WHOLE)
    st.session_state[scope.RANGE] = span if span in scope.RANGES else scope.WHOLE
    address.show(view)


def _keep(saved: SavedView, now: str) -> None:
    _write(saved.name, now, shared=saved.shared)


def _share(saved: SavedView) -> None:
    _write(saved.name, saved.query, shared=not saved.shared)


def _delete(saved: SavedView) -> None:
    from services.actions import views

    try:
        views.delete_view(state.journal(), state.user().name, PAGE, saved.name)
    except MlopsError as error:
        st.session_state[_FAULT] = error


def _write(name: str, query: str, *, shared: bool) -> None:
    from services.actions import views

    try:
        views.save_view(state.journal(), state.user().name, PAGE, name, query, shared=shared)
    except MlopsError as error:
        st.session_state[_FAULT] = error


_FAULT = "experiments:view-fault"
_NAME, _SHARED = "exp-v-name", "exp-v-shared"


def _save(me: str, now: str, found: tuple[SavedView, ...]) -> None:
    st.divider()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(
            "Save what is shown now as", key=_NAME, max_chars=_MAX_NAME, placeholder="A name"
        )
        shared = st.toggle("For everybody", key=_SHARED)
        known = any(saved.owner == me and saved.name == name.strip() for saved in found)
        pressed = st.button(
            "Replace" if known else "Save",
            key="exp-v-save",
            type="primary",
            icon=":material/bookmark_add:",
            on_click=_saved,
            args=(now,),
            disabled=not name.strip(),
        )
    fault = st.session_state.pop(_FAULT, None)
    if isinstance(fault, MlopsError):
        notices.problem(fault)
    elif pressed and shared is not None:
        st.toast("The view is saved.", icon=":material/bookmark_added:")


def _saved(now: str) -> None:
    _write(st.session_state[_NAME], now, shared=bool(st.session_state[_SHARED]))
