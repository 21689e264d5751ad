"""Asking for what a retraining needs next, as the policy ``retraining``, each thing once."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from services.actions.action import Action, Context
from services.actions.deploy import Deploy
from services.actions.executor import Executor
from services.actions.promote import Promote
from services.actions.rollout_step import SteerRollout
from services.actions.workflow_cancel import CancelRun
from services.retraining import collecting
from services.retraining.launching import actor, launch
from services.retraining.models import Proposal

if TYPE_CHECKING:
    from services.retraining.known import Ask

THREAD = "mlops.thread"
"""The tag of run and version that ties them to the alert they answer."""


def ask(context: Context, one: Proposal, what: "Ask") -> int:
    """Ask for the next thing and return the action's number, 0 where none is needed.

    The key is made of the retraining and of what is asked: again it is the same action.

    Raises:
        MlopsError: It was refused; nothing was begun.
    """
    if what == "tag":
        tag(context, one)
        return 0
    action = collecting.action(context, one) if what == "collect" else _ACTIONS[what](one)
    return Executor(context).submit(actor(one.project), action, _key(one, what)).id


def begun(context: Context, one: Proposal) -> Proposal:
    """Return it with what was begun, which was asked for and never noted.

    A controller that was killed between the two, or a person who stopped it then, leaves that.

    Raises:
        JournalError: The journal cannot be read.
    """
    whats: tuple[Ask, ...] = ("collect", "launch", "deploy")
    for what in whats:
        if getattr(one, what) is None:
            found = Executor(context).submitted(actor(one.project), _key(one, what))
            one = one if found is None else replace(one, **{what: found.id})  # type: ignore[arg-type]  # its own fields
    return one


def _key(one: Proposal, what: "Ask") -> str:
    return f"retrain/{one.thread}/{one.id}/{what}"


def tag(context: Context, one: Proposal) -> None:
    """Have run and version carry the thread; again is harmless.

    Raises:
        EngineError: MLflow does not answer, or knows one of them no more.
    """
    if one.run_id is not None:
        context.tracking.set_run_tag(one.project, one.run_id, THREAD, one.thread)
    if one.candidate is not None:
        where = (one.project, one.model, one.candidate)
        context.registry.set_version_tag(*where, THREAD, one.thread)


def _deploy(one: Proposal) -> Deploy:
    percent = one.policy.percent if one.policy.strategy == "canary" else None
    return Deploy(
        one.project, one.model, one.candidate, strategy=one.policy.strategy, percent=percent
    )


def _promote(one: Proposal) -> SteerRollout:
    where = (one.project, one.model)
    return SteerRollout(
        *where, "promote", version=one.candidate, reason=_why(one), begun_by=one.deploy
    )


def _abort(one: Proposal) -> SteerRollout:
    where = (one.project, one.model)
    return SteerRollout(
        *where, "abort", version=one.candidate, reason=_why(one), begun_by=one.deploy
    )


def _alias(one: Proposal) -> Promote:
    return Promote(one.project, one.model, one.candidate or 0, reason=_why(one))


def _cancel(one: Proposal) -> CancelRun:
    dag_id, run_id = one.workflow or ("", "")
    return CancelRun(dag_id, run_id)


def _why(one: Proposal) -> str:
    return f"Retraining {one.id}: {one.judged}"[:2_000]


_ACTIONS: Mapping["Ask", Callable[[Proposal], Action]] = {
    "launch": launch,
    "deploy": _deploy,
    "promote": _promote,
    "abort": _abort,
    "alias": _alias,
    "cancel": _cancel,
}
