"""scikit-learn models as skops: only types of a fixed list are ever built."""

import functools
from pathlib import Path
from typing import Any

import numpy as np

from mlops_client.serving.backends import only_cpu
from mlops_client.serving.formats import one_file
from mlops_client.serving.formats.tables import framer, matrix, named
from mlops_client.serving.frames import Columns
from mlops_client.serving.info import Info, LoadError
from mlops_client.serving.model import Model

TRUSTED = (
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.gaussian_process.kernels.Sum",
    "sklearn.gaussian_process.kernels.WhiteKernel",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
)
"""Of scikit-learn alone, beyond what skops trusts by itself: parts that its own estimators have."""


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
            "Only scikit-learn's own estimators are served (of a search, its `best_estimator_`);"
            " register others as ONNX.",
        )


def _predictor(estimator: Any, info: Info) -> Any:  # noqa: ANN401 - sklearn has no types
    fitted = getattr(estimator, "feature_names_in_", None)
    names = [] if fitted is None else [str(name) for name in fitted]
    by_name = bool(names) and {one.name for one in info.inputs} >= set(names)
    asked = framer(names) if by_name else functools.partial(matrix, info)

    def predict(columns: Columns) -> Columns:
        rows = asked(columns)
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
