"""From a run to what telemetry is asked about it: which machine, when, and whose time it was."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.engines.silicon.models import Machine, Sample
from services.errors import InputError, NotFoundError
from services.mirror.models import Curve, Run
from services.telemetry.diagnosis import Diagnosis, Earlier, why_slow
from services.telemetry.identity import (
    earlier_owners,
    gathered,
    machines_of,
    name_of,
    owner_of,
)
from services.telemetry.models import HostState, Telemetry
from services.telemetry.shares import OTHERS
from services.telemetry.spans import REACH_S
from services.telemetry.speed import Point

LONGEST = timedelta(hours=24)
"""At most so much is looked at: a day is 43,200 samples, and takes a few seconds."""

_ON_GPU = {"mlx-metal": True, "torch-mps": True, "torch-cuda": True}
_ON_CPU = {"mlx-cpu": False, "torch-cpu": False, "cpu": False}
_BY_STEP = ("step_time_ms", "loss")


@dataclass(frozen=True, slots=True)
class Question:
    """A stretch of time on one machine, and whose it is."""

    machine: Machine
    start: datetime
    end: datetime
    owner: str = OTHERS
    meant_for_gpu: bool | None = None
    points: tuple[Point, ...] = ()
    also: tuple[str, ...] = ()
    """Other names of the owner's processes: a run begun offline has two."""

    @property
    def host(self) -> str:
        """Return the id of the machine."""
        return self.machine.host


def explain(telemetry: Telemetry, question: Question, earlier: Earlier | None = None) -> Diagnosis:
    """Ask for the samples of a stretch of time and say why it was slow."""
    return why_slow(
        samples_for(telemetry, question),
        question.start,
        question.end,
        machine=question.machine,
        owner=question.owner,
        meant_for_gpu=question.meant_for_gpu,
        points=question.points,
        earlier=earlier,
    )


def samples_for(telemetry: Telemetry, question: Question) -> tuple[Sample, ...]:
    """Return the samples a question is about, all processes of its owner under one name."""
    found = samples_of(telemetry, question.host, question.start, question.end)
    return gathered(found, question.owner, question.also)


def samples_of(
    telemetry: Telemetry, host: str, start: datetime, end: datetime
) -> tuple[Sample, ...]:
    """Return the samples of an interval, those around it included whose windows reach into it."""
    reach = timedelta(seconds=REACH_S)
    return telemetry.samples(host, start - reach, end + reach)


def question_of_host(
    states: Sequence[HostState], host: str, start: datetime, end: datetime
) -> Question:
    """Return the question about a machine as a whole.

    Raises:
        NotFoundError: No machine of that name sent telemetry.
        InputError: The interval is empty, or longer than ``LONGEST``.
    """
    _check(start, end)
    if end - start > LONGEST:
        raise InputError(
            f"At most {LONGEST.total_seconds() / 3600:.0f} hours can be looked at together.",
            "Say a shorter time with --from and --to.",
        )
    return Question(named(states, host).machine, start, end)


def question_of_run(
    states: Sequence[HostState],
    run: Run,
    curves: Iterable[Curve],
    now: datetime,
    *,
    host: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Question:
    """Return the question about a run, or a part of its time.

    Args:
        states: The machines that send telemetry.
        run: With its tags.
        curves: Of the run; the longest tells its steps.
        now: The end of a run that still runs.
        host: Its machine, when the run does not tell or several fit.
        start: Later than its begin.
        end: Earlier than its end. Of what is longer than ``LONGEST``, the last part is taken.

    Raises:
        InputError: It has not begun, its machine cannot be told, or nothing is left of its time.
        NotFoundError: Its machine sends no telemetry.
    """
    if run.started_at is None:
        raise InputError(f"Run {run.run_id[:64]} has not begun, so there is no time to look at.")
    last = min(run.ended_at or now, end or now, now)
    first = max(run.started_at, start or run.started_at)
    _check(first, last)
    return Question(
        machine=(named(states, host) if host else host_of(states, run)).machine,
        start=max(first, last - LONGEST),
        end=last,
        owner=owner_of(run.run_id),
        meant_for_gpu=meant_for_gpu(run.tags),
        points=points_of(curves),
        also=earlier_owners(run.tags),
    )


def named(states: Sequence[HostState], host: str) -> HostState:
    """Return a machine by its id.

    Raises:
        NotFoundError: None of that name sent telemetry.
    """
    for state in states:
        if state.machine.host == host:
            return state
    raise NotFoundError(f"No machine named {host[:64]} has sent telemetry.", _who(states))


def host_of(states: Sequence[HostState], run: Run) -> HostState:
    """Return the machine a run ran on: see ``machines_of``.

    Raises:
        InputError: Several machines fit.
        NotFoundError: The run tells none, or it sends no telemetry.
    """
    fitting, tagged = machines_of(states, run), name_of(run)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        ids = ", ".join(state.machine.host for state in fitting)
        raise InputError(
            f"Run {run.run_id[:64]} ran on {tagged[:64]}, and several machines have that name.",
            f"Say which with --host: {ids}.",
        )
    where = f"ran on {tagged[:64]}, which sends no telemetry" if tagged else "names no machine"
    raise NotFoundError(f"Run {run.run_id[:64]} {where}.", _who(states))


def meant_for_gpu(tags: Mapping[str, str]) -> bool | None:
    """Return whether a run was to compute on the GPU, by its backend; None when it tells none."""
    return (_ON_GPU | _ON_CPU).get(tags.get("mlops.backend", ""))


def points_of(curves: Iterable[Curve]) -> tuple[Point, ...]:
    """Return the steps of a run and their times: of the curve logged with every step, if any.

    Other curves count epochs or something else; one that is over steps has the most points.
    """
    every = [curve for curve in curves if len(curve.steps) > 1]
    by_step = [curve for curve in every if curve.key in _BY_STEP] or every
    longest = max(by_step, key=lambda curve: (curve.points_total, curve.key), default=None)
    if longest is None:
        return ()
    return tuple(map(Point, longest.times, longest.steps))


def _who(states: Sequence[HostState]) -> str:
    if not states:
        return "No machine has sent telemetry yet: `mlops up` starts the sampler of this one."
    return f"These do: {', '.join(state.machine.host for state in states)}."


def _check(start: datetime, end: datetime) -> None:
    if end <= start:
        raise InputError(
            f"Nothing is left between {start:%Y-%m-%d %H:%M:%S} and {end:%Y-%m-%d %H:%M:%S} UTC.",
            "--from has to be before --to, and both within the run.",
        )
