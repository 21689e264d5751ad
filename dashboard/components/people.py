"""Accounts: the table, and the dialogs that add and change them."""

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import state
from dashboard.components import actions, status, tables
from dashboard.numbers import age
from dashboard.text import plain
from services.access import User, store
from services.actions.roles import ROLES, Role
from services.actions.users import AddUser, ChangeUser

if TYPE_CHECKING:
    from services.access import Session
    from services.actions.action import Action

_ROLE_WORDS = {
    "viewer": "viewer: reads",
    "operator": "operator: also launches, tags and archives",
    "approver": "approver: also promotes and rolls back",
    "admin": "admin: also manages people and projects",
}


def table(people: Sequence[User]) -> User | None:
    """Draw the accounts; return the selected one."""
    columns = {
        "name": st.column_config.TextColumn("Name", width="medium"),
        "role": st.column_config.TextColumn("Role", width="small"),
        "projects": st.column_config.TextColumn("Sees", width="large"),
        "state": status.column("Account", ("enabled", "disabled")),
        "made": st.column_config.TextColumn("Made", width="small"),
    }
    rows = [
        {
            "name": person.name,
            "role": person.role,
            "projects": _scope_words(person.projects),
            "state": status.cell("disabled" if person.disabled else "enabled"),
            "made": age(_moment(person.created_ms)),
        }
        for person in people
    ]
    chosen = tables.table(rows, columns, key="people-table", select=True)
    return None if chosen is None else people[chosen]


def sessions_table(sessions: "Sequence[Session]") -> None:
    """Draw who is signed in where."""
    columns = {
        "user": st.column_config.TextColumn("Who", width="medium"),
        "since": st.column_config.TextColumn("Signed in"),
        "until": st.column_config.TextColumn("Ends"),
        "address": st.column_config.TextColumn("From address"),
    }
    rows = [
        {
            "user": session.user,
            "since": age(_moment(session.created_ms)),
            "until": age(_moment(session.expires_ms)),
            "address": session.address,
        }
        for session in sessions
    ]
    tables.table(rows, columns, key="sessions-table")


def add(off: str | None) -> None:
    """Draw the button that adds an account."""
    proposal = actions.Proposal(
        "Add a person",
        _new_account,
        verb="Add",
        command="mlops users add NAME --role viewer --project ID",
        after=_show_password,
    )
    actions.button(
        "Add a person", proposal, key="add-user", icon="person_add", off=off, kind="primary"
    )


def change(person: User, off: str | None) -> None:
    """Draw what can be done with an account."""
    name = plain(person.name)
    with st.container(horizontal=True, border=True, vertical_alignment="center"):
        st.markdown(f"**{name}**", width="content")
        _button(f"Role and scope of {name}", "Role and scope", "tune", lambda: _role(person), off)
        _button(f"New password for {name}", "New password", "password", lambda: _reset(person), off)
        word, icon = ("Enable", "person_check") if person.disabled else ("Disable", "person_off")
        turned = ChangeUser(person.name, disabled=not person.disabled)
        _button(f"{word} {name}", word, icon, lambda: turned, off)
        out = ChangeUser(person.name)
        _button(f"End all sessions of {name}", "End sessions", "logout", lambda: out, off)


def _button(
    title: str, label: str, icon: str, make: "Callable[[], Action | None]", off: str | None
) -> None:
    proposal = actions.Proposal(title, make, verb=label, after=_show_password)
    actions.button(label, proposal, key=f"people-{label}", icon=icon, off=off)


def _new_account() -> AddUser | None:
    name = st.text_input("User name", key="new-name", autocomplete="off").strip()
    role = _role_choice("viewer", "new-role")
    projects = _scope_choice(None, "new-scope")
    hashed = _handed_over(name)
    return AddUser(name, role, projects, hashed) if hashed is not None else None


def _role(person: User) -> ChangeUser | None:
    role = _role_choice(person.role, "change-role")
    projects = _scope_choice(person.projects, "change-scope")
    if (role, projects) == (person.role, person.projects):
        st.caption("Change the role or the scope first.")
        return None
    return ChangeUser(
        person.name,
        user_role=None if role == person.role else role,
        projects=projects,
        all_projects=projects is None and person.projects is not None,
    )


def _reset(person: User) -> ChangeUser | None:
    hashed = _handed_over(person.name)
    return ChangeUser(person.name, password_hash=hashed) if hashed is not None else None


def _role_choice(now: Role, key: str) -> Role:
    return st.selectbox(
        "Role", ROLES, index=ROLES.index(now), key=key, format_func=lambda r: _ROLE_WORDS[r]
    )


def _scope_choice(now: tuple[str, ...] | None, key: str) -> tuple[str, ...] | None:
    known = sorted({project.id for project in state.projects()} | set(now or ()))
    chosen = st.multiselect(
        "Projects", known, default=list(now or ()), key=key, placeholder="All projects"
    )
    return tuple(chosen) or None


def _handed_over(name: str) -> str | None:
    """Draw a made-up password to hand over; return its hash, kept while the dialog is open."""
    if not name:
        return None
    held: dict[str, str] = st.session_state["acting"]
    if held.get("password-for") != name:
        password = secrets.token_urlsafe(12)
        held |= {
            "password-for": name,
            "password": password,
            "hash": store.password_hash(name, password),
        }
    _show_password()
    return held["hash"]


def _show_password() -> None:
    """Draw the made-up password of this dialog, when it made one."""
    password = st.session_state["acting"].get("password")
    if password is not None:
        st.caption("Password to hand over. It is shown in this window alone; copy it now.")
        st.code(password, language=None)


def _scope_words(projects: tuple[str, ...] | None) -> str:
    return "all projects" if projects is None else ", ".join(projects) or "no project"


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
