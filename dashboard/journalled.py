"""What the pages know from the journal: always as it is now."""

from datetime import datetime
from typing import TYPE_CHECKING, cast

import streamlit as st

from dashboard import state
from dashboard.scope import Scope

if TYPE_CHECKING:
    from services.access import Session, User
    from services.actions.audit import Entry
    from services.actions.deployments import Deployment
    from services.actions.executor import ActionRecord, State
    from services.actions.verification import Verification, Verified


def actions(
    where: Scope, *, who: str = "", states: tuple[str, ...] = (), before: int | None = None
) -> tuple["ActionRecord", ...]:
    """Return actions in the scope, newest first."""
    return state.executor().history(
        project=where.project,
        projects=state.visible_projects(),
        actor=who,
        states=cast("tuple[State, ...]", states),
        since=where.since,
        before=before,
    )


def deployments(
    start: datetime, end: datetime, mine: tuple[str, ...] | None
) -> tuple["Deployment", ...]:
    """Return what was promoted, deployed and checked out then in ``mine``, None for all."""
    from services.actions import deployments as done

    return done.deployments(state.journal(), start, end, mine)


def audit_entries(
    where: Scope, *, who: str = "", what: str = "", before: int | None = None
) -> tuple["Entry", ...]:
    """Return audit entries in the scope, newest first."""
    from services.actions import audit

    return audit.entries(
        state.journal(),
        project=where.project,
        projects=state.visible_projects(),
        actor=who,
        what=what,
        since=where.since,
        before=before,
    )


def audit_verdict(*, whole: bool = False) -> "Verified":
    """Return whether the chain of seals holds: its new entries checked now, all of it if asked."""
    return _verification().look(whole=whole)


@st.cache_resource(show_spinner=False)
def _verification() -> "Verification":
    from services.actions.verification import Verification

    return Verification(state.journal())


def sessions() -> tuple["Session", ...]:
    """Return who is signed in, newest first."""
    return state.access().sessions()


def people() -> tuple["User", ...]:
    """Return all accounts by name."""
    from services.access import store

    return store.everyone(state.journal())
