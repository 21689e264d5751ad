"""MLX training: a logger for steps, and models as safetensors with signature and metadata.

Serves as the MLflow flavour ``mlx``; its ``python_function`` flavour is loaded from here too, so
that ``mlflow.pyfunc.load_model`` works inside the project whose code rebuilds the predictor.
"""

import importlib
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib import metadata as packages
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, SupportsFloat

import mlflow
from mlflow.models import Model

from mlops_client import base, presence, registering
from mlops_client.artifacts import active_store
from mlops_client.tags import run_tags

if TYPE_CHECKING:
    import mlx.core as mx
    import numpy as np

    # At run time this needs pandas, which a project that only logs steps need not have.
    from mlflow.models.model import ModelInfo
    from mlflow.models.signature import ModelSignature

FLAVOR = "mlx"
_SAID = (
    "mlops.technique", "mlops.data.revision", *base.names(base.BASE), *base.names(base.LOADED),
)  # fmt: skip
"""What a version takes over from its run, which may be deleted one day."""
WEIGHTS = "model.safetensors"
CONFIG = "config.json"
Predictor = Callable[[Any], Any]


class TrainingLogger:
    """Logs loss, speed and MLX memory of a training loop into the active run.

    Times are wall times between calls of ``step``; nothing is evaluated for it, so call it where
    the loop has evaluated its loss anyway. Points are sent every ``log_every`` steps and at
    the end.
    """

    def __init__(
        self, *, log_every: int = 10, run_id: str | None = None, first_step: int = 0
    ) -> None:
        if log_every < 1:
            raise ValueError("log_every must be at least 1.")
        self._every = log_every
        self._run_id = run_id
        self._step = first_step
        self._last = 0.0
        self._rows: list[tuple[int, int, dict[str, SupportsFloat]]] = []

    def __enter__(self) -> Self:
        """Begin; an active run is needed from here on."""
        if self._run_id is None:
            run = mlflow.active_run()
            if run is None:
                raise RuntimeError("TrainingLogger needs an active run: mlflow.start_run() first.")
            self._run_id = run.info.run_id
        self._last = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Send what was not sent yet, also when training failed."""
        self.flush()

    def step(
        self,
        *,
        loss: SupportsFloat,
        samples: int | None = None,
        tokens: int | None = None,
        **metrics: SupportsFloat,
    ) -> None:
        """Note one step: its loss, how much it processed, and metrics of your own.

        An MLX scalar is read only when the steps are sent, so that this step waits for nothing.
        """
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        values: dict[str, SupportsFloat] = {"loss": loss, "step_time_ms": seconds * 1000}
        for name, count in (("samples_per_s", samples), ("tokens_per_s", tokens)):
            if count is not None and seconds > 0:
                values[name] = count / seconds
        values.update(metrics)
        self._rows.append((self._step, time.time_ns() // 1_000_000, values))
        self._step += 1
        if len(self._rows) >= self._every:
            self.flush()

    def flush(self) -> None:
        """Send the steps noted since the last time."""
        if not self._rows or self._run_id is None:
            return
        from mlflow.entities import Metric

        step, at, _ = self._rows[-1]
        points = [
            Metric(name, float(value), moment, number)
            for number, moment, values in self._rows
            for name, value in values.items()
        ]
        points += [Metric(name, float(value), at, step) for name, value in memory().items()]
        client = mlflow.MlflowClient()
        for start in range(0, len(points), 1000):
            client.log_batch(self._run_id, metrics=points[start : start + 1000])
        self._rows.clear()


def memory() -> dict[str, int]:
    """Return MLX's memory of this process in bytes; nothing where there is no MLX."""
    try:
        import mlx.core as mx
    except ImportError:
        return {}
    sizes = {
        "mlx_active_bytes": mx.get_active_memory(),
        "mlx_peak_bytes": mx.get_peak_memory(),
        "mlx_cache_bytes": mx.get_cache_memory(),
    }
    presence.note_mlx(sizes)
    return sizes


def save_model(
    path: Path,
    *,
    weights: "Mapping[str, mx.array | np.ndarray]",
    config: Mapping[str, Any],
    entry: str,
    signature: "ModelSignature",
    metadata: Mapping[str, Any] | None = None,
    run_id: str | None = None,
) -> Model:
    """Write an MLflow model folder: safetensors, JSON and MLmodel, nothing that executes.

    Raises:
        ValueError: ``entry`` is not ``module:function``, or there are no weights.
    """
    import mlx.core as mx

    module, colon, function = entry.partition(":")
    if not (colon and module and function):
        raise ValueError(f"entry is {entry!r}; write module:function.")
    if not weights:
        raise ValueError("A model without weights cannot be saved.")
    path.mkdir(parents=True, exist_ok=True)
    arrays = {k: v if isinstance(v, mx.array) else mx.array(v) for k, v in weights.items()}
    mx.save_safetensors(str(path / WEIGHTS), arrays, {"format": "mlx"})
    (path / CONFIG).write_text(json.dumps(config, indent=1, sort_keys=True), encoding="utf-8")
    model = Model(
        artifact_path=path.name, run_id=run_id, metadata=dict(metadata or {}), signature=signature
    )
    flavor = {"weights": WEIGHTS, "config": CONFIG, "entry": entry}
    model.add_flavor(FLAVOR, mlx_version=packages.version("mlx"), **flavor)
    model.add_flavor("python_function", loader_module="mlops_client.mlx", data=".", env={})
    model.save(str(path / "MLmodel"))
    return model


