"""Following a run to its end: its logs as they come, how far it is, and why it waits."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.errors import EngineRefusedError, EngineUnreachableError
from services.home import Home
from services.mirror.workflow_models import ENDED_TASKS, TaskRun

if TYPE_CHECKING:
    from services.commands.screen import Screen
    from services.engines.airflow.adapter import Airflow
    from services.engines.airflow.models import DagRun, LogLine, TaskInstance

_PAUSE_S = 1.0
_REST_S = 5.0
"""So long is what a task said last waited for, when the run has ended."""
_FRESH_S = 60.0
_GONE = 404
_NOT_BEGUN = frozenset({"none", "scheduled", "queued"})
_HELD = frozenset({"scheduled", "queued", "deferred", "up_for_retry"})


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    run: "DagRun"
    said: str
    """As a sentence; of one that failed the first task that did, and why."""
    hint: str = ""

    @property
    def well(self) -> bool:
        """Whether it succeeded."""
        return self.run.state == "success"


class LogReader:
    """The log of one try of a task, read on from where it was read last."""

    def __init__(self, airflow: "Airflow", task: TaskRun, attempt: int, *, whole: bool) -> None:
        """Begin.

        Args:
            airflow: Who has it.
            task: The task.
            attempt: Which try, from 1.
            whole: With what Airflow says of itself before and after the command.
        """
        self._airflow = airflow
        self._task = task
        self._attempt = attempt
        self._whole = whole
        self._page: str | None = None
        self._folded = False
        self.ended = False
        self.error = ""
        """The last line of the last traceback."""

    def news(self) -> Iterator[str]:
        """Yield the lines that came since the last time.

        Raises:
            EngineError: Airflow did not answer.
        """
        while not self.ended:
            task = self._task
            try:
                found = self._airflow.log(
                    task.dag_id, task.run_id, task.task_id, self._attempt,
                    map_index=task.map_index, page=self._page,
                )  # fmt: skip
            except EngineRefusedError as error:
                if error.status != _GONE:
                    raise
                return  # it was not begun when it was looked for
            self.ended = found.next_page is None
            self._page = found.next_page
            for line in found.lines:
                yield from self._told(line)
            if not found.lines:
                return

    def _told(self, line: "LogLine") -> Iterator[str]:
        begins, ends = line.text.startswith("::group::"), line.text.startswith("::endgroup::")
        hidden = begins or ends or self._folded
        self._folded = (self._folded or begins) and not ends
        if self._whole or not hidden:
            yield line.text
        if line.error:
            self.error = line.error.splitlines()[-1]
            yield from line.error.splitlines()


class Follower:
    """Follows one run; what it asks is Airflow itself, so it needs no controller."""

    def __init__(
        self,
        airflow: "Airflow",
        screen: "Screen",
        why: Callable[[TaskRun], str],
        pause_s: float = _PAUSE_S,
    ) -> None:
        """Begin.

        Args:
            airflow: Who runs it.
            screen: Where it is drawn.
            why: Returns why a task waits, empty when that is not known.
            pause_s: Between two looks.
        """
        self._airflow = airflow
        self._screen = screen
        self._why = why
        self._pause_s = pause_s
        self._readers: dict[tuple[str, int], tuple[str, LogReader]] = {}
        self._away = False

    def to_end(self, dag_id: str, run_id: str) -> Ended:
        """Follow a run until it ended. An Airflow that is away meanwhile is waited for.

        Raises:
            EngineRefusedError: There is no such run.
        """
        rest_until = float("inf")
        while True:
            found = self._look(dag_id, run_id)
            if found is not None:
                run, tasks = found
                if run.state in {"success", "failed"}:
                    rest_until = min(rest_until, time.monotonic() + _REST_S)
                    if self._all_read() or time.monotonic() >= rest_until:
                        return self._ended(run, tasks)
            time.sleep(self._pause_s)

    def _look(self, dag_id: str, run_id: str) -> "tuple[DagRun, list[TaskRun]] | None":
        try:
            run = self._airflow.dag_run(dag_id, run_id)
            tasks = [task_run(one) for one in self._airflow.task_instances(dag_id, run_id)]
            self._draw(run, tasks)
            self._read(tasks)
        except EngineUnreachableError as error:
            if not self._away:
                self._screen.waits(f"{error.message} The run is not lost; it is asked again.")
            self._away = True
            return None
        self._away = False
        return run, tasks

    def _draw(self, run: "DagRun", tasks: list[TaskRun]) -> None:
        ended = sum(one.state in ENDED_TASKS for one in tasks)
        running = [one for one in tasks if one.state == "running"]
        self._screen.tasks(ended, len(tasks), ", ".join(one.label for one in running[:3]))
        waiting = [one for one in tasks if run.state == "queued" or one.state in _HELD]
        reasons = (self._why(one) for one in waiting) if not running else ()
        self._screen.waits(next((why for why in reasons if why), ""))

    def _read(self, tasks: list[TaskRun]) -> None:
        begun = [one for one in tasks if one.tries > 0 and one.state not in _NOT_BEGUN]
        begun.sort(key=lambda one: one.started_at.timestamp() if one.started_at else 0.0)
        for task in begun:
            self._readers.setdefault(
                (task.label, task.tries),
                (task.label, LogReader(self._airflow, task, task.tries, whole=False)),
            )
        several = sum(one.state == "running" for one in tasks) > 1
        for label, reader in self._readers.values():
            for line in reader.news():
                self._screen.line(f"[{label}] {line}" if several or "[" in label else line)

    def _all_read(self) -> bool:
        return all(reader.ended for _, reader in self._readers.values())

    def _ended(self, run: "DagRun", tasks: list[TaskRun]) -> Ended:
        name = f"{run.dag_id}/{run.run_id}"
        lasted = ""
        if run.started_at and run.ended_at:
            lasted = f" after {(run.ended_at - run.started_at).total_seconds():.0f} s"
        if run.state == "success":
            return Ended(run, f"{name} succeeded{lasted}.")
        failed = [one for one in tasks if one.state == "failed"]
        failed.sort(key=lambda one: one.ended_at.timestamp() if one.ended_at else float("inf"))
        if not failed:
            return Ended(run, f"{name} failed{lasted}: it was ended before a task failed.")
        first = failed[0]
        said, hint = self._cause(first)
        return Ended(run, f"{name} failed{lasted}. {first.label}: {said}", hint)

    def _cause(self, task: TaskRun) -> tuple[str, str]:
        """Return why a task failed: what its runner measured, else what its log ends with."""
        from services.workflows import evidence

        found = evidence.read(Home.locate().airflow / "evidence", task)
        if found.get("sentence") and found.get("outcome") != "running":
            return str(found["sentence"]), str(found.get("hint") or "")
        _, reader = self._readers.get((task.label, task.tries), ("", None))
        said = reader.error if reader is not None else ""
        more = f"`mlops workflows logs {task.dag_id}/{task.run_id} {task.label}` has all it said."
        return said or "it failed without a word.", more


class Reasons:
    """Why tasks wait, as the controller decided last."""

    def __init__(self, home: Home, queue: Callable[[], Mapping[str, str]]) -> None:
        """Begin.

        Args:
            home: Of the installation.
            queue: Returns the reasons of the mirror's queue by job, for when Airflow's file is old.
        """
        self._file = home.airflow / "weights.json"
        self._queue = queue

    def of(self, task: TaskRun) -> str:
        """Return why a task waits, empty when it is not known."""
        told = self._held().get(task.job)
        return told if told is not None else self._queue().get(task.job, "")

    def _held(self) -> Mapping[str, str]:
        try:
            if abs(time.time() - self._file.stat().st_mtime) > _FRESH_S:
                return {}
            held = json.loads(self._file.read_bytes())["held"]
            return {str(job): str(said) for job, said in held.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}


def task_run(one: "TaskInstance") -> TaskRun:
    """Return a task of Airflow's in the words of the mirror."""
    return TaskRun(
        dag_id=one.dag_id,
        run_id=one.run_id,
        task_id=one.task_id,
        map_index=one.map_index,
        project=one.dag_id.partition(".")[0],
        title=one.title,
        state=one.state,
        tries=one.tries,
        max_tries=one.max_tries,
        scheduled_at=one.scheduled_at,
        queued_at=one.queued_at,
        started_at=one.started_at,
        ended_at=one.ended_at,
        pool=one.pool,
        queue=one.queue,
        weight=one.priority_weight,
        host=one.host,
        note=one.note,
        operator=one.operator,
    )
