"""What the pages know from the journal: as it is now, or, of all deployments, some seconds ago."""

from collections.abc import Mapping
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
    from services.alerting.asking import Count
    from services.retraining.models import Proposal


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


# Of all projects: each takes out of it what the person may see.
@st.cache_resource(show_spinner=False, ttl="5s", refresh_mode="background")
def alerts_of_endpoints() -> Mapping[tuple[str, str], "Count"]:
    """Return by project and endpoint how many alerts have not ended, whoever asks.

    Raises:
        JournalError: The journal cannot be read.
    """
    from services.alerting import asking

    return asking.of_endpoints(state.journal())


@st.cache_resource(show_spinner=False, ttl="5s", refresh_mode="background")
def retrainings() -> Mapping[tuple[str, str], "Proposal"]:
    """Return by (project, model) the retraining that waits or is under way, whoever asks.

    Raises:
        JournalError: The journal cannot be read.
    """
    from services.retraining import store

    found = store.newest(state.journal())
    return {(one.project, one.model): one for one in found if not one.ended}


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
