"""All that a search for causes looks at: requests of before and of now, and what is known beside.

Whatever is not known is NaN, empty or None; it is never taken for fine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from services.causes.models import Symptom
from services.monitoring.models import ColumnVerdict

Numbers = NDArray[np.float64]
Texts = NDArray[np.object_]
Places = NDArray[np.int64]
OWN = "own"

_RATE_S = 10.0
_AROUND_S = (30.0, 60.0)
"""So long before a model server was seen to have ended requests may have failed by it, and so long
after it others wait for the next one."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What each row was answered under; the same place in each is the same row."""

    at: Numbers
    """Seconds since 1970."""
    version: Texts
    api: Texts
    key: Texts
    backend: Texts
    host: Texts
    error: Texts
    rows: Numbers
    """Of its request."""
    row_bytes: Numbers
    """Length of the inputs as JSON, a row."""
    rate: Numbers
    """Requests a second to the endpoint, in the ten seconds around."""
    thermal: Numbers
    """0 nominal to 4."""
    pressure: Numbers
    """Of memory: 1 normal to 4."""
    low_power: Numbers
    """0 or 1."""
    restart: Numbers
    """1: near the moment at which a model server ended or began anew, else 0."""
    swap: Numbers
    """Bytes a second read back from swap."""
    clock: Numbers
    """Of the GPU, MHz."""
    others: Numbers
    """How much others use the machine: 0 hardly, 1 some, 2 much, 3 most of its CPU or GPU."""
    replicas: Numbers
    """Model servers of the endpoint."""

    def __len__(self) -> int:
        return len(self.at)

    def take(self, places: Places) -> "Rows":
        """Return some of them, in the order of ``places``."""
        return Rows(**{one.name: getattr(self, one.name)[places] for one in fields(self)})

    def with_machine(self, known: Mapping[str, Numbers]) -> "Rows":
        """Return them with what telemetry tells of their machine, by the names of the fields."""
        told: Mapping[str, Any] = known
        return replace(self, **told)

    @classmethod
    def of(cls, told: Mapping[str, Any], restarts: tuple[float, ...] = ()) -> Self:
        """Return requests by columns; those that are left out are not known.

        Args:
            told: By the names of the fields, a value a row; ``at`` is among them.
            restarts: When model servers ended or began anew.
        """
        at = np.asarray(told["at"], dtype=float)
        count = len(at)
        made: dict[str, Any] = {"at": at}
        for name in ("version", "api", "key", "backend", "host", "error"):
            made[name] = np.array(list(told.get(name, [None] * count)), dtype=object)
        for one in fields(cls):
            if one.name not in made:
                made[one.name] = np.asarray(told.get(one.name, np.full(count, np.nan)), dtype=float)
        if "rate" not in told:
            made["rate"] = _rates(at)
        made["restart"] = _near(at, restarts)
        return cls(**made)


def _rates(at: Numbers) -> Numbers:
    bins, codes = np.unique(np.floor(at / _RATE_S), return_inverse=True)
    return np.bincount(codes, minlength=len(bins))[codes] / _RATE_S if len(at) else at


def _near(at: Numbers, moments: tuple[float, ...]) -> Numbers:
    before, after = _AROUND_S
    near = np.zeros(len(at), dtype=bool)
    for moment in moments:
        near |= (at >= moment - before) & (at < moment + after)
    return near.astype(float)


@dataclass(frozen=True, slots=True)
class Side:
    """Rows of before or of now, and how they came out."""

    since: float
    until: float
    rows: Rows
    values: Mapping[str, Numbers] = field(default_factory=dict)
    """Parts that add up: ``queue`` and ``work`` of latency (ms), else ``whole``: 1 for a failed
    request, a wrong answer or a value that is where few were before, an absolute error."""
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Of inputs and outputs: figures or texts a row."""

    @property
    def whole(self) -> Numbers:
        """Return the sum of the parts a row."""
        return np.sum(list(self.values.values()), axis=0) if self.values else np.zeros(0)


@dataclass(frozen=True, slots=True)
class Training:
    """What a version was made of; empty: not known."""

    version: int
    data_revision: str = ""
    commit: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    technique: str = ""


@dataclass(frozen=True, slots=True)
class Other:
    """Who else used the machine."""

    owner: str
    """See ``ProcessUse.owner``."""
    project: str
    then: float
    """Share of the busier of CPU and GPU that it had, 0–1."""
    now: float


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose memory on the machine grew."""

    owner: str
    """See ``ProcessUse.owner``; ``OWN``: the endpoint's own model servers."""
    project: str
    then_bytes: float
    """On average of the minutes in which requests came."""
    now_bytes: float

    @property
    def grown_bytes(self) -> float:
        """Return by how much."""
        return self.now_bytes - self.then_bytes


@dataclass(frozen=True, slots=True)
class Case:
    """One question."""

    project: str
    model: str
    symptom: Symptom
    onset: float
    then: Side
    now: Side
    metric: str = ""
    """What ``values`` are of drift and accuracy, in words."""
    worse: bool | None = None
    """Whether it is settled that it got worse: by a verdict. None: the values tell."""
    trainings: Mapping[int, Training] = field(default_factory=dict)
    moved: tuple[ColumnVerdict, ...] = ()
    """Inputs of the newest verdicts on data and quality, those that did not move too."""
    verdict: str = ""
    """Id of the verdict that they are of."""
    others: tuple[Other, ...] = ()
    own: tuple[float, float] | None = None
    """Share of the busier of CPU and GPU that its own model servers had, then and now."""
    holders: tuple[Holder, ...] = ()
    """Who holds more memory than before, the one that grew most first."""
    restarts: tuple[str, ...] = ()
    """What is said of model servers that ended, the newest first."""
    host: str = ""
    unknown: tuple[str, ...] = ()
    """What could not be read, and why."""
    compared: str = ""
    """Which rows are compared, where these are not simply the newest: a sentence."""
    searched: str = ""
    """How far back its begin was looked for: a sentence; empty: it was not."""
    reference: str = ""
    """Where ``then`` is evaluation data: which, in words. When, by whom and of which version it
    was asked is not known."""

    @property
    def name(self) -> str:
        """Return the name of the endpoint."""
        return f"{self.project}.{self.model}"
