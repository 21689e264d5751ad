"""Registering a project's folder by its path."""

from pathlib import Path

import streamlit as st

from dashboard.components import actions
from dashboard.text import plain
from services.actions.register_project import RegisterProject
from services.errors import InputError
from services.projects.adoption import propose
from services.projects.contract import look


def button(off: str | None) -> None:
    """Draw the button that registers a project."""
    proposal = actions.Proposal(
        "Register a project", _asked, verb="Register", command="mlops projects add PATH"
    )
    actions.button(
        "Register a project",
        proposal,
        key="register-project",
        icon="create_new_folder",
        off=off,
        kind="primary",
    )


def _asked() -> RegisterProject | None:
    typed = st.text_input(
        "Folder on the machine of the platform",
        key="register-path",
        placeholder="/absolute/path/of/the/project",
        max_chars=1_000,
    ).strip()
    if not typed:
        return None
    folder = Path(typed).expanduser()
    if not folder.is_absolute():
        raise InputError("This is no absolute path.", "It begins with a slash.")
    found = look(folder)
    if found.contract is not None:
        return RegisterProject(str(folder), found.contract.id)
    st.warning(plain(" ".join(found.reasons), 600), icon=":material/rule:")
    if not found.table and folder.is_dir():
        st.markdown("A `[tool.mlops]` table that suits it, from what is in the folder:")
        st.code(propose(folder), language="toml")
    return None
