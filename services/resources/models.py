"""What a machine offers to jobs, what a job needs, and what it holds. Times: seconds since 1970."""

from dataclasses import dataclass
from typing import Literal

GIB = 1024**3
Kind = Literal["training", "serving"]
Short = Literal["memory", "slots", "power", "others", "absent"]
"""What there is too little of. ``others``: programs without a lease have the memory; ``absent``:
the machine that would do is silent."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one machine offers to all jobs together."""

    host: str
    memory_bytes: int | None
    """The budget of training and serving: what the machine has less what is kept for the system and
    the platform. None: nobody knows, and so nothing can be promised."""
    gpu_slots: int = 1
    """Heavy jobs at a time. Of a machine without a GPU a slot stands for its CPU."""
    power_w: float | None = None
    """Watts for all jobs; None: not limited."""
    total_bytes: int | None = None
    available_bytes: int | None = None
    """What was really free when it was last looked at; None: not known."""
    chip: str | None = None
    gpu_cores: int | None = None
    said: str = ""
    """Where the budget comes from."""
    given: str = ""
    """What an administrator said of it, as a sentence; empty: it offers what was measured."""
    absent: str = ""
    """Why it takes no job now, e.g. that it is silent; empty when it does."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What one job takes while it runs."""

    memory_bytes: int
    gpu_slots: int = 1
    power_w: float | None = None
    """Watts; None: never measured, and not held against a budget of power."""
    said: str = ""
    """What the memory figure rests on, e.g. ``the most of its last 5 runs and 20 %``."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that a lease ends with: a pid alone may be another process tomorrow."""

    host: str
    """As ``socket.gethostname`` says it: where the pid means something."""
    pid: int
    created: float
    start: str = ""
    """As in ``services.process_identity``."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What one job holds of one machine."""

    id: str
    """Of its holder: ``task:DAG/RUN/TASK/TRY`` or ``deployment:NAME``; asked twice it is one."""
    kind: Kind
    host: str
    project: str
    needs: Needs
    granted_at: float
    renewed_at: float
    owner: Owner | None = None
    """None: it is held until it is given back, whatever process serves it (a deployment)."""
    used_bytes: int | None = None
    """What its processes had when last looked at; None: not known."""

    @property
    def title(self) -> str:
        """Return the holder as a person reads it."""
        name = self.id.partition(":")[2] or self.id
        return f"{'the endpoint' if self.kind == 'serving' else 'the job'} {name}"


@dataclass(frozen=True, slots=True)
class Fits:
    """A job can start now."""

    host: str
    said: str


@dataclass(frozen=True, slots=True)
class Waits:
    """A job fits once others give something back."""

    host: str
    """The machine where the least is missing."""
    short: Short
    missing: float
    """How much: bytes, slots or watts."""
    holders: tuple[str, ...]
    """Ids of the leases that have it."""
    said: str


@dataclass(frozen=True, slots=True)
class Never:
    """A job fits no machine, however long it waits."""

    short: Short | Literal["host"]
    missing: float
    """By how much on the machine where the least is missing; 0 where it is no amount."""
    said: str


Admission = Fits | Waits | Never


def gib(count: float) -> str:
    """Return bytes as memory is sold: 36 GB of a Mac are 36 × 1024³ bytes."""
    return f"{count / GIB:.1f} GB" if abs(count) >= 0.95 * GIB else f"{count / 1024**2:.0f} MB"
