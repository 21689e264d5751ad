"""What the task asks of the process that watches its command: one line of JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlops_workflows.place import Place

GRACE_S = 20.0
CANCEL = b"cancel\n"


@dataclass(frozen=True, slots=True)
class Order:
    """One command to run and to tell about."""

    place: Place
    evidence: Path
    """The folder under which the file of this try is written."""
    command: tuple[str, ...]
    folder: Path
    """Where it runs."""
    project: str = ""
    env_file: Path | None = None
    """The project's endpoints; their tokens go to the process alone."""
    environment: Path | None = None
    """The virtual environment of the command; None: as it is called."""
    variables: Mapping[str, str] = field(default_factory=dict)
    inherited: tuple[str, ...] = ()
    """Beginnings of further variables the command gets from the task's own environment."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float | None = None
    grace_s: float = GRACE_S
    memory_limit_bytes: int | None = None
    """Above it the command is ended; None: it may take what the machine has."""
    data: tuple[str, ...] = ()
    """The project's data paths, to tell a missing file of data from another."""
    told: Path | None = None
    """The controller's file; it says when to pause. None: it never pauses."""
    answers: bool = False
    """The command writes a JSON answer to the file that ``MLOPS_ANSWER`` names."""

    def line(self) -> bytes:
        """Return it as one line."""
        return json.dumps(asdict(self), default=str).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> "Order":
        """Return the order of a line."""
        said = json.loads(line)
        for name in ("evidence", "folder"):
            said[name] = Path(said[name])
        for name in ("env_file", "environment", "told"):
            said[name] = said[name] and Path(said[name])
        for name in ("command", "inherited", "data"):
            said[name] = tuple(said[name])
        return cls(**said | {"place": Place(**said["place"])})

    @property
    def file(self) -> Path:
        """Return the file of evidence."""
        return self.place.file(self.evidence)
