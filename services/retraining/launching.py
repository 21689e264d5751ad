"""The launch of a retraining, and who asks for it."""

import json
from typing import TYPE_CHECKING

from services.actions import roles
from services.actions.workflow_launch import LaunchWorkflow
from services.retraining.models import POLICY, Proposal

if TYPE_CHECKING:
    from services.actions.roles import Actor

_REASON_LIMIT = 480


def actor(project: str) -> "Actor":
    """Return who carries out what was accepted in a project."""
    return roles.policy(POLICY, "approver", (project,))


def launch(one: Proposal) -> LaunchWorkflow:
    """Return the launch of the project's workflow ``retrain``."""
    given = {"reason": f"Retraining {one.id}: {one.why}"[:_REASON_LIMIT]}
    if one.data.revision:
        given["data_revision"] = one.data.revision
    note = f"Retraining {one.id} of {one.model}, thread {one.thread}."
    return LaunchWorkflow(f"{one.project}.retrain", json.dumps(given), note)
