"""On which machine a run ran and when, as far as the telemetry knows it; no drawing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dashboard.experiments.environment import environment_of
from services.engines.silicon.machine import host_id
from services.mirror.models import Run, RunDetail
from services.telemetry.models import HostState

_LEAST = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Found:
    """The machine of a run, or why it is not known."""

    host: HostState | None
    reason: str = ""
    hint: str = ""


def machine_of(run: Run, hosts: Sequence[HostState]) -> Found:
    """Return the machine a run says it ran on.

    A run names its machine as the system does (``Studio.local``); telemetry adds to that name what
    tells machines of one name apart. Where several have it, the chip decides.
    """
    said = environment_of(run)
    if not said.host:
        return Found(
            None, "The run does not say on which machine it ran: it was made without the client."
        )
    if not hosts:
        return Found(
            None, "No machine has ever been sampled here.", "`mlops up` starts the telemetry."
        )
    exact = [one for one in hosts if one.machine.host == said.host]
    short = _short(host_id(said.host, ""))
    named = exact or [one for one in hosts if _short(one.machine.host) == short]
    if len(named) > 1 and said.chip:
        named = [one for one in named if one.machine.chip == said.chip] or named
    if len(named) == 1:
        return Found(named[0])
    if named:
        told = ", ".join(one.machine.host for one in named)
        return Found(None, f"Several machines are called {said.host}: {told}.")
    told = ", ".join(one.machine.host for one in hosts[:5])
    return Found(
        None,
        f"It ran on {said.host}, which has sent no telemetry here. These have: {told}.",
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


def _short(host: str) -> str:
    """Return a machine's name without the digits that make it unique."""
    return host.rpartition("-")[0]
