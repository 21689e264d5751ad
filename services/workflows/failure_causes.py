"""Of what kind a failure is, and its cause in one sentence."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from services.mirror.workflow_models import TaskRun
from services.workflows.failure_airflow import Told
from services.workflows.failure_packages import Package
from services.workflows.failure_parts import amount, inside, number, table, words

_CUT = 300
"""Characters of an exception's text that the runner puts into its sentence."""
_RUNNERS = frozenset({"HeavyTask", "ProjectTask", "PlatformTask"})
"""What leaves evidence when it fails: it runs a command and watches it."""
_FULL = ("No space left on device", "Disk quota exceeded")
_LOST = (
    "It left no evidence: it never began, or what watched it was killed with its machine or with "
    "Airflow's scheduler."
)
_PATH = re.compile(r"'([^']{1,200})'")


def kind_of(
    task: TaskRun, evidence: Mapping[str, Any], package: Package | None, told: Told | None
) -> str:
    """Return the outcome of the evidence, made finer, else what is known without any."""
    outcome = evidence.get("outcome")
    if task.state == "upstream_failed":
        return "upstream"
    if outcome == "succeeded":  # and still Airflow has the task as failed
        return "airflow"
    if isinstance(outcome, str) and outcome and outcome != "running":
        return _finer(outcome, evidence, package)
    if outcome == "running":  # whoever would have told the end was killed
        return "lost"
    if told is not None:
        return told.kind
    return "lost" if task.operator in _RUNNERS else "unknown"


def _finer(outcome: str, evidence: Mapping[str, Any], package: Package | None) -> str:
    if outcome != "failed":
        return outcome
    text = words(inside(evidence, "exception", "text"))
    if any(full in text for full in _FULL):
        return "disk"
    return outcome if package is None else "packages"


def cause_of(
    task: TaskRun,
    kind: str,
    evidence: Mapping[str, Any],
    package: Package | None,
    told: Told | None,
    tasks: Iterable[TaskRun],
) -> str:
    """Return what happened in one sentence."""
    if kind == "upstream":
        failed = [one.label for one in tasks if one.state == "failed"]
        of = f"{', '.join(failed[:3])} failed" if failed else "a task before it failed"
        return f"It did not begin, for {of}."
    special = _special(kind, evidence, package)
    if special:
        return special
    said = words(evidence.get("sentence"))
    if said:
        return _whole(said, evidence)
    if told is not None:
        return told.cause
    if kind == "lost":
        return _LOST if not evidence else (
            "It ended without a word: what watched it was killed. Its last sign is of "
            f"{str(evidence.get('at') or 'an unknown time')[:19].replace('T', ' ')} UTC."
        )  # fmt: skip
    return f"Airflow says that {task.label} failed; its log says why."


def _special(kind: str, evidence: Mapping[str, Any], package: Package | None) -> str:
    if kind == "airflow":
        return (
            "Its command ended well; what Airflow did with it afterwards failed. Its log says why."
        )
    if kind == "packages" and package is not None:
        return package.cause
    if kind == "data":
        found = _PATH.search(words(inside(evidence, "exception", "text")))
        return f"{found[1]} is not there, a file of its data." if found else ""
    if kind == "disk":
        disk = table(evidence.get("disk_after")) or table(evidence.get("disk"))
        free = number(disk.get("free_bytes"))
        left = "" if free is None else f": {amount(free)} were free when it ended"
        return f"The disk it wrote to is full{left}."
    return ""


def _whole(said: str, evidence: Mapping[str, Any]) -> str:
    if said.rstrip().endswith((".", "!", "?")):
        return said
    # The runner cuts what an exception said where it is long.
    text = words(inside(evidence, "exception", "text"))
    return f"{said}…" if len(text) > _CUT else f"{said}."
