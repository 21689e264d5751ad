"""What is asked about a deployment that got worse, and what is answered. Times: s since 1970."""

from dataclasses import dataclass
from typing import Literal, get_args

Symptom = Literal["slow", "errors", "data", "prediction", "quality", "accuracy"]
"""What got worse: its latency, its errors, or what a family of verdicts is about."""
SYMPTOMS: tuple[Symptom, ...] = get_args(Symptom)

Standing = Literal["worse", "steady", "unknown"]
"""``unknown``: too little is known to tell whether it got worse."""

Kind = Literal[
    "restart", "data_revision", "code", "version", "lost", "clients", "requests", "batch",
    "payload", "feature", "labels", "relation", "low_power", "thermal", "memory", "contention",
    "clock", "backend", "replicas", "load",
]  # fmt: skip
KINDS: dict[Kind, str] = {
    "restart": "model servers that began anew",
    "data_revision": "training on another data revision",
    "code": "other code or packages in training",
    "version": "another version",
    "lost": "columns that are lost or of another kind",
    "clients": "who asks",
    "requests": "kinds of requests",
    "batch": "rows a request",
    "payload": "size of the rows",
    "feature": "inputs that moved",
    "labels": "labels the model never answers",
    "relation": "another truth for the same inputs",
    "low_power": "Low Power Mode",
    "thermal": "throttling by heat",
    "memory": "memory pressure and swap",
    "contention": "others on the machine",
    "clock": "the clock of the GPU",
    "backend": "another machine or backend",
    "replicas": "number of model servers",
    "load": "load",
}
"""What is looked for, in the order in which causes of the same weight are told."""


@dataclass(frozen=True, slots=True)
class Course:
    """A value a step of time; None: nothing is known of that step."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """What a cause is drawn from: a circumstance over time, then beside now by its parts."""

    title: str
    unit: str = ""
    """Of ``courses``."""
    begins: tuple[float, ...] = ()
    """Of the steps, in seconds since 1970; (): no rows of that time are at hand."""
    step_s: float = 0.0
    courses: tuple[Course, ...] = ()
    outcome: str = ""
    """What got worse; empty: not known row by row."""
    outcome_unit: str = ""
    outcome_course: tuple[float | None, ...] = ()
    labels: tuple[str, ...] = ()
    """Parts of the circumstance: a version, a thermal level, a stretch of values."""
    of: str = ""
    """What ``then`` and ``now`` count."""
    then: tuple[float, ...] = ()
    now: tuple[float, ...] = ()
    then_outcome: tuple[float | None, ...] = ()
    """How it came out with each label, in ``outcome_unit``; None: of too few rows."""
    now_outcome: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause, with what speaks for it."""

    kind: Kind
    title: str
    said: str
    """How its weight was found."""
    weight: float
    """Share of the change that it explains, 0–1; all causes together explain at most 1."""
    measured: bool
    """Whether requests with and without it were compared at the same time. Else it changed when
    the trouble began, and nothing tells it apart from what changed with it."""
    evidence: tuple[str, ...]
    """Then and now on the same measure, with how many requests."""
    suggestion: str
    link: str
    """The page of the dashboard with its chart, from its root on."""
    page: str = ""
    """The page of what is to blame, where something can be done about it."""
    column: str = ""
    """The column that it is about, of causes of kinds that are told column by column."""
    chart: Chart | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Requests of one of the two sides that are compared."""

    since: float
    until: float
    requests: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one thing about a deployment got worse."""

    project: str
    model: str
    symptom: Symptom
    state: Standing
    onset: float | None
    """Since when; None: it did not get worse, or that cannot be told."""
    said: str
    """What changed, by how much."""
    causes: tuple[Cause, ...]
    """What explains most first."""
    unknown: tuple[str, ...]
    """What could not be looked at, and why."""
    clear: tuple[Kind, ...]
    """What was looked at and explains nothing."""
    then: Stretch | None = None
    """None: evaluation data."""
    now: Stretch | None = None

    @property
    def none_found(self) -> str:
        """Say that there is no cause, what was looked at and what could not be; empty: there is."""
        if self.causes:
            return ""
        if self.state != "worse":
            return " ".join((f"None can be told. {self.said}", *self.unknown))
        count = len(self.clear)
        looked = f": {', '.join(KINDS[one] for one in self.clear)}" if count else ""
        said = f"None was found of {count} thing{'' if count == 1 else 's'} looked at{looked}."
        if not self.unknown:
            return said
        return f"{said} Could not be looked at: {' '.join(self.unknown)}"

    @property
    def first(self) -> Cause | None:
        """Return what explains most."""
        return self.causes[0] if self.causes else None
