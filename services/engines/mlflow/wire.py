"""What MLflow's REST API says (3.17), only the fields we read."""

import math
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from services.engines.mlflow.models import (
    ArtifactEntry,
    Experiment,
    Metric,
    Model,
    Point,
    RunBatch,
    Status,
    TrackedRun,
    Version,
)

_STATUS: dict[str, Status] = {
    "RUNNING": "running",
    "FINISHED": "finished",
    "FAILED": "failed",
    "KILLED": "killed",
    "SCHEDULED": "scheduled",
}
# MLflow's SQL stores cannot hold infinities and put the largest double in their place.
_LARGEST = 1.7976931348623157e308


def _number(value: object) -> object:
    """Read protobuf's JSON numbers: NaN and infinities come as words."""
    number = float(value) if isinstance(value, (str, int, float)) else value
    if isinstance(number, float) and abs(number) >= _LARGEST:
        return math.copysign(math.inf, number)
    return number


Number = Annotated[float, BeforeValidator(_number)]

# A client may log any number as the time; a date knows the years 1 to 9999, in every time zone.
_DAY_MS = 86_400_000
_FIRST_MS, _LAST_MS = -62_135_596_800_000 + _DAY_MS, 253_402_300_799_999 - _DAY_MS


def _dated(ms: int) -> int:
    return min(max(ms, _FIRST_MS), _LAST_MS)


Time = Annotated[int, AfterValidator(_dated)]
"""Milliseconds since 1970; what no date can hold is the nearest one that can be."""


class Wire(BaseModel):
    """Unknown fields are the engine's business."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class MetricWire(Wire):
    """A metric's last value, or a point of its history."""

    key: str
    value: Number = math.nan
    step: int = 0
    timestamp: Time = 0


class Pair(Wire):
    """A parameter or a tag."""

    key: str
    value: str = ""


class InfoWire(Wire):
    """The fixed fields of a run."""

    run_id: str
    experiment_id: str
    run_name: str = ""
    status: str = "RUNNING"
    user_id: str = ""
    start_time: Time | None = None
    end_time: Time | None = None
    lifecycle_stage: str = "active"
    artifact_uri: str | None = None


class DataWire(Wire):
    """What a run logged."""

    metrics: list[MetricWire] = []
    params: list[Pair] = []
    tags: list[Pair] = []


class RunWire(Wire):
    """A run."""

    info: InfoWire
    data: DataWire = DataWire()

    def to_model(self) -> TrackedRun:
        """Return the run in our words."""
        info, data = self.info, self.data
        return TrackedRun(
            run_id=info.run_id,
            experiment_id=info.experiment_id,
            name=info.run_name,
            status=_STATUS.get(info.status, "running"),
            user=info.user_id or None,
            started_ms=info.start_time or None,
            ended_ms=info.end_time or None,
            deleted=info.lifecycle_stage == "deleted",
            artifact_uri=info.artifact_uri,
            metrics={m.key: Metric(m.value, m.step, m.timestamp) for m in data.metrics},
            params={pair.key: pair.value for pair in data.params},
            tags={pair.key: pair.value for pair in data.tags},
        )


class RunsWire(Wire):
    """``runs/search``."""

    runs: list[RunWire] = []
    next_page_token: str = ""

    def to_model(self) -> RunBatch:
        """Return the page in our words."""
        return RunBatch(tuple(run.to_model() for run in self.runs), self.next_page_token or None)


class OneRunWire(Wire):
    """``runs/get``."""

    run: RunWire


class HistoryWire(Wire):
    """``metrics/get-history``."""

    metrics: list[MetricWire] = []
    next_page_token: str = ""

    def to_points(self) -> tuple[Point, ...]:
        """Return the points as logged."""
        return tuple(Point(m.value, m.step, m.timestamp) for m in self.metrics)


class ExperimentWire(Wire):
    """One experiment."""

    experiment_id: str
    name: str


class ExperimentsWire(Wire):
    """``experiments/search``."""

    experiments: list[ExperimentWire] = []
    next_page_token: str = ""

    def to_models(self) -> tuple[Experiment, ...]:
        """Return the experiments in our words."""
        return tuple(Experiment(e.experiment_id, e.name) for e in self.experiments)


class CreatedExperimentWire(Wire):
    """``experiments/create``."""

    experiment_id: str


class OneExperimentWire(Wire):
    """``experiments/get-by-name``."""

    experiment: ExperimentWire


class WorkspaceWire(Wire):
    """One workspace."""

    name: str


class WorkspacesWire(Wire):
    """``workspaces``."""

    workspaces: list[WorkspaceWire] = []


class VersionWire(Wire):
    """One registered version."""

    name: str
    version: int
    creation_timestamp: Time = 0
    run_id: str = ""
    status: str = "READY"
    description: str = ""
    source: str = ""
    tags: list[Pair] = []

    def to_model(self) -> Version:
        """Return the version in our words."""
        return Version(
            model=self.name,
            version=self.version,
            run_id=self.run_id or None,
            created_ms=self.creation_timestamp,
            status=self.status,
            description=self.description,
            source=self.source,
            tags={pair.key: pair.value for pair in self.tags},
        )


class VersionsWire(Wire):
    """``model-versions/search``."""

    model_versions: list[VersionWire] = []
    next_page_token: str = ""


class OneVersionWire(Wire):
    """``model-versions/get`` and ``registered-models/alias``."""

    model_version: VersionWire


class AliasWire(Wire):
    """An alias of a model."""

    alias: str
    version: int


class ModelWire(Wire):
    """One registered model."""

    name: str
    description: str = ""
    creation_timestamp: Time = 0
    last_updated_timestamp: Time = 0
    aliases: list[AliasWire] = []
    tags: list[Pair] = []

    def to_model(self) -> Model:
        """Return the model in our words."""
        return Model(
            name=self.name,
            description=self.description,
            created_ms=self.creation_timestamp,
            updated_ms=self.last_updated_timestamp,
            aliases={entry.alias: entry.version for entry in self.aliases},
            tags={pair.key: pair.value for pair in self.tags},
        )


class ModelsWire(Wire):
    """``registered-models/search``."""

    registered_models: list[ModelWire] = []
    next_page_token: str = ""


class FileWire(Wire):
    """One entry of an artifact listing."""

    path: str
    is_dir: bool = False
    file_size: int | None = None


class FilesWire(Wire):
    """``artifacts/list``."""

    files: list[FileWire] = []

    def to_models(self) -> tuple[ArtifactEntry, ...]:
        """Return the listing in our words; a folder has no size."""
        return tuple(
            ArtifactEntry(f.path, f.is_dir, None if f.is_dir else f.file_size) for f in self.files
        )


class LocationWire(Wire):
    """``model-versions/get-download-uri``."""

    artifact_uri: str
