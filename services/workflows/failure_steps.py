"""What to do about a failure: a sentence, what is typed, and the line of the contract to change."""

import math
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from services.mirror.workflow_models import TaskRun
from services.workflows.failure_packages import Package
from services.workflows.failure_parts import Step, Surroundings, inside, number, table, words
from services.workflows.words import span

_ROOM = 1.25
"""Ours: a limit is proposed a quarter above what was seen; how much more it takes nobody knows."""
_OF_MACHINE = 0.9
"""Of a machine's memory: a limit above that leaves the system too little."""
_MOST_GB, _LONGEST_S = 4096, 30 * 86_400
"""The largest figures the contract takes."""
_LARGEST_BATCH = 10**9
_MOST_PARAMETERS = 12


@dataclass(frozen=True, slots=True)
class Case:
    """A failure as the steps see it."""

    task: TaskRun
    evidence: Mapping[str, Any]
    before: Mapping[str, Any]
    package: Package | None
    tasks: tuple[TaskRun, ...]
    ran_under: Surroundings | str

    @property
    def hint(self) -> str:
        """Return what the runner proposes."""
        return words(self.evidence.get("hint"))

    @property
    def project(self) -> str:
        """Return whose it is, as a shell takes it."""
        return shlex.quote(words(self.evidence.get("project")) or self.task.project)

    def about_run(self, word: str, *more: str) -> str:
        """Return a command about the run."""
        run = f"{self.task.dag_id}/{self.task.run_id}"
        return shlex.join(["mlops", "workflows", word, run, *more])


def step_of(
    kind: str,
    task: TaskRun,
    evidence: Mapping[str, Any],
    *,
    before: Mapping[str, Any] | None = None,
    package: Package | None = None,
    tasks: Iterable[TaskRun] = (),
    ran_under: Surroundings | str = "",
) -> Step:
    """Return what to do next."""
    case = Case(task, evidence, before or {}, package, tuple(tasks), ran_under)
    return _STEPS.get(kind, _read)(case)


def _read(case: Case) -> Step:
    said = case.hint or "Read its last lines; when what they name is mended, retry it."
    return Step(said, case.about_run("logs", case.task.label))


def _upstream(case: Case) -> Step:
    failed = [one.label for one in case.tasks if one.state == "failed"]
    said = "See to that task; this one follows by itself when it is retried."
    return Step(said, case.about_run("why", *failed[:1]))


def _lost(case: Case) -> Step:
    return Step("Nothing speaks against the task itself: retry it.", case.about_run("retry"))


def _cancelled(case: Case) -> Step:
    return Step(case.hint or "Retry it when it shall run after all.", case.about_run("retry"))


def _not_started(case: Case) -> Step:
    said = case.hint or "Look at its commands in [tool.mlops] and at its environment."
    return Step(said, f"mlops projects check {case.project}")


def _data(case: Case) -> Step:
    last = words(inside(case.before, "revisions", "data"))
    known = last or words(inside(case.evidence, "revisions", "data"))
    if not known:
        said = "No version of its data was ever recorded: make the data, then record it."
        return Step(said, f"mlops data add {case.project}")
    of = "its last success ran on" if last else "was recorded last"
    return Step(
        f"Bring its folder back to the version that {of}.",
        f"mlops data checkout {case.project} {shlex.quote(known)}",
    )


def _disk(case: Case) -> Step:
    return Step(
        "Make room on that disk, then retry. What older versions of its data take can go when the "
        "remote has them.",
        f"mlops data prune {case.project}",
    )


def _packages(case: Case) -> Step:
    found, folder = case.package, words(case.evidence.get("folder"))
    if found is None or not folder:
        return Step(
            case.hint or "Correct its dependencies; the environment is made anew by itself.",
            f"mlops projects check {case.project}",
        )
    wanted = f"{found.name}=={found.before}" if found.before else found.name
    what = f"Put {found.name} {found.before} back" if found.before else f"Add {found.name}"
    if found.now and not found.before:
        what = f"Take a version of {found.name} that has it"
    return Step(
        f"{what} in the project's dependencies; the environment is made anew by itself. Then "
        "retry.",
        f"cd {shlex.quote(folder)} && uv add --no-sync {shlex.quote(wanted)} && "
        "uv export --format requirements.txt -o requirements.txt",
    )


