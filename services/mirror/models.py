"""What the mirror answers: frozen values, aware UTC times, seconds and bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

RunStatus = Literal["running", "finished", "failed", "killed", "scheduled", "lost"]
"""``lost``: the engine says running, but neither heartbeat, process nor metrics say so."""

ProjectState = Literal["connected", "connecting", "broken", "missing"]
EngineState = Literal["live", "stale", "down", "never"]
FieldKind = Literal["number", "text", "time", "choice"]


@dataclass(frozen=True, slots=True)
class Run:
    """One run, with the metrics, parameters and tags that were asked for."""

    run_id: str
    project: str
    experiment_id: str
    name: str
    status: RunStatus
    status_reason: str
    """Why a run is shown as lost; empty otherwise."""
    technique: str | None
    baseline: bool
    started_at: datetime | None
    ended_at: datetime | None
    user: str | None
    host: str | None
    archived: bool
    metrics: Mapping[str, float]
    """Last value of each metric; NaN and infinities are kept as they were logged."""
    params: Mapping[str, str]
    tags: Mapping[str, str]

    @property
    def duration_s(self) -> float | None:
        """Return the wall time of an ended run, None while it lasts or when unknown."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class RunQuery:
    """One page of runs. ``filter`` is the text query; see ``services.mirror.filters``."""

    filter: str = ""
    project: str | None = None
    projects: tuple[str, ...] | None = None
    """Projects the asker may see; None is all."""
    since: datetime | None = None
    """Started at or after; runs that still run are always in."""
    sort: str = "started_at"
    """A field: started_at, duration_s, name, status, metrics.NAME, params.NAME, tags.NAME …

    Or ``main_metric``: each project's primary metric, project by project, descending best first.
    """
    descending: bool = True
    offset: int = 0
    limit: int = 50
    archived: bool = False
    columns: tuple[str, ...] = ()
    """Fields to bring along, e.g. ``metrics.val_accuracy``, ``params.rank``."""


@dataclass(frozen=True, slots=True)
class RunPage:
    """Rows of one page, the number of all matching runs, and when the mirror last synced."""

    total: int
    rows: tuple[Run, ...]
    as_of: datetime | None
    change: int


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """The last value of a metric, its step and its time."""

    value: float
    step: int
    at: datetime | None


@dataclass(frozen=True, slots=True)
class RunDetail:
    """Everything the mirror knows of one run."""

    run: Run
    points: Mapping[str, MetricPoint]
    artifact_uri: str | None
    versions: tuple[str, ...]
    """Registered versions made from this run, as ``model:version``."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One metric of one run over its steps, thinned to the extremes of equal buckets."""

    run_id: str
    key: str
    steps: tuple[int, ...]
    values: tuple[float, ...]
    times: tuple[datetime, ...]
    points_total: int
    """Points the engine holds; more than ``len(steps)`` when thinned."""
    unfinite: int
    """How many of them are NaN or infinite: gaps a reader must be told of."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file or folder a run left; ``size_bytes`` is None for folders."""

    path: str
    is_folder: bool
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A field a filter, sort or column may name, for builders and choosers."""

    name: str
    kind: FieldKind
    runs: int
    """Runs that have it."""
    choices: tuple[str, ...] = ()
    """Values of a field with few of them."""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One registered version."""

    project: str
    name: str
    version: int
    aliases: tuple[str, ...]
    run_id: str | None
    created_at: datetime
    status: str
    format: str | None
    technique: str | None
    data_revision: str | None
    git_commit: str | None
    description: str
    metrics: Mapping[str, float]
    """Final metrics of the run it came from."""
    tags: Mapping[str, str]
    archived: bool = False


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A model of one project with all its versions, newest first."""

    project: str
    name: str
    description: str
    versions: tuple[ModelVersion, ...]
    tags: Mapping[str, str] = field(default_factory=dict)

    def with_alias(self, alias: str) -> ModelVersion | None:
        """Return the version that carries the alias now."""
        return next((v for v in self.versions if alias in v.aliases), None)


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the change feed."""

    number: int
    at: datetime
    kind: str
    """run.started run.finished run.failed run.lost run.archived model.registered alias.set
    alias.removed project.connected project.broken project.missing engine.live engine.down"""
    project: str | None
    subject: str
    """What changed: a run id, ``model:version``, ``model@alias``, a project or engine name."""
    title: str
    """The line as a person reads it."""
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Best:
    """The best finished run of a project by its primary metric, against the one before."""

    metric: str
    goal: Literal["max", "min"]
    value: float
    run_id: str
    technique: str | None
    previous: float | None
    """Best value among runs that started before the best one; None when it was the first."""
    baseline: float | None
    """Best value among baseline runs; None when there are none."""


@dataclass(frozen=True, slots=True)
class ProjectSummary:
    """A project as the overview and the projects page show it."""

    id: str
    title: str
    kind: str
    priority: int
    path: str
    state: ProjectState
    reasons: tuple[str, ...]
    """Why it is not connected, or what its conformance lacks."""
    conformance: float | None
    """Share of the checks that hold, 0–1; None when it could not be read."""
    checks: tuple[tuple[str, bool, str], ...]
    """Each check: what, whether it holds, how to mend it."""
    primary_metric: str | None
    goal: Literal["max", "min"]
    gates: Mapping[str, str]
    runs: int
    running: int
    failed: int
    lost: int
    models: int
    versions: int
    champion: ModelVersion | None
    last_run_at: datetime | None
    best: Best | None
    trend: tuple[float, ...]
    """Primary metric of the last finished runs, oldest first."""


@dataclass(frozen=True, slots=True)
class TechniqueRow:
    """One line of the leaderboard: repeats of a technique as mean and 95 % interval."""

    project: str
    technique: str
    baseline: bool
    metric: str
    runs: int
    """Repeats with a finite value: what mean, interval and best are made of."""
    unfinite: int
    """Repeats that logged NaN or an infinity: in no mean, and a reader must be told of them."""
    mean: float
    """NaN when no repeat has a finite value."""
    low: float | None
    """Bounds of Student's t interval of the mean; None with fewer than two repeats."""
    high: float | None
    best: float
    """NaN when no repeat has a finite value."""
    best_run_id: str
    """The newest repeat when none has a finite value."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old the mirror's picture of one engine is."""

    engine: str
    title: str
    state: EngineState
    since: datetime | None
    last_sync: datetime | None
    reason: str
    hint: str
