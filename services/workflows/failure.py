"""Why a task failed: the cause first, then what was measured, what is different, what to do."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.mirror.workflow_models import TaskRun
from services.workflows.differences import Difference, differences
from services.workflows.failure_airflow import told_by
from services.workflows.failure_causes import cause_of, kind_of
from services.workflows.failure_facts import facts_of
from services.workflows.failure_packages import package_of
from services.workflows.failure_parts import Fact, Surroundings, exception_line, inside, words
from services.workflows.failure_steps import step_of

__all__ = ["Explanation", "Fact", "Surroundings", "explain"]
_LINES = 20


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that is known of a failure."""

    task: str
    kind: str
    """The outcome of the evidence, ``disk`` when the disk was full, ``airflow`` when only Airflow
    failed it; else ``lost``, ``upstream`` or ``unknown``."""
    cause: str
    facts: tuple[Fact, ...]
    lines: tuple[str, ...]
    marked: int | None
    """Which of the lines names the exception."""
    different: tuple[Difference, ...]
    compared: str
    """With what it was compared, or why it was not."""
    next_step: str
    command: str = ""
    """What is typed for it; empty: nothing is."""
    setting: str = ""
    """The line of [tool.mlops] to change for it; empty: none."""


def explain(
    task: TaskRun,
    evidence: Mapping[str, Any],
    *,
    before: Mapping[str, Any] | None = None,
    ran_under: Surroundings | str = "",
    tasks: Iterable[TaskRun] = (),
    log: Sequence[str] = (),
) -> Explanation:
    """Return why a task failed.

    Args:
        task: The task, its newest try.
        evidence: Of that try, lines and packages included; empty: there is none.
        before: Evidence of the task's last success; None: it never had one, or it is gone.
        ran_under: What its machine was like meanwhile, or why that is not known.
        tasks: All of the run: who fails for another names it.
        log: Lines of Airflow's own log, for a try without evidence of its end.
    """
    tasks = tuple(tasks)
    told, package = told_by(log), package_of(evidence, before)
    kind = kind_of(task, evidence, package, told)
    lines = _lines(evidence) or tuple(log[-_LINES:])
    step = step_of(
        kind, task, evidence, before=before, package=package, tasks=tasks, ran_under=ran_under
    )
    compared = "No earlier success of it is known, so there is nothing to compare with."
    if before:
        when = str(before.get("ended_at") or "")[:16].replace("T", " ")
        compared = f"Compared with its last success{f', {when} UTC' if when else ''}."
    return Explanation(
        task.label,
        kind,
        cause_of(task, kind, evidence, package, told, tasks),
        tuple(facts_of(kind, evidence, before, ran_under)) if evidence else (),
        lines,
        _marked(lines, evidence),
        differences(before, evidence) if before and evidence else (),
        compared,
        step.said,
        step.command,
        step.setting,
    )


def _lines(evidence: Mapping[str, Any]) -> tuple[str, ...]:
    found = evidence.get("last_lines")
    return tuple(str(line) for line in found[-_LINES:]) if isinstance(found, list) else ()


def _marked(lines: tuple[str, ...], evidence: Mapping[str, Any]) -> int | None:
    """Return the last line that names the exception."""
    if not evidence:
        return exception_line(lines)
    name = words(inside(evidence, "exception", "name"))
    if not name:
        return None
    named = re.compile(rf"(?:^|[\s.]){re.escape(name)}(?::|$)")
    found = [number for number, line in enumerate(lines) if named.search(line)]
    return found[-1] if found else None
