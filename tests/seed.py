"""A small real mirror for page tests: nine projects, runs of every state, models and a feed."""

import math
import threading
from collections.abc import Iterator

import bcrypt

from services.access import store as accounts
from services.actions.journal import Journal
from services.actions.roles import ROLES
from services.engines.mlflow.models import Metric, Model, Status, TrackedRun, Version
from services.mirror import schema
from services.mirror.events import now_ms
from services.mirror.models import EngineState
from services.mirror.store import Store
from services.settings import Settings

PROJECTS = (
    ("lora-finetuning", "LoRA fine-tuning", "easy", "val_accuracy", "max"),
    ("stable-diffusion", "Stable diffusion", "advanced", "sample_quality", "max"),
    ("quantized-optimization", "Quantized optimization", "easy", "val_accuracy", "max"),
    ("cpu-compression", "CPU compression", "easy", "val_accuracy", "max"),
    ("clip-finetuning", "CLIP fine-tuning", "intermediate", "recall_at_1", "max"),
    ("federated-learning", "Federated learning", "advanced", "val_accuracy", "max"),
    ("adaptive-diffusion", "Adaptive diffusion", "advanced", "sample_quality", "max"),
    ("meta-learning-peft", "Meta-learning PEFT", "advanced", "few_shot_accuracy", "max"),
    ("self-improving-diffusion", "Self-improving diffusion", "advanced", "val_loss", "min"),
)
HOSTILE = "<img src=x onerror=alert(1)> **bold** :material/home: $x$ [a](javascript:alert(1))"
ENGINES = (("controller", "Controller"), ("mlflow", "MLflow"), ("telemetry", "Telemetry"))
_STATES: tuple[Status, ...] = ("finished", "finished", "finished", "failed", "running", "killed")
_TECHNIQUES = ("baseline", "lora-r8", "lora-r16")
_HOUR_MS = 3_600_000


def fill(
    url: str, *, engine_state: EngineState = "live", states: tuple[Status, ...] = _STATES
) -> None:
    """Write the mirror as the controller would."""
    store = empty(url, engine_state=engine_state)
    for number, (project, title, kind, metric, goal) in enumerate(PROJECTS):
        document = _document(number, project, title, kind, metric, goal)
        store.write_project(project, "broken" if number == 3 else "connected", document)
        store.write_runs(project, tuple(_runs(number, project, metric, states)))
        store.write_registry(project, [_model(project)], list(_versions(number, project)))
    store.mark_lost({run_id(1, 4): "No heartbeat for 4 minutes and its process is gone."})


def empty(url: str, *, engine_state: EngineState = "live") -> Store:
    """Write a mirror that has seen its engines and nothing else."""
    engine, _ = schema.prepare(url)
    store = Store(engine)
    reason, hint = "", ""
    if engine_state != "live":
        reason, hint = "Nothing listens on 127.0.0.1:5000.", "Start it with `mlops restart mlflow`."
    store.write_engine("controller", "Controller", "live")
    store.write_engine("mlflow", "MLflow", "live")
    store.write_engine("telemetry", "Telemetry", "live")
    if engine_state != "live":
        store.write_engine("mlflow", "MLflow", engine_state, reason, hint)
    return store


def one_more_run(url: str, project: str, name: str) -> None:
    """Write a run that has just begun, as the controller would."""
    now = now_ms()
    engine, _ = schema.prepare(url)
    begun = TrackedRun(
        run_id=f"{now:032x}",
        experiment_id="1",
        name=name,
        status="running",
        user="mira",
        started_ms=now,
        ended_ms=None,
        deleted=False,
        artifact_uri=None,
        metrics={},
        params={},
        tags={"mlops.project": project},
    )
    Store(engine).write_runs(project, (begun,))
    engine.dispose()


def tagged_id(index: int) -> str:
    """Return the id of a run that ``tagged`` writes."""
    return f"7{index:03d}".ljust(32, "e")


