"""XGBoost and LightGBM in their own text and JSON files."""

from pathlib import Path
from typing import Any

import numpy as np

from mlops_client.serving.backends import only_cpu
from mlops_client.serving.formats import one_file
from mlops_client.serving.formats.tables import matrix, named
from mlops_client.serving.frames import Columns
from mlops_client.serving.info import Info, LoadError
from mlops_client.serving.model import Model

_XGBOOST = (".json", ".ubj")
_LIGHTGBM = (".txt", ".lgb")
_OTHERS = {"config.json", "requirements.txt", "input_example.json", "serving_input_example.json"}


def load(folder: Path, info: Info, wanted: str, root: Path) -> Model:
    """Return the model.

    Raises:
        LoadError: The booster's package is missing, or does not take the file.
    """
    del root
    choice = only_cpu(wanted, "A booster")
    file = _file(folder)
    booster = _xgboost(file) if file.suffix in _XGBOOST else _lightgbm(file)

    def predict(columns: Columns) -> Columns:
        raw = np.asarray(booster(matrix(info, columns)))
        if info.interface != "classifier":
            return named(info, raw, None, None)
        chances = raw if raw.ndim == 2 else np.stack([1 - raw, raw], axis=1)
        return named(info, chances.argmax(axis=-1).astype(np.int64), chances, None)

    return Model(predict, choice.backend, choice.reason)


def _file(folder: Path) -> Path:
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix in _XGBOOST + _LIGHTGBM and path.name not in _OTHERS
    ]
    return found[0] if len(found) == 1 else one_file(folder, _XGBOOST + _LIGHTGBM, "booster")


def _missing(package: str, error: ImportError) -> LoadError:
    said = LoadError(
        f"The model is a booster of {package}, which is not in the project's environment.",
        f"Install it there: `uv add {package}`.",
    )
    said.__cause__ = error
    return said


def _xgboost(file: Path) -> Any:  # noqa: ANN401 - a function of an untyped package
    try:
        import xgboost
    except ImportError as error:
        raise _missing("xgboost", error) from error
    booster = xgboost.Booster()
    try:
        booster.load_model(str(file))
    except xgboost.core.XGBoostError as error:
        raise LoadError(f"xgboost does not take {file.name}: {str(error)[:300]}") from error
    return lambda rows: booster.predict(xgboost.DMatrix(rows))


def _lightgbm(file: Path) -> Any:  # noqa: ANN401 - a function of an untyped package
    try:
        import lightgbm
    except ImportError as error:
        raise _missing("lightgbm", error) from error
    try:
        booster = lightgbm.Booster(model_file=str(file))
    except lightgbm.basic.LightGBMError as error:
        raise LoadError(f"lightgbm does not take {file.name}: {str(error)[:300]}") from error
    return booster.predict
