"""The frame round every page: scope, search, account, engines; and errors as sentences."""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard import images, navigation, palette, scope, signin, state
from dashboard.components import ages, dialogs, notices, status
from dashboard.numbers import counted
from dashboard.text import plain
from services.errors import MlopsError, PlatformError

if TYPE_CHECKING:
    from services.access import User

_REFRESH_S = 5


def draw(person: "User", page: st.Page) -> None:
    """Draw the frame and run the page in it."""
    dialogs.page_begins()
    navigation.settle(page)
    st.logo(images.name(st.context.theme.type), icon_image=images.MARK, size="large")
    with st.sidebar:
        palette.button()
        unknown = _scope()
        _engines()
        _account(person)
    if unknown:
        notices.problem(
            MlopsError(
                f"There is no project “{unknown[:80]}”, or it is not in your scope.",
                "The page shows all your projects instead.",
            )
        )
    try:
        page.run()
    except MlopsError as error:
        notices.problem(error)


def _scope() -> str | None:
    """Draw the choice of scope; return the project the address names when there is none such."""
    try:
        known = tuple(project.id for project in state.projects())
    except PlatformError:
        known = ()
    named = st.query_params.get(scope.PROJECT)
    scope.choose(known)
    return named if named and named not in known else None


@st.fragment(run_every=_REFRESH_S)
def _engines() -> None:
    """Draw the engines as badges and the age of the picture; notice when the session has ended."""
    if state.who() is None:
        st.rerun(scope="app")
    with st.container(key="engines", gap="xsmall"):
        found = state.engines()
        if not found:
            st.caption("No engine has reported yet.")
            return
        st.markdown(" ".join(status.inline(e.state, e.title) for e in found))
        ages.caption("Mirror", state.as_of())


def _account(person: "User") -> None:
    with st.container(gap="xxsmall"):
        chosen = st.menu_button(
            plain(person.name, 40),
            ("Change password", "Sign out"),
            icon=":material/account_circle:",
            type="tertiary",
            key="account",
        )
        scoped = "" if person.projects is None else f" · {counted(len(person.projects), 'project')}"
        st.caption(f"Signed in as {person.role}{scoped}")
    if chosen == "Change password":
        signin.change_password()
    elif chosen == "Sign out":
        signin.leave()
