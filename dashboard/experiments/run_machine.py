"""On which machine a run ran and when, as far as the telemetry knows it; no drawing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.mirror.models import Run, RunDetail
from services.telemetry.identity import machines_of, name_of
from services.telemetry.models import HostState

_LEAST = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Found:
    """The machine of a run, or why it is not known."""

    host: HostState | None
    reason: str = ""
    hint: str = ""


def machine_of(run: Run, hosts: Sequence[HostState]) -> Found:
    """Return the machine a run says it ran on."""
    said = name_of(run)
    if not said:
        return Found(
            None, "The run does not say on which machine it ran: it was made without the client."
        )
    if not hosts:
        return Found(
            None, "No machine has ever been sampled here.", "`mlops up` starts the telemetry."
        )
    fitting = machines_of(hosts, run)
    if len(fitting) == 1:
        return Found(fitting[0])
    if fitting:
        told = ", ".join(one.machine.host for one in fitting)
        return Found(None, f"Several machines are called {said}: {told}.")
    told = ", ".join(one.machine.host for one in hosts[:5])
    return Found(
        None,
        f"It ran on {said}, which has sent no telemetry here. These have: {told}.",
        "`mlops agent --join URL` on that machine makes it report.",
    )


def interval(detail: RunDetail, now: datetime | None = None) -> tuple[datetime, datetime] | None:
    """Return from when to when a run ran; None when it never said that it began.

    One without an end that does not run any more ended, as far as is known, with its last metric.
    """
    run = detail.run
    if run.started_at is None:
        return None
    now = now or datetime.now(UTC)
    end = run.ended_at
    if end is None and run.status != "running":
        end = max((p.at for p in detail.points.values() if p.at is not None), default=None)
    end = end or now
    return run.started_at, max(end, run.started_at + _LEAST)