def log_model(
    *,
    name: str,
    weights: "Mapping[str, mx.array | np.ndarray]",
    config: Mapping[str, Any],
    entry: str,
    signature: "ModelSignature",
    metadata: Mapping[str, Any] | None = None,
    register: bool = True,
    tags: Mapping[str, str] | None = None,
) -> "ModelInfo":
    """Log a model into the active run and register it as a version of ``name``.

    ``entry`` is ``module:function`` in the project; the function takes (weights, config) and
    returns a predictor. While the shared MLflow is away, both are kept and done later; the answer's
    ``registered_model_version`` is None then.

    Raises:
        RuntimeError: There is no active run.
        ValueError: ``entry`` or ``weights`` are not usable.
    """
    run = mlflow.active_run()
    if run is None:
        raise RuntimeError("log_model needs an active run: mlflow.start_run() first.")
    run_id = run.info.run_id
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        model = save_model(
            path,
            weights=weights,
            config=config,
            entry=entry,
            signature=signature,
            metadata=metadata,
            run_id=run_id,
        )
        mlflow.log_artifacts(str(path), artifact_path=name)
    info = model.get_model_info()
    if register:
        info.registered_model_version = _register(run_id, name, dict(tags or {}))
    return info


def _register(run_id: str, name: str, tags: dict[str, str]) -> int | None:
    ours = run_tags() | _said_by(run_id)
    kept = ("mlops.project", "mlops.git.commit", *_SAID)
    all_tags = {key: ours[key] for key in kept if key in ours} | {"mlops.format": "safetensors"}
    all_tags |= tags
    store = active_store()
    if store is not None:
        made = store.register(registering.registration(run_id, name, name, all_tags))
        if made is not None:
            base.made(name, made)
        return made
    client = mlflow.MlflowClient()
    uri = client.get_run(run_id).info.artifact_uri
    return _register_plainly(client, name, f"{uri}/{name}", run_id, all_tags)


def _register_plainly(
    client: mlflow.MlflowClient, name: str, source: str, run_id: str, tags: dict[str, str]
) -> int:
    """Register outside a toolkit project, through MLflow's own client."""
    try:
        client.create_registered_model(name)
    except mlflow.MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    made = client.create_model_version(name, source, run_id, tags=tags)
    return int(made.version)


def _said_by(run_id: str) -> dict[str, str]:
    """Return what the active run says of its technique and of what it began with."""
    run = mlflow.active_run()
    if run is None or run.info.run_id != run_id:
        return {}
    found = mlflow.get_run(run_id).data.tags
    return {key: found[key] for key in _SAID if found.get(key)}


def load_model(path_or_uri: str | Path) -> Predictor:
    """Return the predictor of a saved, logged or registered model (``models:/NAME/VERSION``).

    Raises:
        ValueError: The folder is no model of this flavour, or its entry leaves the project.
    """
    if isinstance(path_or_uri, Path) or Path(str(path_or_uri)).is_dir():
        return _load(Path(path_or_uri))
    from mlflow.artifacts import download_artifacts

    return _load(Path(download_artifacts(artifact_uri=str(path_or_uri))))


def _load(path: Path) -> Predictor:
    import mlx.core as mx

    flavor = Model.load(str(path / "MLmodel")).flavors.get(FLAVOR)
    if flavor is None:
        raise ValueError(f"{path} is no model of the flavour {FLAVOR}.")
    weights = mx.load(str(path / flavor["weights"]))
    config = json.loads((path / flavor["config"]).read_text(encoding="utf-8"))
    module, _, function = flavor["entry"].partition(":")
    build = getattr(importlib.import_module(module), function)
    predictor: Predictor = build(weights, config)
    return predictor


class _Wrapper:
    """What ``mlflow.pyfunc`` calls."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:  # noqa: ANN401
        """Return the predictor's answer; a data frame becomes an array, or arrays by column."""
        del params
        columns = list(getattr(model_input, "columns", ()))
        if len(columns) > 1 and all(isinstance(name, str) for name in columns):
            return self._predictor({name: model_input[name].to_numpy() for name in columns})
        values = model_input.to_numpy() if hasattr(model_input, "to_numpy") else model_input
        return self._predictor(values)


def _load_pyfunc(path: str) -> _Wrapper:
    return _Wrapper(_load(Path(path)))
