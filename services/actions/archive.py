"""Archive a run, and bring it back. Nothing is erased: MLflow calls it the deleted stage."""

from dataclasses import dataclass
from typing import ClassVar

from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role
from services.actions.tag import check_run
from services.errors import ConflictError


@dataclass(frozen=True, slots=True)
class ArchiveRun:
    """Take a run out of the tables, or (``back``) bring it back."""

    kind: ClassVar[str] = "archive-run"
    role: ClassVar[Role] = "operator"

    project: str
    run_id: str
    back: bool = False

    @property
    def title(self) -> str:
        """What it does."""
        return f"{'Restore' if self.back else 'Archive'} run {self.run_id[:8]}"

    @property
    def subject(self) -> str:
        """The run."""
        return f"run:{self.project}/{self.run_id}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse an unknown run and one that still runs."""
        del actor
        check_run(context, self.project, self.run_id)
        if context.mirror.run(self.run_id).run.status == "running" and not self.back:
            raise ConflictError("The run still runs.", "Stop it first, or wait for its end.")

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        detail = context.mirror.run(self.run_id)
        if self.back:
            return ("The run is shown in the tables again.",)
        kept = "Its metrics, parameters and artifacts are kept; it can be restored."
        used = tuple(f"The registered version {name} came from it." for name in detail.versions)
        return ("The run leaves the tables and the leaderboards.", kept, *used)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        del deed
        tracking = context.tracking

        def put(stage: str) -> str:
            if tracking.run_lifecycle(self.project, self.run_id) != stage:
                change = tracking.delete_run if stage == "deleted" else tracking.restore_run
                change(self.project, self.run_id)
            return f"the run is {stage}"

        wanted, other = ("active", "deleted") if self.back else ("deleted", "active")

        def undo() -> None:
            put(other)

        return (Step("Change its stage", lambda: put(wanted), undo),)
