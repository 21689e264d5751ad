"""End a run of a workflow."""

from dataclasses import dataclass
from typing import ClassVar

from services.actions import workflows
from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role
from services.errors import ConflictError
from services.mirror.workflow_models import ACTIVE_RUNS


@dataclass(frozen=True, slots=True)
class CancelRun:
    """End a run that waits or runs; its running tasks are told to end."""

    kind: ClassVar[str] = "workflow-cancel"
    role: ClassVar[Role] = "operator"

    dag_id: str
    run_id: str

    @property
    def project(self) -> str | None:
        """Whose run it is."""
        return workflows.project_of(self.dag_id)

    @property
    def title(self) -> str:
        """What it does."""
        return f"Cancel {self.dag_id}/{self.run_id}"

    @property
    def subject(self) -> str:
        """The run."""
        return subject(self.dag_id, self.run_id)

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse an unknown run, and one that ended."""
        del actor
        workflows.check_ready(context)
        state = workflows.run_state(context, self.dag_id, self.run_id)
        if state not in ACTIVE_RUNS:
            ended = "succeeded" if state == "success" else "failed"
            raise ConflictError(
                f"The run {self.run_id} of {self.dag_id} ended already: it {ended}.",
                "There is nothing to cancel.",
            )

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        known = workflows.tasks(context, self.dag_id, self.run_id).values()
        running = [one.label for one in known if one.state == "running"]
        left = [one.label for one in known if not one.ended and one.state != "running"]
        told = (
            f"What runs is told to end: {workflows.listed(running)}. A training has 20 s to save "
            "its state, then it is killed."
        )
        return (
            *((told,) if running else ()),
            *((f"Not begun, and left out: {workflows.listed(left)}.",) if left else ()),
            "The run counts as failed. It can be retried: `mlops workflows retry` goes on with "
            "what did not succeed.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps. What ended cannot be taken back: clearing does it again."""
        del deed

        def do() -> str:
            state = workflows.asked_run_state(context, self.dag_id, self.run_id)
            if state not in ACTIVE_RUNS:
                return f"{self.run_id} had ended by then: {state}"
            context.airflow.set_run_state(self.dag_id, self.run_id, "failed")
            return f"{self.run_id} is ended; its running tasks were told to end"

        return (Step("End the run", do),)


def subject(dag_id: str, run_id: str) -> str:
    """Return the name under which actions on a run wait for each other."""
    return f"workflow-run:{dag_id}/{run_id}"
