"""The process that runs one command for a task: ``python -m mlops_workflows.runner``.

It stands outside the task's process group, for Airflow gives a cancelled task five seconds before
it kills that group, and a training may need longer to write its checkpoint. Standard input is its
tie to the task: the first line is the order, ``cancel`` asks it to end the command, and the end of
input means that the task is dead. Standard output is the command's output. How it went is in the
evidence.
"""

import contextlib
import os
import select
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mlops_workflows import environment, evidence, lock, memory
from mlops_workflows.evidence import Evidence
from mlops_workflows.files import read_object
from mlops_workflows.group import Group, kill_left
from mlops_workflows.lines import Lines
from mlops_workflows.order import CANCEL, Order
from mlops_workflows.outcome import Facts, Stopped, Verdict, verdict
from mlops_workflows.pausing import Pauses
from mlops_workflows.told import ToldFile, key

_TICK_S = 0.1
_BEAT_S = 5.0
_DRAIN_S = 2.0
_AFTER_KILL_S = 10.0
_LOOKS_OVER = 2
"""So often in a row above the limit, and it is ended: one look is a moment."""
_LONGEST_ORDER = 1 << 20
_STDIN, _STDOUT = 0, 1


@dataclass(slots=True)
class Tie:
    """The task at the other end of standard input and output."""

    alive: bool = True
    cancelled: bool = False
    _said: bytes = b""

    def order(self) -> Order:
        """Return the order: the first line of standard input.

        Raises:
            ValueError: There is none.
        """
        while b"\n" not in self._said:
            data = os.read(_STDIN, 1 << 16)
            if not data or len(self._said) > _LONGEST_ORDER:
                raise ValueError("standard input does not begin with an order")
            self._said += data
        line, _, self._said = self._said.partition(b"\n")
        return Order.read(line)

    def listen(self) -> None:
        """Take what the task said meanwhile."""
        while self.alive and select.select([_STDIN], [], [], 0)[0]:
            data = os.read(_STDIN, 1 << 12)
            self.alive = bool(data)
            self._said += data
        if CANCEL in self._said:
            self.cancelled = True

    def say(self, lines: Lines) -> None:
        """Give the task as many lines as it takes without making us wait."""
        waiting = lines.waiting
        while self.alive and waiting:
            try:
                del waiting[: os.write(_STDOUT, waiting[: 1 << 16])]
            except BlockingIOError:
                return
            except OSError:
                self.alive = False
        if not self.alive:
            waiting.clear()

    @property
    def why(self) -> Stopped | None:
        """Return why the command must end, None when it need not."""
        if self.cancelled:
            return "cancelled"
        return None if self.alive else "lost"


