"""Why a task failed: the cause first, then what was measured, what is different, what to do."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from services.mirror.workflow_models import TaskRun
from services.telemetry.conditions import Conditions
from services.workflows.differences import Difference, differences
from services.workflows.words import span

_LINES = 20
_CUT = 300
"""Characters of an exception's text that the runner puts into its sentence."""
_RUNNERS = frozenset({"ProjectTask", "PlatformTask"})
"""What leaves evidence when it fails: it runs a command and watches it."""
_LOST = (
    "It left no evidence: it never began, or what watched it was killed with its machine or with "
    "Airflow's scheduler."
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that was measured, or why it was not."""

    label: str
    said: str
    known: bool = True


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that is known of a failure."""

    task: str
    kind: str
    """The outcome of the evidence, else ``lost``, ``upstream`` or ``unknown``."""
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


def explain(
    task: TaskRun,
    evidence: Mapping[str, Any],
    *,
    before: Mapping[str, Any] | None = None,
    ran_under: Conditions | str = "",
    tasks: Iterable[TaskRun] = (),
) -> Explanation:
    """Return why a task failed.

    Args:
        task: The task, its newest try.
        evidence: Of that try, lines and packages included; empty: there is none.
        before: Evidence of the task's last success; None: it never had one, or it is gone.
        ran_under: What its machine was like meanwhile, or why that is not known.
        tasks: All of the run: who fails for another names it.
    """
    kind = _kind(task, evidence)
    lines = _lines(evidence)
    step, command = _next(task, kind, evidence)
    compared = "No earlier success of it is known, so there is nothing to compare with."
    if before:
        when = str(before.get("ended_at") or "")[:16].replace("T", " ")
        compared = f"Compared with its last success{f', {when} UTC' if when else ''}."
    return Explanation(
        task.label,
        kind,
        _cause(task, kind, evidence, tasks),
        tuple(_facts(evidence, ran_under)) if evidence else (),
        lines,
        _marked(lines, evidence),
        differences(before, evidence) if before and evidence else (),
        compared,
        step,
        command,
    )


def _kind(task: TaskRun, evidence: Mapping[str, Any]) -> str:
    outcome = evidence.get("outcome")
    if task.state == "upstream_failed":
        return "upstream"
    if outcome == "running":  # whoever would have told the end was killed
        return "lost"
    if isinstance(outcome, str) and outcome:
        return outcome
    return "lost" if task.operator in _RUNNERS else "unknown"


def _cause(task: TaskRun, kind: str, evidence: Mapping[str, Any], tasks: Iterable[TaskRun]) -> str:
    if kind == "upstream":
        failed = [one.label for one in tasks if one.state == "failed"]
        of = f"{', '.join(failed[:3])} failed" if failed else "a task before it failed"
        return f"It did not begin, for {of}."
    said = str(evidence.get("sentence") or "")
    if said:
        if said.rstrip().endswith((".", "!", "?")):
            return said
        text = _table(evidence.get("exception")).get("text")
        # The runner cuts what an exception said where it is long.
        return f"{said}…" if isinstance(text, str) and len(text) > _CUT else f"{said}."
    if kind == "lost":
        return _LOST if not evidence else (
            "It ended without a word: what watched it was killed. Its last sign is of "
            f"{str(evidence.get('at') or 'an unknown time')[:19].replace('T', ' ')} UTC."
        )  # fmt: skip
    return f"Airflow says that {task.label} failed; its log says why."


def _facts(evidence: Mapping[str, Any], ran_under: Conditions | str) -> Iterable[Fact]:
    code, signal = evidence.get("exit_code"), evidence.get("signal")
    if signal or code is not None:
        yield Fact("Ended by", str(signal) if signal else f"exit code {code}")
    raised = evidence.get("exception")
    if isinstance(raised, Mapping) and raised.get("name"):
        yield Fact("Exception", str(raised["name"]))
    yield from _memory(_table(evidence.get("memory")))
    seconds, timeout = _number(evidence.get("seconds")), _number(evidence.get("timeout_s"))
    if seconds is not None:
        most = f" of at most {span(timeout)}" if timeout else ""
        yield Fact("Ran for", f"{span(seconds)}{most}")
    yield _disk(_table(evidence.get("disk_after")) or _table(evidence.get("disk")))
    pauses = evidence.get("pauses")
    if isinstance(pauses, list) and pauses:
        yield Fact("Paused", f"{len(pauses)} times by the thermal policy")
    yield from _machine(ran_under)
    host = _table(evidence.get("host"))
    if host.get("name"):
        yield Fact("Machine", str(host["name"]))


def _memory(memory: Mapping[str, Any]) -> Iterable[Fact]:
    peak, limit = _number(memory.get("peak_bytes")), _number(memory.get("limit_bytes"))
    most = f" of {limit / 1e9:.2f} GB it may have" if limit else "; it has no limit"
    if peak is None:
        yield Fact("Most memory", "not measured: it ended before the first look", known=False)
    else:
        yield Fact("Most memory", f"{peak / 1e9:.2f} GB{most}")
    free = _number(memory.get("host_available_min_bytes"))
    if free is not None:
        yield Fact("Least free memory of the machine", f"{free / 1e9:.2f} GB")
    kills = _number(memory.get("oom_kills"))
    if kills:
        yield Fact("Ended by the system for want of memory", f"{kills:.0f} processes meanwhile")


def _disk(disk: Mapping[str, Any]) -> Fact:
    free, total = _number(disk.get("free_bytes")), _number(disk.get("total_bytes"))
    if free is None:
        return Fact("Free disk", "could not be asked", known=False)
    return Fact(
        "Free disk", f"{free / 1e9:.1f} GB" + (f" of {total / 1e9:.0f} GB" if total else "")
    )


def _machine(ran_under: Conditions | str) -> Iterable[Fact]:
    """Heat and power while it ran; what the machine does not tell is said to be so."""
    if isinstance(ran_under, str):
        if ran_under:
            yield Fact("Heat and power", ran_under, known=False)
        return
    if ran_under.coverage <= 0:
        yield Fact("Heat and power", "no sample was taken meanwhile", known=False)
        return
    level, hot = ran_under.thermal_max, ran_under.throttled
    if level is None:
        yield Fact("Heat", "its machine does not tell", known=False)
    else:
        share = f", throttled {hot:.0%} of the time" if hot else ""
        yield Fact("Heat", f"level {level} at most{share}")
    if ran_under.pressure_max is not None:
        yield Fact("Memory pressure", f"level {ran_under.pressure_max} at most")
    on = [
        f"{word} {share:.0%} of the time"
        for word, share in (("Low Power Mode", ran_under.low_power), ("battery", ran_under.battery))
        if share
    ]
    if on:
        yield Fact("Power", ", ".join(on))
    elif ran_under.battery is None:
        yield Fact("Power", "its machine does not tell", known=False)
    else:
        yield Fact("Power", "plugged in")


def _next(task: TaskRun, kind: str, evidence: Mapping[str, Any]) -> tuple[str, str]:
    run = f"{task.dag_id}/{task.run_id}"
    retry = f"mlops workflows retry {run}"
    logs = f"mlops workflows logs {run} {task.label}"
    hint = str(evidence.get("hint") or "")
    project = str(evidence.get("project") or task.project)
    if kind == "upstream":
        return "See to that task; this one follows by itself when it is retried.", retry
    if kind == "data":
        return hint or "A file of its data is not there.", f"mlops data status --project {project}"
    if kind == "lost":
        return "Nothing speaks against the task itself: retry it.", retry
    if kind == "cancelled":
        return hint or "Retry it when it shall run after all.", retry
    return hint or "Read its last lines; when what they name is mended, retry it.", logs


def _lines(evidence: Mapping[str, Any]) -> tuple[str, ...]:
    found = evidence.get("last_lines")
    return tuple(str(line) for line in found[-_LINES:]) if isinstance(found, list) else ()


def _marked(lines: tuple[str, ...], evidence: Mapping[str, Any]) -> int | None:
    """Return the last line that names the exception."""
    raised = evidence.get("exception")
    name = str(raised.get("name") or "") if isinstance(raised, Mapping) else ""
    if not name:
        return None
    named = re.compile(rf"(?:^|[\s.]){re.escape(name)}(?::|$)")
    found = [number for number, line in enumerate(lines) if named.search(line)]
    return found[-1] if found else None


def _table(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _number(found: object) -> float | None:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        return float(found) if math.isfinite(found) else None
    except OverflowError:
        return None
