"""The evidence file of one try: what was measured, while it runs and when it has ended."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlops_workflows import facts, memory
from mlops_workflows.files import read_object, write_whole
from mlops_workflows.lines import Lines
from mlops_workflows.memory import Meter
from mlops_workflows.order import Order
from mlops_workflows.outcome import Verdict, exception_in, signal_name

VERSION = 1
RUNNING = "running"


def ended(path: Path) -> dict[str, Any] | None:
    """Return the evidence of a try that has ended, None when there is none or it did not end."""
    found = read_object(path)
    return found if found is not None and found.get("outcome") != RUNNING else None


@dataclass(slots=True)
class Evidence:
    """Collects one try's evidence and writes it whole."""

    order: Order
    command: list[str]
    lines: Lines
    document: dict[str, Any] = field(default_factory=dict)

    def begin(self, pid: int | None) -> None:
        """Note what is known before it runs.

        Raises:
            OSError: It cannot be written.
        """
        order = self.order
        self.document = {
            "v": VERSION,
            "outcome": RUNNING,
            "job": order.place.job,
            "dag_id": order.place.dag,
            "dag_run_id": order.place.run,
            "task_id": order.place.task,
            "map_index": order.place.map_index,
            "try": order.place.attempt,
            "project": order.project,
            "command": self.command,
            "folder": str(order.folder),
            "parameters": dict(order.parameters),
            "timeout_s": order.timeout_s,
            "started_at": _now(),
            "pid": pid,
            "host": facts.host(),
            "git": facts.git(order.folder),
            "packages": facts.packages(order.environment),
            "revisions": facts.revisions(order.folder),
            "disk": facts.disk(order.folder),
            "stopped": None,
            "pauses": [],
            "paused_s": 0.0,
            "_oom_kills": memory.oom_kills(),
        }
        self.write(None)

    def oom_kills(self) -> int | None:
        """Return how many processes the system ended for want of memory since ``begin``."""
        before, now = self.document.get("_oom_kills"), memory.oom_kills()
        return None if before is None or now is None else now - before

    def write(self, meter: Meter | None) -> None:
        """Write how it stands.

        Raises:
            OSError: It cannot be written; the file before is untouched.
        """
        self.document["at"] = _now()
        self.document["last_lines"] = list(self.lines.last)
        self.document["lines"] = self.lines.count
        self.document["memory"] = self._memory(meter)
        shown = {name: value for name, value in self.document.items() if name[0] != "_"}
        write_whole(self.order.file, shown)

    def _memory(self, meter: Meter | None) -> dict[str, Any]:
        return {
            "peak_bytes": meter.peak_bytes if meter else None,
            "limit_bytes": self.order.memory_limit_bytes,
            "looks": meter.looks if meter else 0,
            "method": memory.METHOD,
            "host_total_bytes": memory.total_bytes(),
            "host_available_min_bytes": meter.available_min_bytes if meter else None,
            "oom_kills": self.oom_kills(),
        }

    def end(self, status: int | None, meter: Meter | None, how: Verdict, seconds: float) -> None:
        """Write how it ended.

        Raises:
            OSError: It cannot be written; what is there says that it runs.
        """
        found = exception_in(list(self.lines.last)) if how.outcome != "succeeded" else None
        self.document |= {
            "outcome": how.outcome,
            "sentence": how.sentence,
            "hint": how.hint,
            "exit_code": status if status is not None and status >= 0 else None,
            "signal": signal_name(status) if status is not None else None,
            "exception": None if found is None else {"name": found[0], "text": found[1]},
            "ended_at": _now(),
            "seconds": round(seconds, 3),
            "revisions_after": facts.revisions(self.order.folder),
            "disk_after": facts.disk(self.order.folder),
        }
        self.write(meter)


def runs_in(path: Path) -> list[dict[str, Any]]:
    """Return the runs that the client noted in the run file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    found = []
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:  # cut off: whoever wrote it was killed
            continue
        if isinstance(said, dict) and isinstance(said.get("run_id"), str):
            found.append(said)
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