@dataclass(slots=True)
class Watch:
    """One command that runs."""

    order: Order
    group: Group
    lines: Lines
    tie: Tie
    notes: Evidence
    pauses: Pauses
    began: float = field(default_factory=time.monotonic)
    stopped: Stopped | None = None
    stopped_at: float = 0.0
    killed: bool = False
    _beat_at: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Watch it to its end."""
        while self.group.poll() is None:
            self._read(_TICK_S)
            self.tie.listen()
            self.tie.say(self.lines)
            self.group.meter.look(self.order.memory_limit_bytes)
            self._stop()
            self._pause()
            self._beat()
            if self.killed and time.monotonic() - self.stopped_at > _AFTER_KILL_S * 2:
                break  # not even SIGKILL: it hangs in the kernel, and the disk it waits for too
        self.pauses.end()
        if self.group.sweep():
            self.lines.add("Processes that it left behind were ended.")
        self._drain()

    def _read(self, patience_s: float) -> bool:
        """Read what there is; False when there is no more to come."""
        if self.lines.is_full:
            time.sleep(patience_s)
            return True
        if not select.select([self.group.output], [], [], patience_s)[0]:
            return True
        data = os.read(self.group.output, 1 << 16)
        self.lines.feed(data)
        if not data:
            time.sleep(_TICK_S)
        return bool(data)

    def _drain(self) -> None:
        deadline = time.monotonic() + _DRAIN_S
        more = True
        while more and time.monotonic() < deadline:
            more = bool(select.select([self.group.output], [], [], 0)[0]) and self._read(0)
            self.tie.say(self.lines)
        self.lines.end()

    def _stop(self) -> None:
        """End it when it must: SIGTERM, and SIGKILL when that was not heard."""
        now = time.monotonic()
        if self.stopped is None:
            self.stopped = self.tie.why or self._broken_limit(now)
            if self.stopped is not None:
                self.stopped_at = now
                self.pauses.end()
                self.group.send(signal.SIGTERM)
        elif not self.killed and now - self.stopped_at > self.order.grace_s:
            self.killed, self.stopped_at = True, now
            self.group.send(signal.SIGKILL)

    def _broken_limit(self, now: float) -> Stopped | None:
        if self.group.meter.over >= _LOOKS_OVER and not self.pauses.is_stopped:
            return "memory"
        timeout_s = self.order.timeout_s
        ran_s = now - self.began - self.pauses.uncounted_s
        return "timeout" if timeout_s is not None and ran_s > timeout_s else None

    def _pause(self) -> None:
        if self.stopped is None and self.pauses.look():
            self._beat_at = float("-inf")  # whoever looks at the evidence sees it at once

    def _beat(self) -> None:
        self.notes.document["pauses"] = self.pauses.done
        self.notes.document["paused_s"] = round(self.pauses.seconds, 3)
        if time.monotonic() - self._beat_at > _BEAT_S:
            self._beat_at = time.monotonic()
            with contextlib.suppress(OSError):  # a full disk ends no training
                self.notes.write(self.group.meter)

    def verdict(self) -> Verdict:
        """Return how it ended."""
        meter = self.group.meter
        return verdict(
            Facts(
                status=-signal.SIGKILL if self.group.status is None else self.group.status,
                stopped=self.stopped,
                after_grace=self.killed,
                last_lines=list(self.lines.last),
                data=self.order.data,
                timeout_s=self.order.timeout_s,
                grace_s=self.order.grace_s,
                peak_bytes=meter.peak_bytes,
                limit_bytes=self.order.memory_limit_bytes,
                oom_kills=self.notes.oom_kills(),
                total_bytes=memory.total_bytes(),
            )
        )


def run(order: Order, tie: Tie) -> None:
    """Run the command of an order, unless this very try has run already.

    Raises:
        OSError: The evidence or the lock cannot be written.
    """

    def may_wait() -> bool:
        tie.listen()
        return tie.why is None

    with lock.held(order.place.lock(order.evidence), may_wait) as mine:
        if mine is None or evidence.ended(order.file) is not None:
            return  # delivered twice: the other's evidence is this one's, too
        left = mine.note()
        if left and kill_left(int(left["pid"]), str(left["job"])):
            print(f"What was left of {left['job']} was ended first.", flush=True)  # noqa: T201
        _run(order, tie, mine)
        mine.write({})


def _run(order: Order, tie: Tie, mine: lock.Held) -> None:
    began = time.monotonic()
    with _scratch() as scratch:
        run_file, answer_file = scratch / "runs.jsonl", scratch / "answer.json"
        pause_folder = scratch / "pause"
        pause_folder.mkdir()
        variables = environment.variables(order, run_file, answer_file, pause_folder)
        command = environment.command(order)
        lines = Lines(environment.secrets(variables))
        notes = Evidence(order, command, lines)
        notes.begin(None)
        try:
            group = Group(command, order.folder, variables)
        except (OSError, ValueError, IndexError) as error:
            notes.end(None, None, _not_started(command, error), time.monotonic() - began)
            return
        mine.write({"pid": group.pid, "job": order.place.job})
        notes.document["pid"] = group.pid
        watch = Watch(order, group, lines, tie, notes, _pauses(order, group, lines, pause_folder))
        watch.run()
        notes.document["stopped"] = watch.stopped
        notes.document["runs"] = evidence.runs_in(run_file)
        notes.document["answer"] = read_object(answer_file) if order.answers else None
        notes.end(group.status, group.meter, watch.verdict(), time.monotonic() - began)
        group.close()
        _say_rest(tie, lines)


def _pauses(order: Order, group: Group, lines: Lines, folder: Path) -> Pauses:
    place = order.place
    told = ToldFile(order.told) if order.told is not None else None
    return Pauses(group, lines, told, key(place.dag, place.run, place.label), folder)


def _say_rest(tie: Tie, lines: Lines) -> None:
    deadline = time.monotonic() + _DRAIN_S
    while lines.waiting and tie.alive and time.monotonic() < deadline:
        tie.say(lines)
        time.sleep(_TICK_S / 10)


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mlops-task-") as folder:
        yield Path(folder)


def _not_started(command: list[str], error: Exception) -> Verdict:
    program = command[0] if command else "An empty command"
    return Verdict(
        "not started",
        f"{program} could not be started: {error}.",
        "Look at `train` and `evaluate` in [tool.mlops], and at the project's environment "
        "(`mlops projects check ID`).",
    )


def main() -> int:
    """Run one order; 0 when its evidence is written, 3 when that could not be."""
    tie = Tie()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: setattr(tie, "cancelled", True))
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        order = tie.order()
        os.set_blocking(_STDOUT, False)
        run(order, tie)
    except (OSError, ValueError, TypeError, KeyError) as error:
        print(f"The task could not be watched: {error}.", file=sys.stderr)  # noqa: T201 - its word
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
