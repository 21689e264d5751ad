"""MLflow runs of this project (one a technique and seed) and where its best model is."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import mlx.core as mx

MODEL_NAME = "lora-finetuning-docstrings"

# The platform's client has set this while mlflow was imported. Without the platform the runs go to
# mlruns/ beside the code: MLflow's other default needs a database driver that is not installed.
if "MLFLOW_TRACKING_URI" not in os.environ:
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    mlflow.set_tracking_uri((Path(__file__).parents[1] / "mlruns").as_uri())


@contextmanager
def run(
    technique: str,
    seed: int,
    params: Mapping[str, Any],
    *,
    role: str | None = None,
    resumed: str | None = None,
) -> Iterator[str]:
    """Open a run with its tags and parameters, or one that was begun before; yield its id."""
    if resumed is not None:
        with mlflow.start_run(run_id=resumed):
            yield resumed
        return
    tags = {"mlops.technique": technique, "mlops.seed": str(seed)}
    if role:
        tags["mlops.role"] = role
    with mlflow.start_run(run_name=f"{technique}-seed{seed}", tags=tags) as active:
        mlflow.log_params({"seed": seed, **params})
        yield active.info.run_id


def save_local(folder: Path, weights: Mapping[str, mx.array], config: Mapping[str, Any]) -> None:
    """Write a model beside the code, for use without a registry."""
    folder.mkdir(parents=True, exist_ok=True)
    mx.save_safetensors(str(folder / "model.safetensors"), dict(weights))
    (folder / "config.json").write_text(json.dumps(config))


def load_local(folder: Path) -> tuple[dict[str, mx.array], dict[str, Any]]:
    """Return the weights and the configuration written by `save_local`."""
    if not (folder / "model.safetensors").is_file():
        raise SystemExit(f"No model in {folder.name}/ and none registered. Run train.py first.")
    weights = mx.load(str(folder / "model.safetensors"))
    return weights, json.loads((folder / "config.json").read_text())


def registered() -> str | None:
    """Return the URI of the champion, else of the latest version, else None."""
    client = mlflow.MlflowClient()
    models = client.search_registered_models(filter_string=f"name = '{MODEL_NAME}'")
    if models and "champion" in models[0].aliases:
        return f"models:/{MODEL_NAME}@champion"
    versions = client.search_model_versions(f"name = '{MODEL_NAME}'")
    if not versions:
        return None
    return f"models:/{MODEL_NAME}/{max(int(version.version) for version in versions)}"
