"""Where a run ran and what it ran on, from the tags the client sets."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from services.mirror.models import Run

BACKENDS = {
    "mlx-metal": "MLX on Metal",
    "mlx-cpu": "MLX on the CPU",
    "torch-mps": "PyTorch on MPS",
    "torch-cuda": "PyTorch on CUDA",
    "torch-cpu": "PyTorch on the CPU",
    "cpu": "CPU",
}


@dataclass(frozen=True, slots=True)
class Environment:
    """What a run's client said of its surroundings; None where it said nothing."""

    host: str | None
    chip: str | None
    memory_bytes: int | None
    backend: str | None
    git_commit: str | None
    git_dirty: bool | None
    data_revision: str | None
    packages: Mapping[str, str]


def environment_of(run: Run) -> Environment:
    """Return a run's environment."""
    tags = run.tags
    return Environment(
        host=tags.get("mlops.host") or run.host,
        chip=tags.get("mlops.chip"),
        memory_bytes=_whole(tags.get("mlops.memory_bytes")),
        backend=tags.get("mlops.backend"),
        git_commit=tags.get("mlops.git.commit") or tags.get("mlflow.source.git.commit"),
        git_dirty=_truth(tags.get("mlops.git.dirty")),
        data_revision=tags.get("mlops.data.revision"),
        packages=_packages(tags.get("mlops.packages")),
    )


def backend_title(backend: str | None) -> str | None:
    """Return a backend as a person reads it."""
    return BACKENDS.get(backend, backend) if backend else None


def _whole(text: str | None) -> int | None:
    try:
        return int(text) if text else None
    except ValueError:
        return None


def _truth(text: str | None) -> bool | None:
    return {"true": True, "false": False}.get(text or "")


def _packages(text: str | None) -> dict[str, str]:
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(name): str(version) for name, version in sorted(found.items())}
