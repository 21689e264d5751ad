"""What serving wants and what it has: plain values, the same in the journal, in files and on pages.

Times: seconds since 1970. An *endpoint* is one model of one project in service.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

InterfaceKind = Literal["rows", "classifier", "images", "embeddings", "text", "few-shot"]
Backend = Literal["mlx", "mps", "cuda", "cpu"]
Strategy = Literal["blue-green", "canary", "shadow"]
Privacy = Literal["full", "hash", "sample", "off"]
"""What the prediction log keeps of inputs and outputs; see ``services.predictions``."""

Phase = Literal[
    "waiting",  # for memory, or for its turn
    "loading",
    "warming",
    "checking",
    "canary",  # takes a share of the requests, or those that ask for it
    "shadow",  # is asked beside the live one, its answers are only compared
    "switching",
    "watching",  # takes all requests; goes back by itself when a guard speaks
    "live",
    "rolling-back",
    "rolled-back",
    "failed",
    "draining",
    "stopped",
    "idle",  # scaled to zero: the next request wakes it
]
EventKind = Literal[
    "deploy", "live", "canary", "shadow", "rolled-back", "failed", "scaled", "evicted", "woken",
    "idle", "restarted", "undeployed",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """One input or output column, as the Open Inference Protocol names types and shapes."""

    name: str
    datatype: str
    """BOOL, INT8…INT64, UINT8…UINT64, FP16, FP32, FP64, BYTES (text)."""
    shape: tuple[int, ...]
    """-1 is the number of rows and comes first."""
    optional: bool = False
    title: str = ""
    min: float | None = None
    max: float | None = None
    choices: tuple[str | int | float, ...] = ()
    image: bool = False
    """Whether a row of it is a picture: shape (-1, height, width[, channels]), or (-1, side²)."""
    side: int | None = None
    """Of a flat picture: its width and height."""
    example: Any = None
    """One row's value."""


@dataclass(frozen=True, slots=True)
class BundleInfo:
    """What model server and gateway must know of a version: ``serving.json`` of its bundle."""

    project: str
    model: str
    version: int
    interface: InterfaceKind
    format: str
    """safetensors, onnx, skops or booster."""
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    flavor: str = ""
    """mlx for safetensors; else as the format."""
    entry: str = ""
    """``module:function`` in the project: (weights, config) → predictor; mlx alone."""
    stream: str = ""
    """``module:function``: (weights, config) → generator of text; text alone."""
    torch_entry: str = ""
    """``module:function`` in the project: (NumPy weights, config, device) → predictor; torch."""
    batchable: bool = False
    """Whether rows of different requests may be asked together."""
    fixed_batches: tuple[int, ...] = ()
    """Numbers of rows for which the model is compiled; others are padded up to the next."""
    title: str = ""
    example: Mapping[str, Any] = field(default_factory=dict)
    """Columns of a request that must be answered: what the check before the switch asks."""
    weights_bytes: int = 0
    quantised_bits: int | None = None
    run_id: str | None = None
    data_revision: str | None = None
    git_commit: str | None = None
    technique: str | None = None
    preferred_backend: Backend | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as ``serving.json`` holds it."""
        return {"v": 1, **asdict(self)}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """Return what ``as_json`` wrote; unknown keys are of a later version and left out."""
        known = {name: said[name] for name in cls.__dataclass_fields__ if name in said}
        for name in ("inputs", "outputs"):
            known[name] = tuple(_field(one) for one in known.get(name, ()))
        known["fixed_batches"] = tuple(known.get("fixed_batches", ()))
        return cls(**known)


def _field(said: Mapping[str, Any]) -> Field:
    known = {name: said[name] for name in Field.__dataclass_fields__ if name in said}
    return Field(
        **{**known, "shape": tuple(known["shape"]), "choices": tuple(known.get("choices", ()))}
    )


# Desired


@dataclass(frozen=True, slots=True)
class Target:
    """One version that is to be served, and how."""

    version: int
    min_replicas: int = 1
    """0: it may be scaled to zero when nobody asks."""
    max_replicas: int = 1
    backend: Backend | None = None
    """None: chosen by the rule."""
    memory_bytes: int = 0
    """What one replica reserves: the planner's figure, or a person's."""
    memory_said: str = ""
    """What that figure rests on."""
    max_batch: int = 32
    alias: str = ""
    """Which alias it was asked for by, for people."""


@dataclass(frozen=True, slots=True)
class Guards:
    """What takes a new version back by itself while it is watched; None: not guarded."""

    max_error_share: float | None = 0.02
    """Of at least ``min_requests`` requests."""
    min_requests: int = 20
    max_latency_ratio: float | None = 3.0
    """p95 against the live version's p95 of the same stretch, or of before the switch."""
    min_latency_ms: float = 50.0
    """Below this p95 no ratio counts."""
    max_memory_ratio: float | None = 1.5
    """Peak memory against what it reserved."""
    max_thermal_level: int | None = 2
    """Of the machine: 0 nominal, 1 moderate, 2 heavy, 3 trapping, 4 sleeping. A level that was
    there before the rollout is not held against it."""
    max_drift: float | None = None
    """Share of the columns of its answers; see ``services.monitoring.shift``."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """A version on its way to be the live one."""

    target: Target
    strategy: Strategy = "blue-green"
    share: float = 0.0
    """Of the requests, 0 to 1: canary; the whole of it when it is promoted."""
    header: bool = False
    """Only requests that name the version reach it (canary by header)."""
    watch_s: float = 30.0
    guards: Guards = field(default_factory=Guards)
    action_id: int | None = None
    actor: str = ""
    promote: bool = False
    """A canary or shadow that was told to become the live version."""

    @property
    def key(self) -> tuple[int, int | None]:
        """Return what tells one rollout from another: its version, and whose action it is."""
        return self.target.version, self.action_id


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is wanted of one endpoint; this is the desired state that the engine follows."""

    project: str
    model: str
    live: Target | None = None
    """What answers; None until the first rollout is done."""
    rollout: Rollout | None = None
    pinned: bool = False
    """Never evicted to make room for others."""
    idle_after_s: float = 900.0
    """Without a request for so long it is scaled to ``min_replicas``."""
    deadline_ms: float = 30_000.0
    privacy: Privacy = "full"
    sample: float = 1.0
    """Share of predictions whose columns are kept where ``privacy`` is sample."""
    generation: int = 0
    changed_at: float = 0.0

    @property
    def name(self) -> str:
        """Return the name under which the gateway serves it."""
        return f"{self.project}.{self.model}"

    @property
    def first_target(self) -> Target | None:
        """Return what answers, else what is on its way."""
        return self.live or (self.rollout.target if self.rollout else None)

    def with_live(self, target: Target | None) -> "Endpoint":
        """Return it with the rollout done and this target live."""
        return replace(self, live=target, rollout=None)

    def as_json(self) -> dict[str, Any]:
        """Return it as the journal holds it."""
        said = asdict(self)
        for name in ("generation", "changed_at"):
            del said[name]  # columns of their own
        return said

    @classmethod
    def from_json(
        cls, said: Mapping[str, Any], generation: int = 0, changed_at: float = 0.0
    ) -> Self:
        """Return what ``as_json`` wrote."""
        known = {name: said[name] for name in cls.__dataclass_fields__ if name in said}
        known["live"] = _target(known.get("live"))
        rollout = known.get("rollout")
        known["rollout"] = _rollout(rollout) if rollout else None
        known["generation"], known["changed_at"] = generation, changed_at
        return cls(**known)


