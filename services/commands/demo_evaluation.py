"""What the training of a model logged as its evaluation data: what the demo asks."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import orjson

if TYPE_CHECKING:
    from services.actions.action import Context
    from services.engines.mlflow.adapter import MLflow
    from services.serving.models import BundleInfo

_MOST_WORDS = 50
"""Different ones in a column, from which on they are texts and no categories."""


def evaluation(here: "Context", info: "BundleInfo") -> Mapping[str, Any] | None:
    """Return what its training logged; None: it logged none.

    Raises:
        EngineError: MLflow does not answer.
    """
    from services.monitoring.reference import ARTIFACT

    mlflow = cast("MLflow", here.registry)
    if info.run_id is None:
        return None
    logged = mlflow.artifacts(info.project, info.run_id, ARTIFACT.rpartition("/")[0])
    if all(one.path != ARTIFACT for one in logged):
        return None
    found: dict[str, Any] = orjson.loads(mlflow.artifact(info.project, info.run_id, ARTIFACT))
    return found


def has_texts(data: Mapping[str, Any]) -> bool:
    """Return whether an input is a text: the same ones again are none as people write them."""
    return any(map(_are_texts, data["inputs"].values()))


def _are_texts(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in values) and len(set(values)) > _MOST_WORDS
