"""Why a run or a machine was slow, asked in one call: for the command and for the pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.errors import MlopsError
from services.mirror.models import Curve, Run, RunQuery
from services.mirror.queries import Mirror
from services.telemetry.asking import (
    Question,
    explain,
    host_of,
    question_of_host,
    question_of_run,
    samples_for,
)
from services.telemetry.diagnosis import Diagnosis, Earlier
from services.telemetry.models import HostState, Telemetry

_POINTS = 5000
_LOOKED_BACK = 20
"""How many earlier runs are looked through for one to compare with."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What was asked, and what was found."""

    question: Question
    found: Diagnosis


def explain_host(telemetry: Telemetry, host: str, start: datetime, end: datetime) -> Explained:
    """Say why a machine as a whole was slow.

    Raises:
        NotFoundError: No machine of that name sent telemetry.
        InputError: The interval is empty or too long.
    """
    question = question_of_host(telemetry.hosts(), host, start, end)
    return Explained(question, explain(telemetry, question))


def explain_run(
    telemetry: Telemetry,
    mirror: Mirror,
    run_id: str,
    now: datetime,
    *,
    host: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Explained:
    """Say why a run, or a part of its time, was slow.

    Where the whole of it was disturbed, its speed is held against the newest run before it of the
    same technique on the same machine.

    Raises:
        NotFoundError: There is no such run, or its machine sends no telemetry.
        InputError: It has not begun, its machine cannot be told, or nothing is left of its time.
    """
    states, run = telemetry.hosts(), mirror.run(run_id).run
    curves = _curves(mirror, run_id)
    question = question_of_run(states, run, curves, now, host=host, start=start, end=end)
    found = explain(telemetry, question)
    if found.causes and found.slowdown is None and question.points:
        earlier = _earlier(telemetry, mirror, states, run, question)
        found = explain(telemetry, question, earlier)
    return Explained(question, found)


def _curves(mirror: Mirror, run_id: str) -> tuple[Curve, ...]:
    return mirror.curves([run_id], mirror.curve_keys(run_id), _POINTS)


def _earlier(
    telemetry: Telemetry,
    mirror: Mirror,
    states: Sequence[HostState],
    run: Run,
    question: Question,
) -> Earlier | None:
    """Return the newest finished run of the same technique on the same machine before this one."""
    page = mirror.runs(RunQuery(filter="status = finished", project=run.project, limit=200))
    before = [
        one
        for one in page.rows
        if one.technique == run.technique
        and one.started_at is not None
        and one.ended_at is not None
        and one.ended_at <= question.start
    ]
    for one in before[:_LOOKED_BACK]:
        asked = _comparable(mirror, states, one.run_id, question)
        if asked is not None and (samples := samples_for(telemetry, asked)):
            return Earlier(one.name or one.run_id, samples, asked.start, asked.end, asked.points)
    return None


def _comparable(
    mirror: Mirror, states: Sequence[HostState], run_id: str, question: Question
) -> Question | None:
    """Return the question about an earlier run if it ran on the same machine and has steps."""
    try:
        run = mirror.run(run_id).run  # with all its tags: they tell its machine
        if host_of(states, run).machine.host != question.host:
            return None
        found = question_of_run(states, run, _curves(mirror, run_id), question.start)
    except MlopsError:  # a run that cannot be placed is no run to compare with
        return None
    return found if found.points else None
