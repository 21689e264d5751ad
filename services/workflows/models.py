"""What waits, what runs and under which policy. Times: seconds since 1970; lengths: seconds."""

import math
from dataclasses import dataclass, field
from typing import Literal

from services.errors import InputError
from services.resources.models import Needs
from services.workflows.routing import ANYWHERE, Requirement


@dataclass(frozen=True, slots=True)
class Share:
    """What one project may take of the machines."""

    project: str
    weight: float = 1.0
    """Of two projects that both want more, the one with twice the weight gets twice as much."""
    priority: int = 5
    """1 to 10: who goes first among projects that had their share; see ``fair``."""
    quota_hours: float | None = None
    """Hours of one heavy slot in ``quota_window_s``; None: no quota."""

    def __post_init__(self) -> None:
        """Refuse figures that no order can follow from.

        Raises:
            InputError: The message names the figure.
        """
        if not 0 < self.weight < math.inf:
            raise InputError(f"The weight of {self.project} is {self.weight:g}; it is above 0.")
        if not 1 <= self.priority <= 10:
            raise InputError(
                f"The priority of {self.project} is {self.priority}; it is 1 to 10, higher first."
            )
        if self.quota_hours is not None and not 0 <= self.quota_hours < math.inf:
            raise InputError(
                f"The quota of {self.project} is {self.quota_hours:g} h; it is 0 or more."
            )


Blocked = Literal["dependency", "paused", "engine"]
"""What holds a job before anybody asks about its turn."""


@dataclass(frozen=True, slots=True)
class Job:
    """One task that waits for its turn."""

    id: str
    """``DAG/RUN/TASK``."""
    project: str
    submitted: float
    needs: Needs
    what: str = ""
    """As a person reads it, e.g. ``LoRA fine-tuning: train``."""
    priority: int = 5
    """1 to 10, of this job among those of its project."""
    expected_s: float | None = None
    """Median of earlier ones; None: none ended yet."""
    late_s: float | None = None
    """Nine of ten earlier ones took no longer."""
    cost: float = 1.0
    """Slots' worth of all machines; see ``services.resources.ledger.cost``."""
    requires: Requirement = field(default=ANYWHERE)
    machines: frozenset[str] | None = None
    """Those on which its project's folder is; None: all. See ``routes.hosts_with``."""
    blocked: Blocked | None = None
    blocked_by: str = ""
    """What does, as a phrase: ``the task pull``, ``an operator``, ``Airflow does not answer``."""
    no_estimate: str = ""
    """Why ``expected_s`` is None."""


@dataclass(frozen=True, slots=True)
class Use:
    """What one job took, or takes: the facts that shares are counted from."""

    project: str
    begin: float
    end: float | None
    """None: it still runs."""
    cost: float = 1.0
    """Slots' worth of all machines; see ``services.resources.ledger.cost``."""
    job: str = ""
    expected_s: float | None = None
    """Of one that runs: how long it takes in all, by earlier ones."""
    late_s: float | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """What an operator said of a waiting job: data that a journalled action writes."""

    job: str
    move: Literal["front", "back"] | None = None
    priority: int | None = None
    by: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Rules:
    """The figures of the policy. All are ours: none is published for a team of this size."""

    half_life_s: float = 24 * 3600.0
    """Use counts half after a day, a quarter after two."""
    head_start_s: float = 600.0
    """Slot-seconds by which a level of priority puts a project ahead: bounded, so that priority
    says who goes first and weight says how much."""
    ageing_s: float = 3600.0
    """Within a project a level of priority is worth an hour of waiting: nothing waits for ever."""
    quota_window_s: float = 7 * 86400.0
    unknown_s: float = 1800.0
    """What a job is charged beforehand that nobody knows the length of."""
