"""Launch a run of a workflow."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from services.actions import launch_outlook, workflows
from services.actions.action import Context, Deed, Step
from services.actions.records import ActionRecord
from services.actions.roles import Actor, Role
from services.errors import EngineRefusedError, InputError
from services.mirror.workflow_models import ACTIVE_RUNS
from services.workflows import form

_NOTE_LIMIT = 500
_GONE = 404


@dataclass(frozen=True, slots=True)
class LaunchWorkflow:
    """Start one run with checked parameters, under an id that makes it start once."""

    kind: ClassVar[str] = "workflow-launch"
    role: ClassVar[Role] = "operator"

    dag_id: str
    params: str = "{}"
    """A JSON object; what is not given is the workflow's default."""
    note: str = ""

    @property
    def project(self) -> str | None:
        """Whose workflow it is."""
        return workflows.project_of(self.dag_id)

    @property
    def title(self) -> str:
        """What it does."""
        return f"Launch {self.dag_id}"

    @property
    def subject(self) -> str:
        """The workflow."""
        return f"workflow:{self.dag_id}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse what cannot run: unknown, broken, wrong parameters, more than any machine has."""
        del actor
        if len(self.note) > _NOTE_LIMIT:
            raise InputError(f"A note has at most {_NOTE_LIMIT} characters.")
        given = form.parsed(self.params)
        contract = launch_outlook.contract_of(context, self.project)
        workflows.check_ready(context)
        known = workflows.workflow(context, self.dag_id)
        checked = launch_outlook.form_of(known, contract).checked(given)
        workflows.refuse_broken(context, known)
        launch_outlook.refuse_unknown_data(context, self.project, checked)
        launch_outlook.refuse_too_large(context, self.dag_id, contract, checked)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different, and what speaks against it."""
        known = workflows.workflow(context, self.dag_id)
        contract = launch_outlook.contract_of(context, self.project)
        given = launch_outlook.form_of(known, contract).checked(form.parsed(self.params))
        said = ", ".join(f"{name} = {value}" for name, value in given.items())
        return (
            f"A run of {known.title} is launched with {said or 'the defaults of its parameters'}.",
            *launch_outlook.queueing(context, known),
            *launch_outlook.data(context, self.dag_id, contract, given),
            *launch_outlook.room(context, self.dag_id, contract, given),
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps. The run's id is written down first: Airflow takes each but once."""
        run_id = str(deed.memory.setdefault("run_id", run_id_of(deed.id)))
        deed.memory["dag_id"] = self.dag_id
        given = self._given(context, deed)
        said = f"Launched by {deed.actor.name}." + (f" {self.note}" if self.note else "")

        def do() -> str:
            launch = context.airflow.trigger(self.dag_id, run_id, given, note=said[:1000])
            return f"run {run_id} is {launch.run.state}" + ("" if launch.created else ", as before")

        def undo() -> None:
            # Whether the last word of Airflow was lost or it refused: no run of a launch that is
            # told to have failed goes on.
            if _state(context, self.dag_id, run_id) in ACTIVE_RUNS:
                context.airflow.set_run_state(self.dag_id, run_id, "failed")

        return (Step(f"Start run {run_id}", do, undo),)

    def _given(self, context: Context, deed: Deed) -> Mapping[str, Any]:
        """Return what Airflow is given, as it was checked the first time."""
        if "given" not in deed.memory:
            known = workflows.workflow(context, self.dag_id)
            contract = launch_outlook.contract_of(context, self.project)
            asked = form.parsed(self.params)
            deed.memory["given"] = launch_outlook.form_of(known, contract).checked(asked)
        given: Mapping[str, Any] = deed.memory["given"]
        return given


def run_id_of(action_id: int) -> str:
    """Return a run's id: it tells the action and the day, and no other launch has it.

    The numbers of actions may begin again (a journal that was restored), so a part is random.
    """
    return f"mlops-{action_id}-{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(4)}"


def launched(record: ActionRecord) -> tuple[str, str] | None:
    """Return (workflow, run) that a launch started or is about to; None of other actions."""
    run_id, dag_id = record.memory.get("run_id"), record.memory.get("dag_id")
    if record.kind != LaunchWorkflow.kind or not isinstance(run_id, str):
        return None
    return str(dag_id), run_id


def _state(context: Context, dag_id: str, run_id: str) -> str:
    try:
        return context.airflow.dag_run(dag_id, run_id).state
    except EngineRefusedError as error:
        if error.status != _GONE:
            raise
        return ""
