"""Retraining: proposed when a model got worse, accepted by somebody, followed to its end."""

from services.retraining.store import of_alert, of_workflow, policy, proposal, proposals
from services.retraining.threads import thread

__all__ = ["of_alert", "of_workflow", "policy", "proposal", "proposals", "thread"]
