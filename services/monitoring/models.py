"""What monitoring found: plain values, the same in files, in the store and on pages.

Times: seconds since 1970. None: not measured, or not known.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

from services.monitoring.limits import THRESHOLD

Severity = Literal["none", "low", "medium", "high"]
State = Literal["steady", "drifted", "too few", "missing", "new", "constant", "empty", "failed"]
"""Of a column. ``too few``: a large shift would not be seen in so few rows; ``failed``: it cannot
be compared, the sentence says why."""
Role = Literal["input", "output"]
Kind = Literal["numeric", "category", "text", "embedding", "vector", "picture"]
"""``embedding``: a figure of a vector, as an element; ``vector``, ``picture``: a whole one."""
Family = Literal["data", "prediction", "quality", "accuracy"]
"""``data``: inputs; ``prediction``: outputs; ``quality``: empty, missing, new, of another type."""
VerdictState = Literal["steady", "drifted", "too few", "unknown"]


@dataclass(frozen=True, slots=True)
class Baseline:
    """Which reference is wanted."""

    kind: Literal["auto", "evaluation", "first", "window", "season"] = "auto"
    """``auto``: the evaluation data, or the first predictions where there is none."""
    since: float | None = None
    """Of ``window``."""
    until: float | None = None
    weeks: int = 4
    """Of ``season``: how many weeks back."""
    zone: str = "UTC"
    """Of ``season``: in which time zone the hours are the same, as ``Europe/Berlin``."""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """Return what ``as_json`` wrote."""
        return cls(**{name: said[name] for name in cls.__dataclass_fields__ if name in said})


@dataclass(frozen=True, slots=True)
class Settings:
    """How strictly a deployment is judged. The defaults are those where nobody said anything."""

    ignored: tuple[str, ...] = ()
    """Inputs that are not compared, as ``input.NAME``: beside those that training said are none."""
    threshold: float = THRESHOLD
    """From which effect on a significant shift of a column counts, in the unit of its measure."""
    alarms_a_day: float = 0.01
    """False alarms of a deployment in a day, at most, of undrifted data."""

    def as_json(self) -> dict[str, Any]:
        """Return them as plain values."""
        return {**asdict(self), "ignored": list(self.ignored)}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """Return what ``as_json`` wrote; unknown keys are of a later version and left out."""
        known = {name: said[name] for name in cls.__dataclass_fields__ if name in said}
        return cls(**{**known, "ignored": tuple(known.get("ignored", ()))})


@dataclass(frozen=True, slots=True)
class Histogram:
    """How the values of a column are spread."""

    edges: tuple[float, ...]
    """Of figures: one more than shares; what lies outside is in the first and last bar."""
    labels: tuple[str, ...]
    """Of categories: one a share; empty for figures."""
    shares: tuple[float, ...]
    """0 to 1, of the rows that have a value."""


@dataclass(frozen=True, slots=True)
class ColumnVerdict:
    """One column, then and now."""

    name: str
    role: Role
    kind: Kind
    state: State
    effect: float | None
    """How far it moved, in the unit of ``measure``."""
    threshold: float | None
    """From which effect on a significant shift counts."""
    measure: str
    p_value: float | None
    """Corrected for the number of columns and of looks: 0 to 1."""
    n_reference: int
    n_current: int
    importance: float | None
    """Share of the model's answer that goes with this column, of all inputs' (sum 1)."""
    reference: Histogram | None
    current: Histogram | None
    said: str

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """Return what ``asdict`` made."""
        known = dict(said)
        for name in ("reference", "current"):
            known[name] = _histogram(known[name])
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Figure:
    """How right answers were, in a measure of ``services.monitoring.metrics``."""

    metric: str
    value: float
    low: float
    """Between this and ``high`` it lies with 95 %."""
    high: float
    rows: int
    expected: float | None
    """The same of the baseline; None: it has no labels of this kind."""
    bound: float | None
    """What is promised of it; None: nothing is."""
    since: float | None = None
    """Of the predictions whose labels it is of, in seconds since 1970; None: not noted."""
    until: float | None = None
    """As ``since``: labels of newer ones were still to come."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a window of predictions says beside its baseline."""

    id: str
    project: str
    model: str
    version: int
    kind: Family
    computed_at: float
    baseline: str
    """What it was compared with, in words."""
    since: float | None
    """Of the window's first prediction; None when there is none."""
    until: float | None
    rows: int
    columns: tuple[ColumnVerdict, ...]
    share: float | None
    """Of the columns that were compared, those that drifted: 0 to 1."""
    severity: Severity
    state: VerdictState
    said: str
    report: str | None = None
    """Of the kept HTML, below ``MLOPS_HOME/monitoring``."""
    held_to: Mapping[str, Any] = field(default_factory=dict)
    """By which ``Settings`` it was judged; what training left out is among ``ignored``. Empty: not
    noted."""
    figure: Figure | None = None
    """Of ``accuracy``; None while no label came."""

    def with_report(self, report: str | None) -> "Verdict":
        """Return it with where its full report is kept."""
        return replace(self, report=report)

    def as_json(self) -> dict[str, Any]:
        """Return it as the kept file holds it."""
        return {"v": 1, **asdict(self)}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """Return what ``as_json`` wrote; unknown keys are of a later version and left out."""
        known = {name: said[name] for name in cls.__dataclass_fields__ if name in said}
        known["columns"] = tuple(ColumnVerdict.from_json(one) for one in known["columns"])
        figure = known.get("figure")
        known["figure"] = None if figure is None else Figure(**figure)
        return cls(**known)

    def named(self, state: State) -> tuple[str, ...]:
        """Return the names of the columns in a state."""
        return tuple(column.name for column in self.columns if column.state == state)


def _histogram(said: Mapping[str, Any] | None) -> Histogram | None:
    if said is None:
        return None
    return Histogram(tuple(said["edges"]), tuple(said["labels"]), tuple(said["shares"]))


def is_moved(state: str) -> bool:
    """Return whether a column in this state is another than its reference."""
    return state in ("drifted", "missing", "new", "constant", "empty", "failed")
