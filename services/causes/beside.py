"""Reads what explains alerts of which no requests are compared: failed workflows, outages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from services.actions.journal import Journal
from services.alerting import asking
from services.alerting.models import Alert
from services.causes import failures, outages
from services.causes.failures import Failed
from services.causes.grounds import Grounds
from services.causes.outages import Memory, Span
from services.causes.wording import address
from services.engines.silicon.machine import own_id
from services.errors import MlopsError
from services.home import Home
from services.mirror.queries import Mirror
from services.mirror.workflow_queries import Workflows
from services.serving import in_service
from services.serving import store as deployments
from services.telemetry.models import Telemetry
from services.workflows.explaining import explained

_FAILED = frozenset({"failed", "up_for_retry"})
_TASKS = 5
"""Tasks of a run that are looked into: each may read hours of telemetry."""
_RUNS = 100
_ALERTS = 200
_WINDOWS_S = (6 * 3600.0, 3 * 86_400.0)
"""How far back outages are looked for: the shorter one where there are any in it."""
_PRESSURE = 2.0
"""The level of memory pressure from which on a machine is short of it."""
_POINTS = 600


@dataclass(frozen=True, slots=True)
class Sources:
    """Where it is read."""

    home: Home
    journal: Journal
    mirror: Mirror
    telemetry: Telemetry


def of_workflow(sources: Sources, dag_id: str, run_id: str, now: float) -> Grounds:
    """Say why a run of a workflow failed.

    Raises:
        NotFoundError: There is no such run any more.
        MlopsError: The mirror or the journal cannot be read.
    """
    known = Workflows(sources.mirror)
    run, tasks = known.run(dag_id, run_id), known.tasks(dag_id, run_id)
    bad = [one for one in tasks if one.state in _FAILED]
    bad.sort(key=lambda one: (one.ended_at.timestamp() if one.ended_at else now, one.label))
    folder, here = sources.home.airflow / "evidence", _here(sources)
    failed = [
        Failed(one, explained(one, tasks, known, folder, sources.telemetry, here))
        for one in bad[:_TASKS]
    ]
    row = failures.streak(known.runs(dag_id, limit=_RUNS), run_id)
    alerts = asking.history(sources.journal, kinds=("engine", "disk"), limit=_ALERTS)
    return failures.grounds(run, failed, row, alerts, now)


def of_outage(sources: Sources, project: str, model: str, now: float) -> Grounds:
    """Say why a deployment was out of service lately.

    Raises:
        MlopsError: What was seen of it, or the journal, cannot be read.
    """
    name = f"{project}.{model}"
    runs = in_service.read(sources.home).get(name, ())
    down: list[Span] = []
    for window in _WINDOWS_S:
        since = now - window
        ours = (one for one in runs if one.state == "down" and one.until > max(since, one.since))
        down = [Span(max(since, one.since), one.until) for one in ours]
        if down:
            break
    if not down:
        return Grounds()
    begin = down[0].since - outages.BEFORE_S
    happened = [
        one for one in deployments.events(sources.journal, name, kinds=outages.KINDS)
        if one.at >= begin
    ]  # fmt: skip
    alerts = [
        one for one in asking.history(
            sources.journal, kinds=("engine", "disk", "endpoint"), limit=_ALERTS
        )
        if one.kind != "endpoint" or one.key == f"endpoint/{name}"
    ]  # fmt: skip
    return outages.grounds(name, down, _lately(alerts, begin), happened, now,
                           _memory(sources, down))  # fmt: skip


def _lately(alerts: Sequence[Alert], since: float) -> list[Alert]:
    return [one for one in alerts if one.resolved_at is None or one.resolved_at >= since]


def _here(sources: Sources) -> str:
    return own_id(sources.home.run / "host-id")


def _memory(sources: Sources, down: Sequence[Span]) -> Memory | None:
    """Return how short of memory this machine was; what it does not tell is no cause."""
    host, level, at = _here(sources), 0.0, down[-1]
    for span in down:
        begin, end = (datetime.fromtimestamp(one, UTC) for one in (span.since, span.until))
        try:
            (course,) = sources.telemetry.series(host, ("memory_pressure",), begin, end, _POINTS)
        except (MlopsError, ValueError):
            return None
        most = max((one for one in course.high if one is not None), default=0.0)
        if most > level:
            level, at = most, span
    if level < _PRESSURE:
        return None
    start, stop = (
        datetime.fromtimestamp(one, UTC).isoformat(timespec="seconds")
        for one in (at.since - outages.BEFORE_S, at.until)
    )
    return Memory(level, address("hardware", host=host, start=start, end=stop))
