"""Pause a workflow, or let it go on."""

from dataclasses import dataclass
from typing import ClassVar

from services.actions import workflows
from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role


@dataclass(frozen=True, slots=True)
class PauseWorkflow:
    """Have no task of a workflow begin, or have them begin again; what runs goes on."""

    kind: ClassVar[str] = "workflow-pause"
    role: ClassVar[Role] = "operator"

    dag_id: str
    paused: bool

    @property
    def project(self) -> str | None:
        """Whose workflow it is."""
        return workflows.project_of(self.dag_id)

    @property
    def title(self) -> str:
        """What it does."""
        return f"{'Pause' if self.paused else 'Resume'} {self.dag_id}"

    @property
    def subject(self) -> str:
        """The workflow."""
        return f"workflow:{self.dag_id}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse an unknown workflow, and while Airflow is away."""
        del actor
        workflows.check_ready(context)
        workflows.workflow(context, self.dag_id)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        if workflows.workflow(context, self.dag_id).paused == self.paused:
            return (f"It is {'paused' if self.paused else 'not paused'} already.",)
        active = len(workflows.active_runs(context, self.dag_id))
        runs = "1 run is" if active == 1 else f"{active} runs are"
        if self.paused:
            way = f"{runs} under way: their tasks that run go on, the next ones wait."
            return (
                "No task of it begins, by schedule or by hand, until it is resumed.",
                *((way,) if active else ()),
            )
        way = f"{runs} waiting and go on in turn."
        return ("Its tasks begin again, in their turn.", *((way,) if active else ()))

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""

        def look() -> str:
            before = deed.memory["before"] = context.airflow.dag(self.dag_id).dag.paused
            return "it is paused" if before else "it is not paused"

        def do() -> str:
            context.airflow.set_paused(self.dag_id, paused=self.paused)
            same = " already" if deed.memory["before"] == self.paused else ""
            return f"{self.dag_id} is {'paused' if self.paused else 'not paused'}{same}"

        def undo() -> None:
            context.airflow.set_paused(self.dag_id, paused=bool(deed.memory["before"]))

        return (
            Step("Look at it", look),
            Step("Pause it" if self.paused else "Resume it", do, undo),
        )
