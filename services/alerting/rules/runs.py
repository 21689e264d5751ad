"""Training that fails, and workflows that do."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Protocol
from urllib.parse import quote

from services.alerting.models import Event, key_of

RUN, WORKFLOW = "run", "workflow"
RECENT_S = 86_400.0
"""What failed before that begins no alert: a new installation is not greeted with old failures."""
_FAILED = frozenset({"failed", "lost"})


class RunSeen(Protocol):
    """A training run, as the mirror has it."""

    @property
    def run_id(self) -> str:
        """Return its id."""

    @property
    def project(self) -> str:
        """Return whose it is."""

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def status(self) -> str:
        """Return running, finished, failed, killed, scheduled or lost."""

    @property
    def status_reason(self) -> str:
        """Return why it is lost."""

    @property
    def technique(self) -> str | None:
        """Return what it trains."""

    @property
    def host(self) -> str | None:
        """Return where it ran."""

    @property
    def started_at(self) -> datetime | None:
        """Return when it began."""

    @property
    def ended_at(self) -> datetime | None:
        """Return when it ended."""


class WorkflowRunSeen(Protocol):
    """A run of a workflow, as the mirror has it."""

    @property
    def dag_id(self) -> str:
        """Return the workflow."""

    @property
    def run_id(self) -> str:
        """Return its id."""

    @property
    def project(self) -> str:
        """Return whose it is."""

    @property
    def state(self) -> str:
        """Return queued, running, success or failed."""

    @property
    def started_at(self) -> datetime | None:
        """Return when it began."""

    @property
    def ended_at(self) -> datetime | None:
        """Return when it ended."""


def run_events(runs: Iterable[RunSeen], now: float, open_keys: frozenset[str]) -> tuple[Event, ...]:
    """Return what is to be said of training: of each project and technique the newest run counts.

    A run that people ended is none; one that runs is no evidence yet.
    """
    newest: dict[str, RunSeen] = {}
    for run in runs:
        if run.status in {"killed", "scheduled"}:
            continue
        key = key_of(RUN, run.project, run.technique or "training")
        before = newest.get(key)
        if before is None or _at(run.started_at) > _at(before.started_at):
            newest[key] = run
    found = [_run_event(key, run, now) for key, run in newest.items()]
    return tuple(one for one in found if _worth_it(one, now, open_keys))


def workflow_events(
    newest: Mapping[str, WorkflowRunSeen], now: float, open_keys: frozenset[str]
) -> tuple[Event, ...]:
    """Return what is to be said of workflows, by the newest run of each that was not cancelled."""
    found = [_workflow_event(key_of(WORKFLOW, dag), run, now) for dag, run in newest.items()]
    return tuple(one for one in found if _worth_it(one, now, open_keys))


def _worth_it(event: Event, now: float, open_keys: frozenset[str]) -> bool:
    fresh = event.state == "firing" and now - event.at < RECENT_S
    return fresh or event.key in open_keys


def _at(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0


def _run_event(key: str, run: RunSeen, now: float) -> Event:
    name = run.name or run.run_id[:8]
    ended = _at(run.ended_at) or _at(run.started_at) or now
    if run.status == "finished":
        return Event(key, ended, "ok", said=f"Run {name} finished.")
    if run.status not in _FAILED:
        return Event(key, now, "unknown", said=f"Run {name} is under way.")
    lost = run.status == "lost"
    what = run.technique or "training"
    word = "reports nothing any more" if lost else "failed"
    labels = {"project": run.project, "run": run.run_id}
    if run.host:
        labels["host"] = run.host
    if lost:  # its reports go there
        labels["engine"] = "mlflow"
    return Event(
        key,
        ended,
        "firing",
        "warning",
        run.project,
        title=f"Run {name} of {what} {word}",
        said=f"Run {name} ({what}) {word}{f' on {run.host}' if run.host else ''}.",
        cause=run.status_reason,
        suggestion=f"`mlops why {run.run_id}` looks for the cause; `mlops run {run.project}` "
        "trains again.",
        link=f"/run?run={quote(run.run_id)}",
        labels=labels,
    )


def _workflow_event(key: str, run: WorkflowRunSeen, now: float) -> Event:
    ended = _at(run.ended_at) or _at(run.started_at) or now
    if run.state == "success":
        return Event(key, ended, "ok", said=f"Run {run.run_id} of {run.dag_id} succeeded.")
    if run.state != "failed":
        return Event(key, now, "unknown", said=f"Run {run.run_id} of {run.dag_id} is under way.")
    project = None if run.project == "platform" else run.project
    return Event(
        key,
        ended,
        "firing",
        "warning",
        project,
        title=f"The workflow {run.dag_id} failed",
        said=f"Run {run.run_id} of {run.dag_id} failed.",
        suggestion=f"`mlops workflows logs {run.run_id}` says why; `mlops workflows retry "
        f"{run.run_id}` tries the failed tasks again.",
        link=f"/workflows?dag={quote(run.dag_id)}&run={quote(run.run_id)}",
        labels={"engine": "airflow", "workflow": run.dag_id, "workflow_run": run.run_id},
    )