def _target(said: Mapping[str, Any] | None) -> Target | None:
    if said is None:
        return None
    return Target(**{name: said[name] for name in Target.__dataclass_fields__ if name in said})


def _rollout(said: Mapping[str, Any]) -> Rollout:
    known = {name: said[name] for name in Rollout.__dataclass_fields__ if name in said}
    guards = known.get("guards") or {}
    known["guards"] = Guards(
        **{name: guards[name] for name in Guards.__dataclass_fields__ if name in guards}
    )
    target = _target(known["target"])
    if target is None:
        raise TypeError("a rollout without a target")
    return Rollout(**{**known, "target": target})


# Observed


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """One model server."""

    id: str
    state: Literal["starting", "ready", "ending", "lost"]
    address: str = ""
    """``unix:/PATH`` or ``tcp:HOST:PORT``."""
    host: str = ""
    pid: int | None = None
    started_at: float | None = None
    memory_bytes: int | None = None
    """Resident now, of the model server; None: not known."""
    peak_bytes: int | None = None
    restarts: int = 0
    log: str = ""
    """File with what it prints."""


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """One version of an endpoint, loaded or on its way."""

    version: int
    phase: Phase
    said: str = ""
    """Why it is so, as a sentence."""
    backend: Backend | None = None
    backend_reason: str = ""
    share: float = 0.0
    """Of the requests that name no version."""
    reserved_bytes: int = 0
    """What one replica reserves."""
    replicas: tuple[ReplicaStatus, ...] = ()
    evicted: bool = False
    """Whether it gave its memory to others and waits for a request."""

    @property
    def ready(self) -> int:
        """Return how many replicas answer."""
        return sum(one.state == "ready" for one in self.replicas)


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """One step of a rollout, for people."""

    name: str
    """Load, Warm up, Check, Canary, Shadow, Switch, Watch."""
    state: Literal["waiting", "running", "done", "failed"]
    said: str = ""
    began_at: float | None = None
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Before:
    """How things were before a new version took requests: what guards hold it against."""

    total: int = 0
    """Requests it had answered."""
    errors: int = 0
    live_p95_ms: float | None = None
    """Of the live version; None: not known."""
    thermal_level: int | None = None
    """Of the machine; None: it could not be read."""


@dataclass(frozen=True, slots=True)
class RolloutStatus:
    """How far a rollout is; the last one stays to be read after it ended."""

    version: int
    strategy: Strategy
    action_id: int | None
    outcome: Literal["running", "live", "rolled-back", "failed", "aborted"]
    said: str = ""
    """Why it ended so."""
    steps: tuple[RolloutStep, ...] = ()
    began_at: float = 0.0
    ended_at: float | None = None
    before: Before = Before()


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """What the serving engine last saw of an endpoint."""

    name: str
    phase: Phase
    said: str = ""
    generation: int = 0
    """Of the desired state that it follows."""
    versions: tuple[VersionStatus, ...] = ()
    rollout: RolloutStatus | None = None
    since: float = 0.0
    """When the phase began."""
