"""What the page reads of retrainings, limited to what the person may see."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from dashboard import state
from dashboard.alerts.access import seen
from dashboard.monitoring.address import RETRAINING
from dashboard.scope import Scope
from services.actions import roles
from services.actions.retraining import AcceptRetraining
from services.data.collected import require_learned
from services.data.service import DataService
from services.errors import MlopsError, NotFoundError
from services.retraining import store
from services.retraining.models import Happened, Policy, Proposal, State
from services.retraining.threads import thread

_EARLIER = 5


@dataclass(frozen=True, slots=True)
class Picture:
    """A deployment's retrainings."""

    policy: Policy
    now: Proposal | None
    """The one that waits or is under way."""
    earlier: tuple[Proposal, ...]
    """The last that ended, newest first."""


def picture(project: str, model: str) -> Picture | None:
    """Return a deployment's retrainings, None when the person may not see the project.

    Raises:
        JournalError: The journal cannot be read.
    """
    mine = state.visible_projects()
    if mine is not None and project not in mine:
        return None
    journal = state.journal()
    found = store.proposals(journal, projects=[project], model=model, limit=_EARLIER + 1)
    now = next((one for one in found if not one.ended), None)
    earlier = tuple(one for one in found if one.ended)[:_EARLIER]
    return Picture(store.policy(journal, project), now, earlier)


def policy(project: str) -> Policy:
    """Return what a project allows.

    Raises:
        JournalError: The journal cannot be read.
    """
    return store.policy(state.journal(), project)


def named() -> int | None:
    """Return the number of the retraining in the address, None when there is none."""
    said = st.query_params.get(RETRAINING, "")
    return int(said) if said.isdecimal() and len(said) < 18 else None


def one(number: int) -> Proposal:
    """Return a retraining that the person may see.

    Raises:
        NotFoundError: There is none of this number in the projects that the person sees.
        JournalError: The journal cannot be read.
    """
    found = store.proposal(state.journal(), number)
    if not roles.sees(state.actor(), found.project):
        raise NotFoundError(f"There is no retraining {number}.", "`mlops retrain list`")
    return found


def listed(
    where: Scope, states: Sequence[State], before: int | None, limit: int
) -> tuple[Proposal, ...]:
    """Return the retrainings of the scope in some states, () for all, the newest first.

    Raises:
        JournalError: The journal cannot be read.
    """
    since = None if where.since is None else where.since.timestamp()
    return store.proposals(
        state.journal(), states, projects=seen(where), since=since, before=before, limit=limit
    )


def fresh(one: Proposal) -> Proposal:
    """Return a retraining as it is now.

    Raises:
        JournalError: The journal cannot be read.
    """
    return store.proposal(state.journal(), one.id)


def lines(one: Proposal) -> tuple[Happened, ...]:
    """Return a retraining's thread, oldest first.

    Raises:
        JournalError: The journal cannot be read.
    """
    return thread(state.journal(), one.id)


def revisions(project: str) -> tuple[str, ...]:
    """Return the versions of a project's data, the newest first; none where none can be told."""
    try:
        found = DataService.here().versions(project, "data")
    except MlopsError:  # what is proposed can be accepted all the same
        return ()
    return tuple(one.revision for one in sorted(found, key=lambda one: one.at, reverse=True))


def why_not_collect(project: str) -> str | None:
    """Return why no rows are collected before it trains, None when they can be."""
    try:
        require_learned(DataService.here().project(project).folder())
    except MlopsError as error:
        return error.message
    return None


def why_off() -> str | None:
    """Return why nothing can be done now, None when it can; the page says it above, once."""
    found = {engine.engine: engine for engine in state.engines()}
    if "mirror" in found:
        return found["mirror"].reason or "The mirror cannot be read."
    controller = found.get("controller")
    if controller is None or controller.state != "live":
        return "The controller does not answer: nothing would be carried out."
    return None


def why_not_accept(one: Proposal, off: str | None) -> str | None:
    """Return why the person cannot accept a proposal, None when they can."""
    if off is not None:
        return off
    who = state.actor()
    if who.name == one.requested_by:
        return "You proposed it yourself: another approver decides."
    if who.name in one.asked_by:
        return "One of its reasons is yours: another approver decides."
    return roles.reason_against(who, AcceptRetraining.role, one.project, "This") or None
