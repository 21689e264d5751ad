"""What Airflow's own log says of a task that left no evidence.

The texts are those of Airflow 3.3 (``airflow.sdk.execution_time.supervisor``,
``airflow.jobs.scheduler_job_runner``).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.workflows.failure_parts import exception_line

_SAID: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (
        re.compile(r"What watched .+ left no evidence"),
        "lost",
        "What watched its command was killed, so nobody measured how it ended.",
    ),
    (
        re.compile(r"did not emit heartbeat|without a heartbeat|heartbeat timeout", re.IGNORECASE),
        "lost",
        "Its worker was not heard of any more: it was killed, or its machine went away.",
    ),
    (
        re.compile(r"reported that the task instance .+ finished with state"),
        "lost",
        "Its process ended without telling Airflow how: it was killed from outside.",
    ),
    (
        re.compile(r"requeued more than"),
        "lost",
        "It was handed to a worker several times, and no worker ever took it up.",
    ),
    (
        re.compile(r"Process terminated by signal.*Likely out of memory"),
        "signal",
        "Its process was killed by SIGKILL. Airflow takes that for want of memory, which nobody "
        "measured; a person's kill -9 looks the same.",
    ),
    (
        re.compile(r"Process terminated by signal|SIGSEGV|segmentation", re.IGNORECASE),
        "signal",
        "Its process was ended by a signal.",
    ),
)


@dataclass(frozen=True, slots=True)
class Told:
    """What a log says of an end."""

    kind: str
    cause: str


def told_by(lines: Sequence[str]) -> Told | None:
    """Return why a task ended by its log, None when the log does not tell."""
    for line in reversed(lines):
        for pattern, kind, cause in _SAID:
            if pattern.search(line):
                return Told(kind, cause)
    place = exception_line(lines)
    if place is None:
        return None
    return Told("failed", f"It raised {lines[place].strip()[:300]}".rstrip(".") + ".")
