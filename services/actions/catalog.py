"""All kinds of actions by name: a journalled one is built again from kind and parameters."""

import json
from dataclasses import asdict
from typing import Any

from services.actions.action import Action, Lane
from services.actions.alert_channels import AddChannel, RemoveChannel, SetChannel, TryChannel
from services.actions.alerts import (
    AcknowledgeAlert,
    CloseAlert,
    EndSilence,
    ReleaseAlert,
    SilenceAlerts,
)
from services.actions.api_keys import AddApiKey, RevokeApiKey
from services.actions.archive import ArchiveRun
from services.actions.archive_version import ArchiveVersion
from services.actions.data_add import DataAdd
from services.actions.data_checkout import DataCheckout
from services.actions.data_collect import DataCollect
from services.actions.data_prune import DataPrune
from services.actions.data_pull import DataPull
from services.actions.data_push import DataPush
from services.actions.data_share import DataShare
from services.actions.deploy import Deploy
from services.actions.deploy_rollback import RollbackDeployment
from services.actions.drift_check import CheckDrift, SetBaseline
from services.actions.drift_settings import SetDriftSettings
from services.actions.lineage_mark import MarkBad, UnmarkBad
from services.actions.machine_offer import OfferMachine
from services.actions.machine_tokens import AddMachineToken, RevokeMachineToken
from services.actions.objectives import RemoveObjective, SetObjective
from services.actions.own_keys import OwnKey
from services.actions.promote import Promote, Rollback
from services.actions.queue_move import MoveJob
from services.actions.register_project import ForgetProject, RegisterProject
from services.actions.remove_machine import RemoveMachine
from services.actions.report_make import MakeReport
from services.actions.report_schedule import RemoveReportSchedule, SetReportSchedule
from services.actions.retraining import AcceptRetraining, DismissRetraining, ProposeRetraining
from services.actions.retraining_policy import SetRetrainingPolicy
from services.actions.retraining_stop import StopRetraining
from services.actions.rollout_step import SteerRollout
from services.actions.scale import Scale
from services.actions.serving_privacy import SetPrivacy
from services.actions.tag import TagRun, TagVersion
from services.actions.undeploy import Undeploy
from services.actions.users import AddUser, ChangeUser
from services.actions.workflow_cancel import CancelRun
from services.actions.workflow_clear import ClearTasks
from services.actions.workflow_launch import LaunchWorkflow
from services.actions.workflow_pause import PauseWorkflow
from services.errors import InputError

ACTIONS: dict[str, type[Any]] = {
    kind.kind: kind
    for kind in (
        Promote,
        Rollback,
        TagRun,
        TagVersion,
        ArchiveRun,
        ArchiveVersion,
        RegisterProject,
        ForgetProject,
        AddUser,
        ChangeUser,
        DataAdd,
        DataCollect,
        DataPush,
        DataPull,
        DataCheckout,
        DataPrune,
        DataShare,
        AddMachineToken,
        RevokeMachineToken,
        RemoveMachine,
        LaunchWorkflow,
        PauseWorkflow,
        CancelRun,
        ClearTasks,
        MoveJob,
        OfferMachine,
        Deploy,
        RollbackDeployment,
        SteerRollout,
        Scale,
        Undeploy,
        AddApiKey,
        RevokeApiKey,
        OwnKey,
        SetPrivacy,
        CheckDrift,
        SetBaseline,
        SetDriftSettings,
        MarkBad,
        UnmarkBad,
        MakeReport,
        SetReportSchedule,
        RemoveReportSchedule,
        AcknowledgeAlert,
        ReleaseAlert,
        CloseAlert,
        SilenceAlerts,
        EndSilence,
        AddChannel,
        SetChannel,
        RemoveChannel,
        TryChannel,
        SetObjective,
        RemoveObjective,
        ProposeRetraining,
        AcceptRetraining,
        DismissRetraining,
        StopRetraining,
        SetRetrainingPolicy,
    )
}


def lane_of(kind: str) -> Lane:
    """Return which loop executes actions of this kind."""
    lane: Lane = getattr(ACTIONS.get(kind), "lane", "quick")
    return lane


def dump(action: Action) -> str:
    """Return an action's parameters as JSON."""
    return json.dumps(asdict(action), sort_keys=True)  # type: ignore[call-overload]  # each is a dataclass


def load(kind: str, params: str) -> Action:
    """Return the action of a journalled kind and parameters.

    Raises:
        InputError: Another version of this platform wrote it.
    """
    try:
        values = json.loads(params)
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        built: Action = ACTIONS[kind](**values)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"This version of the platform does not know the action {kind} in this form.",
            "Another version wrote it; ask for it again.",
        ) from error
    return built