def _memory(case: Case) -> Step:
    memory = table(case.evidence.get("memory"))
    peak, limit = number(memory.get("peak_bytes")), number(memory.get("limit_bytes"))
    total, smaller = number(memory.get("host_total_bytes")), _smaller_batch(case)
    wanted = math.ceil(min(_ROOM * max(peak or 0, limit or 0) / 5e8, 4 * _MOST_GB)) / 2
    fits = 0 < wanted <= _MOST_GB and (total is None or wanted * 1e9 <= _OF_MACHINE * total)
    said = "Give it a smaller batch or model"
    if case.evidence.get("stopped") == "memory" or (limit and peak and peak >= limit):
        if fits:
            said += ", or raise its limit: what it would have taken beyond it is not known"
            return Step(f"{said}.", smaller, f"memory_limit_gb = {wanted:g}")
        said += ": a higher limit does not fit this machine"
        return Step(f"{said}.", smaller or case.about_run("logs", case.task.label))
    said += ", or let it run while less else does: a declared need is waited for in the queue"
    setting = f"needs.memory_gb = {wanted:g}" if peak and fits else ""
    return Step(f"{said}.", smaller or case.about_run("retry"), setting)


def _smaller_batch(case: Case) -> str:
    """Return the launch with half the batch, empty when it has no parameter that is one."""
    given = table(case.evidence.get("parameters"))
    batch = [
        n
        for n, v in given.items()
        if "batch" in str(n) and isinstance(v, int) and 1 < v < _LARGEST_BATCH
    ]
    if not batch or len(given) > _MOST_PARAMETERS:
        return ""
    values = {**given, **{name: given[name] // 2 for name in batch}}
    pairs = [
        f"{n}={_typed(v)}" for n, v in values.items() if isinstance(v, bool | int | float | str)
    ]
    options = [word for pair in pairs for word in ("--param", pair)]
    return shlex.join(["mlops", "workflows", "trigger", case.task.dag_id, *options])


def _typed(value: bool | float | str) -> str:  # noqa: FBT001 - a parameter of any type
    return str(value).lower() if isinstance(value, bool) else str(value)


def _timeout(case: Case) -> Step:
    limit, took = number(case.evidence.get("timeout_s")), number(case.before.get("seconds"))
    causes = () if isinstance(case.ran_under, str) else case.ran_under.causes
    said = [f"Its machine was slowed down. {causes[0].suggestion}"] if causes else []
    if took:
        said.append(f"Its last success took {span(took)}.")
    said.append("Raise its timeout, or give it less to do.")
    longer = None if limit is None else _written(min(2 * limit, _LONGEST_S))
    setting = f'timeout = "{longer}"' if longer else ""
    return Step(" ".join(said), case.about_run("logs", case.task.label), setting)


def _written(seconds: float) -> str:
    """Return seconds as the contract writes them, rounded up; empty for nothing."""
    whole = math.ceil(seconds)
    for size, unit in ((3600, "h"), (60, "m")):
        if whole >= size and whole % size == 0:
            return f"{whole // size}{unit}"
    return f"{whole}s" if whole > 0 else ""


def _signal(case: Case) -> Step:
    if case.evidence.get("signal") not in {None, "", "SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"}:
        return _read(case)
    said = case.hint or "Nothing speaks against the task itself: retry it."
    return Step(said, case.about_run("retry"))


_STEPS: Mapping[str, Callable[[Case], Step]] = {
    "upstream": _upstream,
    "lost": _lost,
    "cancelled": _cancelled,
    "not started": _not_started,
    "data": _data,
    "disk": _disk,
    "packages": _packages,
    "memory": _memory,
    "timeout": _timeout,
    "signal": _signal,
}