def tagged(url: str, project: str, count: int, tags: dict[str, str]) -> None:
    """Write finished runs and a registered version 7 that carry some tags."""
    now = now_ms()
    engine, _ = schema.prepare(url)
    runs = tuple(
        TrackedRun(
            run_id=tagged_id(index),
            experiment_id="1",
            name=f"tagged-{index}",
            status="finished",
            user="mira",
            started_ms=now - index * _HOUR_MS,
            ended_ms=now - index * _HOUR_MS + 60_000,
            deleted=False,
            artifact_uri=None,
            metrics={},
            params={},
            tags={"mlops.project": project} | tags,
        )
        for index in range(count)
    )
    store = Store(engine)
    store.write_runs(project, runs)
    version = Version(project, 7, tagged_id(0), now, "READY", "", "", tags)
    store.write_registry(project, [_model(project)], [version])
    engine.dispose()


def keep_fresh(url: str, over: threading.Event) -> None:
    """Report the engines live every second until ``over``, as a controller that finds no change."""
    engine, _ = schema.prepare(url)
    store = Store(engine)
    while not over.wait(1.0):
        for name, title in ENGINES:
            store.write_engine(name, title, "live")
    engine.dispose()


def people(settings: Settings, password: str) -> None:
    """Make one account a role, and ``scoped``, who sees one project; all with one password."""
    journal = Journal.open(settings)
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    for role in ROLES:
        accounts.insert(journal, role, hashed, role, None)
    accounts.insert(journal, "scoped", hashed, "operator", ("clip-finetuning",))


def _document(
    number: int, project: str, title: str, kind: str, metric: str, goal: str
) -> dict[str, object]:
    broken = number == 3
    reasons = ["pyproject.toml line 14: a string has no closing quote."] if broken else []
    return {
        "title": title,
        "kind": kind,
        "priority": 9 - number,
        "path": f"/home/lead/toolkit/projects/0{number + 1}_{title.replace(' ', '_')}",
        "reasons": reasons,
        "conformance": 0.2 if broken else 1.0 - number % 3 * 0.15,
        "checks": [
            ["`[tool.mlops]` can be read", not broken, "Close the string in line 14."],
            ["The environment is built", True, ""],
            ["A data folder is tracked by DVC", number % 3 == 0, f"`mlops data add {project}`"],
        ],
        "primary_metric": metric,
        "goal": goal,
        "gates": {metric: ">= 0.80" if goal == "max" else "<= 0.30"},
    }


def run_id(number: int, index: int) -> str:
    return f"{number}{index:02d}".ljust(32, "a")


def _runs(
    number: int, project: str, metric: str, states: tuple[Status, ...]
) -> Iterator[TrackedRun]:
    now = now_ms()
    for index, state in enumerate(states):
        started = now - (len(states) - index) * 5 * _HOUR_MS - number * 60_000
        quality = 0.78 + 0.02 * index + 0.003 * number
        if metric == "val_loss":
            quality = 0.4 - 0.02 * index
        technique = _TECHNIQUES[index % 3]
        tags = {"mlops.project": project, "mlops.technique": technique, "mlops.chip": "Apple M4"}
        if technique == "baseline":
            tags["mlops.role"] = "baseline"
        yield TrackedRun(
            run_id=run_id(number, index),
            experiment_id=str(number),
            name=HOSTILE if (number, index) == (0, 0) else f"{technique}-{index}",
            status=state,
            user="mira",
            started_ms=started,
            ended_ms=None if state == "running" else started + 45_000 + index * 1000,
            deleted=False,
            artifact_uri=None,
            metrics={
                metric: Metric(quality, 10, started),
                "loss": Metric(math.nan if state == "failed" else 1 - quality, 10, started),
            },
            params={"rank": str(4 << index % 3), "lr": "0.001"},
            tags=tags,
        )


def _model(project: str) -> Model:
    now = now_ms()
    return Model(project, "", now - 40 * _HOUR_MS, now, {"champion": 1}, {"mlops.project": project})


def _versions(number: int, project: str) -> Iterator[Version]:
    for version in (1, 2):
        yield Version(
            model=project,
            version=version,
            run_id=run_id(number, version - 1),
            created_ms=now_ms() - (30 - version * 4) * _HOUR_MS,
            status="READY",
            description="",
            source="",
            tags={"mlops.format": "safetensors", "mlops.technique": _TECHNIQUES[version - 1]},
        )
