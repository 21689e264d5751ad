"""scikit-learn models as skops: only types of a fixed list are ever built."""

from pathlib import Path
from typing import Any

import numpy as np

from mlops_client.serving.backends import only_cpu
from mlops_client.serving.formats import one_file
from mlops_client.serving.formats.tables import frame, matrix, named
from mlops_client.serving.frames import Columns
from mlops_client.serving.info import Info, LoadError
from mlops_client.serving.model import Model

TRUSTED: tuple[str, ...] = ()


def load(folder: Path, info: Info, wanted: str, root: Path) -> Model:
    """Return the model, once every type in its file is on the list.

    Raises:
        LoadError: skops is missing, a type is not on the list, or it is no such file.
    """
    del root
    choice = only_cpu(wanted, "scikit-learn")
    file = one_file(folder, (".skops",), "skops")
    try:
        import skops.io
    except ImportError as error:
        raise LoadError(
            "The model is skops, and skops or scikit-learn is not in the project's environment.",
            "Install them there: `uv add skops scikit-learn`.",
        ) from error
    try:
        _refuse(sorted(set(skops.io.get_untrusted_types(file=file)) - set(TRUSTED)))
        estimator = skops.io.load(file, trusted=list(TRUSTED))
    except LoadError:
        raise
    except Exception as error:
        raise LoadError(
            f"skops does not take {file.name}: {type(error).__name__}: {str(error)[:300]}",
            "Register the model again with the scikit-learn of this environment.",
        ) from error
    if not any(hasattr(estimator, name) for name in ("predict", "transform")):
        raise LoadError(f"{file.name} holds a {type(estimator).__name__}, which answers nothing.")
    return Model(_predictor(estimator, info), choice.backend, choice.reason)


def _refuse(strange: list[str]) -> None:
    if strange:
        raise LoadError(
            f"The file holds types that are not trusted: {', '.join(strange)[:300]}.",
            "Only scikit-learn's own estimators are served; register the model as ONNX.",
        )


def _predictor(estimator: Any, info: Info) -> Any:  # noqa: ANN401 - sklearn has no types
    fitted = getattr(estimator, "feature_names_in_", None)
    by_name = fitted is not None and {one.name for one in info.inputs} >= set(fitted)

    def predict(columns: Columns) -> Columns:
        rows = frame(info, columns) if by_name else matrix(info, columns)
        if not hasattr(estimator, "predict"):
            return named(info, np.asarray(estimator.transform(rows)), None, None)
        chances = None
        if hasattr(estimator, "predict_proba"):
            chances = np.asarray(estimator.predict_proba(rows))
            values = np.asarray(estimator.classes_)[chances.argmax(axis=-1)]
        else:
            values = np.asarray(estimator.predict(rows))
        return named(info, values, chances, getattr(estimator, "classes_", None))

    return predict
