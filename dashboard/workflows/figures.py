"""Runs and workflows as figures: lengths, waits, what a list shows and what it leaves out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dashboard.numbers import age, counted, duration
from dashboard.workflows import states
from services.mirror.workflow_figures import Record
from services.mirror.workflow_models import ACTIVE_RUNS, TaskRun, Workflow, WorkflowRun

NEVER = "never ran"
_NEVER_RAN = frozenset({"upstream_failed", "skipped"})
"""Airflow gives these a start, which is their end."""
_OURSELVES = "platform"
"""As whom the platform asks Airflow: who asked the platform stands in the note."""
BROKEN, PAUSED = "broken", "paused"
SHOWN_STATES = ("running", "queued", "succeeded", "failed", PAUSED, BROKEN, NEVER)
"""What a list is filtered by."""


@dataclass(frozen=True, slots=True)
class Line:
    """One workflow as the list shows it."""

    workflow: Workflow
    title: str
    """Of its project."""
    strip: tuple[WorkflowRun, ...]
    """Its last runs, the oldest first."""
    record: Record

    @property
    def last(self) -> WorkflowRun | None:
        """Return its newest run."""
        return self.strip[-1] if self.strip else None

    @property
    def words(self) -> frozenset[str]:
        """Return the states it is found by."""
        last = self.last
        found = {states.word(run.state) for run in self.strip if run.state in ACTIVE_RUNS}
        found.add(states.word(last.state) if last else NEVER)
        found |= {PAUSED} if self.workflow.paused else set()
        return frozenset(found | ({BROKEN} if self.workflow.broken else set()))


def lines(
    workflows: Sequence[Workflow],
    strips: Mapping[str, tuple[WorkflowRun, ...]],
    records: Mapping[str, Record],
    titles: Mapping[str, str],
) -> tuple[Line, ...]:
    """Return all workflows as the list shows them: by project, those over all at the end."""
    found = [
        Line(
            one,
            titles.get(one.project, one.project),
            strips.get(one.dag_id, ()),
            records.get(one.dag_id, Record(0, 0, None)),
        )
        for one in workflows
    ]
    return tuple(sorted(found, key=lambda line: (line.workflow.project == "platform", line.title)))


def matching(
    found: Sequence[Line], text: str, words: Sequence[str], kinds: Sequence[str]
) -> list[Line]:
    """Return the lines that have all words of the text, one of the states and one of the kinds."""
    parts = text.casefold().split()
    return [
        line
        for line in found
        if (not words or line.words.intersection(words))
        and (not kinds or line.workflow.name in kinds)
        and all(part in _text(line) for part in parts)
    ]


def _text(line: Line) -> str:
    one = line.workflow
    return f"{one.dag_id} {one.title} {line.title}".casefold()


def run_s(run: WorkflowRun, now: datetime | None = None) -> float | None:
    """Return how long a run took, or has run by ``now``; None while it waits."""
    if run.started_at is None:
        return None
    end = run.ended_at or now or datetime.now(UTC)
    return max(0.0, (end - run.started_at).total_seconds())


def waited_s(task: TaskRun, now: datetime | None = None) -> float | None:
    """Return how long a task waited in the queue before it began, or has waited by ``now``."""
    begin = task.queued_at or task.scheduled_at
    if begin is None:
        return None
    end = task.started_at or task.ended_at or now or datetime.now(UTC)
    return max(0.0, (end - begin).total_seconds())


def ran_s(task: TaskRun, now: datetime | None = None) -> float | None:
    """Return how long a task's newest try ran, or has run by ``now``; None: it did not begin."""
    if task.started_at is None or task.state in _NEVER_RAN:
        return None
    end = task.ended_at or now or datetime.now(UTC)
    return max(0.0, (end - task.started_at).total_seconds())


def said_of(run: WorkflowRun, now: datetime | None = None) -> str:
    """Return a run in a sentence: how it is, since when, how long it took."""
    word = states.word(run.state)
    if run.state == "queued":
        return f"waits, queued {age(run.queued_at, now)}"
    took = run_s(run, now)
    lasting = "" if took is None else duration(took)
    if run.state == "running":
        return f"running for {lasting}" if lasting else "running"
    at = age(run.ended_at, now)
    return f"{word} {at}, took {lasting}" if lasting else f"{word} {at}"


def who(run: WorkflowRun) -> str:
    """Return who or what began a run."""
    if run.caused_by is not None:
        return f"set off by {run.caused_by[0]}"
    told = {"scheduled": "by its schedule", "backfill": "as a backfill"}.get(run.kind)
    if run.kind == "asset_triggered":
        return "set off by another workflow"
    if told is not None:
        return told
    note = run.note or ""
    if note.startswith("Launched by "):  # who asked the platform, which is the user Airflow knows
        return f"by {note.removeprefix('Launched by ').partition('. ')[0].rstrip('.')}"
    return f"by {run.user}" if run.user and run.user != _OURSELVES else "by hand"


def schedule(workflow: Workflow) -> str:
    """Return when a workflow runs by itself."""
    if workflow.starts_on:
        return "on passed gates" if _on_gates(workflow) else "on what others make"
    return workflow.schedule or "by hand"


def _on_gates(workflow: Workflow) -> bool:
    return all(uri.endswith("/passed-gates") for uri in workflow.starts_on)


def record_said(record: Record) -> str:
    """Return what a share of successes rests on."""
    if not record.ended:
        return "No run ended in this time."
    return f"{record.succeeded:,} of {counted(record.ended, 'run')} that ended in this time."
