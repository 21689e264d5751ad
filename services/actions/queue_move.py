"""Move a waiting job in the queue, or give it another priority."""

import time
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, cast

from services.actions import workflows
from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role
from services.errors import ConflictError, InputError, NotFoundError
from services.mirror.workflow_models import QueueRow
from services.mirror.workflow_queries import Workflows
from services.workflows.models import Override

_MOVES = ("", "front", "back")


@dataclass(frozen=True, slots=True)
class MoveJob:
    """Say of one waiting job where it stands, or how important it is."""

    kind: ClassVar[str] = "queue-move"
    role: ClassVar[Role] = "operator"

    job: str
    """``DAG/RUN/TASK``."""
    move: str = ""
    """``front``, ``back``; empty: it keeps its place."""
    priority: int = 0
    """1 to 10, higher first; 0: unchanged."""

    @property
    def project(self) -> str | None:
        """Whose job it is."""
        return workflows.project_of(self.job.partition("/")[0])

    @property
    def title(self) -> str:
        """What it does."""
        said = [
            *([f"move it to the {self.move}"] if self.move else []),
            *([f"give it priority {self.priority}"] if self.priority else []),
        ]
        return f"Of the job {self.job}: {' and '.join(said) or 'nothing'}"

    @property
    def subject(self) -> str:
        """The job."""
        return f"queue:{self.job}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse what is no move, and a job that does not wait."""
        del actor
        parts = self.job.split("/")
        if len(parts) != 3:
            raise InputError(
                f"{self.job[:100]!r} is no job: one is DAG/RUN/TASK.", "`mlops queue` names them."
            )
        workflows.check_ids(*parts[:2])
        workflows.marked(parts[2])
        if self.move not in _MOVES:
            raise InputError(f"{self.move[:40]!r} is no place; a job goes to front or back.")
        if self.priority and not 1 <= self.priority <= 10:
            raise InputError(f"{self.priority} is no priority; one is 1 to 10, higher first.")
        if not self.move and not self.priority:
            raise InputError("Nothing would change.", "Give a place or a priority.")
        row = self._row(context)
        if row is not None and row.state not in {"waiting", "held"}:
            raise ConflictError(
                f"{self.job} waits no longer: it {'runs' if row.state == 'running' else 'starts'}.",
                "Only what waits can be moved.",
            )

    def _row(self, context: Context) -> QueueRow | None:
        """Return the job as it stands; None when nothing was decided yet.

        Raises:
            NotFoundError: It is not in the queue.
        """
        decided = Workflows(context.mirror).queue()
        if decided is None:
            return None
        for row in decided.rows:
            if row.id == self.job:
                return row
        raise NotFoundError(
            f"There is no job {self.job[:200]!r} in the queue; it may have ended.",
            "`mlops queue` lists what waits.",
        )

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        row = self._row(context)
        said = []
        if self.move == "front":
            said.append("It goes before all that wait, of other projects too.")
        if self.move == "back":
            said.append("It goes behind all that wait.")
        if self.priority:
            before = f" instead of {row.priority}" if row else ""
            said.append(f"It has priority {self.priority}{before}, among the jobs of its project.")
        if row is not None and row.state == "held":
            said.append(f"It starts no sooner for that: {row.said}")
        return (*said, "It counts until the job starts. Who moved it is in the journal.")

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps; what was said of it before is written down first."""
        if "at" not in deed.memory:
            before = context.overrides.of(self.job)
            deed.memory["before"] = None if before is None else asdict(before)
            deed.memory["at"] = time.time()

        def do() -> str:
            move = cast('Literal["front", "back"] | None', self.move or None)
            at = float(deed.memory["at"])
            said = Override(self.job, move, self.priority or None, deed.actor.name, at)
            context.overrides.put(said)
            return "the next decision follows it"

        def undo() -> None:
            before: dict[str, Any] | None = deed.memory["before"]
            context.overrides.restore(self.job, None if before is None else Override(**before))

        return (Step("Note it for the queue", do, undo),)
