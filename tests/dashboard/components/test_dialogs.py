"""A page that follows what changes is drawn anew by itself, and never closes a dialog so."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[3]
DRAWERS = {"dashboard/experiments/peek.py", "dashboard/registry/peek.py"}
"""Drawn again with the page, so that no whole run closes them."""


def page() -> None:
    """Draw a page whose follower saw a change, once; with a dialog that a button opens."""
    import streamlit as st

    from dashboard.components import dialogs

    def ask() -> None:
        st.text_input("Why", key="why")
        if st.button("Cancel", key="cancel"):
            st.rerun()

    dialogs.page_begins()
    st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    if st.button("Open", key="open"):
        dialogs.dialog("Asked", icon=":material/help:")(ask)()
    if st.session_state.pop("changed", False):
        dialogs.redraw()
    st.session_state["open_at_end"] = dialogs.is_open()


@pytest.fixture
def app() -> AppTest:
    return AppTest.from_function(page, default_timeout=20).run()


def changed(app: AppTest) -> AppTest:
    app.session_state["changed"] = True
    return app


def test_a_page_without_a_dialog_is_drawn_anew(app: AppTest):
    changed(app).run()
    assert app.session_state["runs"] == 3


def test_a_dialog_that_is_open_stays(app: AppTest):
    changed(app).button(key="open").click().run()
    assert app.session_state["runs"] == 2
    assert app.session_state["open_at_end"]
    assert app.text_input(key="why").label == "Why"


def test_once_it_is_closed_the_page_follows_again(app: AppTest):
    app.button(key="open").click().run()
    app.run()  # as its cross and its buttons do
    assert not app.session_state["open_at_end"]
    changed(app).run()
    assert app.session_state["runs"] == 5


def test_every_dialog_is_noted():
    files = [*(ROOT / "dashboard").rglob("*.py"), *(ROOT / "pages").rglob("*.py")]
    found = {
        path.relative_to(ROOT).as_posix() for path in files if "st.dialog(" in path.read_text()
    }
    assert found == {"dashboard/components/dialogs.py", *DRAWERS}
