"""Have tasks of a run done again."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from services.actions import workflow_cancel, workflows
from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role
from services.actions.workflows import KnownTask
from services.errors import ConflictError, InputError, NotFoundError

_MOST = 500
_RETRIED = ("failed", "upstream_failed")


@dataclass(frozen=True, slots=True)
class ClearTasks:
    """Clear tasks that ended, so that they are done again; the run goes on."""

    kind: ClassVar[str] = "workflow-clear"
    role: ClassVar[Role] = "operator"

    dag_id: str
    run_id: str
    tasks: tuple[str, ...] = ()
    """Labels, e.g. ``train`` or ``client[3]``; none: those that failed."""
    downstream: bool = False
    """Also those that come after them, if they ended."""

    @property
    def project(self) -> str | None:
        """Whose run it is."""
        return workflows.project_of(self.dag_id)

    @property
    def title(self) -> str:
        """What it does."""
        what = workflows.listed(self.tasks) or "what failed"
        return f"Do {what} of {self.dag_id}/{self.run_id} again"

    @property
    def subject(self) -> str:
        """The run."""
        return workflow_cancel.subject(self.dag_id, self.run_id)

    def pinned(self, context: Context) -> "ClearTasks":
        """Fix which tasks are meant."""
        return replace(self, tasks=self._chosen(context))

    def _chosen(self, context: Context) -> tuple[str, ...]:
        if self.tasks:
            return self.tasks
        known = workflows.tasks(context, self.dag_id, self.run_id)
        return tuple(sorted(one.label for one in known.values() if one.state in _RETRIED))

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse unknown tasks, tasks that did not end, and a workflow that is gone."""
        del actor
        workflows.check_ready(context)
        self._check_workflow(context)
        workflows.run_state(context, self.dag_id, self.run_id)
        chosen = self._chosen(context)
        if not chosen:
            raise ConflictError(
                f"No task of {self.dag_id}/{self.run_id} failed: there is nothing to retry.",
                "Name the tasks that are to be done again: `mlops workflows clear RUN TASK…`.",
            )
        if len(chosen) > _MOST:
            raise InputError(f"At most {_MOST} tasks are cleared at a time.")
        _refuse(workflows.tasks(context, self.dag_id, self.run_id), chosen)

    def _check_workflow(self, context: Context) -> None:
        try:
            found = workflows.workflow(context, self.dag_id)
        except NotFoundError as error:
            raise ConflictError(
                f"The workflow {self.dag_id} is gone, so nothing of its runs can be done again.",
                "Its project was removed or renamed; connect it again first.",
            ) from error
        workflows.refuse_broken(context, found)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        chosen = self._chosen(context)
        after = " and the tasks after them that ended" if self.downstream else ""
        active = workflows.run_state(context, self.dag_id, self.run_id) in {"queued", "running"}
        others = [r for r in workflows.active_runs(context, self.dag_id) if r.run_id != self.run_id]
        waits = f"It waits until {others[-1].run_id} ended, which is under way." if others else ""
        return (
            f"Done again as new tries: {workflows.listed(chosen)}{after}.",
            "The run goes on." if active else "The run, which had ended, goes on.",
            *((waits,) if waits else ()),
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps: which try each task is at is written down first."""
        before: dict[str, int] = deed.memory.setdefault("before", {})

        def look() -> str:
            known = workflows.asked_tasks(context, self.dag_id, self.run_id)
            if not before:
                _refuse(known, self.tasks)
                before.update({label: known[label].tries for label in self.tasks})
            return f"{len(before)} to do again"

        def do() -> str:
            known = workflows.asked_tasks(context, self.dag_id, self.run_id)
            # Airflow clears all or none: had an executor done it before it ended, one would show.
            if any(_is_cleared(known.get(label), tries) for label, tries in before.items()):
                return "it was done before"
            cleared = context.airflow.clear(
                self.dag_id,
                self.run_id,
                [workflows.marked(label) for label in self.tasks],
                downstream=self.downstream,
            )
            return f"{len(cleared)} {'task is' if len(cleared) == 1 else 'tasks are'} done again"

        return (Step("Look at its tasks", look), Step("Clear them", do))


def _is_cleared(task: KnownTask | None, tries: int) -> bool:
    return task is not None and (task.tries > tries or not task.ended)


def _refuse(known: dict[str, KnownTask], chosen: Iterable[str]) -> None:
    """Refuse tasks that are not there or have not ended.

    Raises:
        InputError: A label is none.
        NotFoundError: The run has no such task.
        ConflictError: One has not ended, or is no longer part of the workflow.
    """
    for label in chosen:
        workflows.marked(label)
        task = known.get(label)
        if task is None:
            raise NotFoundError(
                f"The run has no task {label[:60]!r}.", f"It has {workflows.listed(list(known))}."
            )
        if task.state == "removed":
            raise ConflictError(
                f"{label} is no longer part of the workflow.", "Launch a new run instead."
            )
        if not task.ended:
            raise ConflictError(
                f"{label} has not ended: it is {task.state.replace('_', ' ')}.",
                "Wait for its end, or cancel the run first.",
            )
