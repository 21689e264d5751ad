"""Folders as MLflow's own flavours write them: skops is let in, what runs code is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from services.errors import BundleError
from services.home import Home
from services.serving import bundle
from services.serving.bundle import Bundle
from tests.services.serving.packages import contract, package, project

RANDOM = np.random.default_rng(0)
ROWS, LABELS = RANDOM.random((60, 3)), np.arange(60) % 2
ESTIMATORS: dict[str, Callable[[], BaseEstimator]] = {
    "logistic": LogisticRegression,
    "forest": lambda: RandomForestRegressor(n_estimators=3, random_state=0),
    "boosting": lambda: HistGradientBoostingClassifier(max_iter=3),
    "pipeline": lambda: make_pipeline(StandardScaler(), SVC()),
    "columns": lambda: make_pipeline(
        ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", OneHotEncoder(), [2])]),
        LogisticRegression(),
    ),
    "network": lambda: MLPClassifier((4,), max_iter=2000, tol=1.0, n_iter_no_change=1),
    "neighbours": lambda: KNeighborsClassifier(algorithm="kd_tree"),
}


def signature() -> object:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    return ModelSignature(
        inputs=Schema([ColSpec("double", name) for name in "abc"]),
        outputs=Schema([TensorSpec(np.dtype("int64"), (-1,))]),
    )


def built(tmp_path: Path, files: Path) -> Bundle:
    home = Home(tmp_path / "home")
    return bundle.of_package(package(home, files), home, project(tmp_path / "toy"), contract())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_scikit_learn_as_skops_is_let_in(tmp_path: Path, name: str):
    import mlflow.sklearn

    rows = ROWS.round() if name == "columns" else ROWS
    fitted = ESTIMATORS[name]().fit(rows, LABELS)
    mlflow.sklearn.save_model(
        fitted, str(tmp_path / "files"), serialization_format="skops", signature=signature(),
        pip_requirements=["scikit-learn"], skops_trusted_types=_trusted(fitted),
    )  # fmt: skip
    info = built(tmp_path, tmp_path / "files").info
    assert (info.format, info.flavor, info.interface) == ("skops", "skops", "rows")
    assert [field.name for field in info.inputs] == ["a", "b", "c"]
    assert info.example == {"a": [0.0], "b": [0.0], "c": [0.0]}
    assert (info.batchable, info.preferred_backend) == (True, "cpu")


def _trusted(fitted: BaseEstimator) -> list[str]:
    import skops.io

    return skops.io.get_untrusted_types(data=skops.io.dumps(fitted))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_as_a_pickle_is_refused(tmp_path: Path):
    import mlflow.sklearn

    fitted = LogisticRegression().fit(ROWS, LABELS)
    mlflow.sklearn.save_model(
        fitted, str(tmp_path / "files"), serialization_format="cloudpickle", signature=signature(),
        pip_requirements=["scikit-learn"],
    )  # fmt: skip
    with pytest.raises(BundleError, match="pickle"):
        built(tmp_path, tmp_path / "files")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_python_function_of_a_stranger_is_refused(tmp_path: Path):
    import mlflow.pyfunc

    class Mine(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input

    mlflow.pyfunc.save_model(
        str(tmp_path / "files"), python_model=Mine(), signature=signature(), pip_requirements=[]
    )
    with pytest.raises(BundleError, match="pickle"):
        built(tmp_path, tmp_path / "files")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_model_from_code_is_refused(tmp_path: Path):
    import mlflow.pyfunc

    code = tmp_path / "model.py"
    code.write_text(
        "import mlflow\n"
        "class Mine(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        return model_input\n"
        "mlflow.models.set_model(Mine())\n"
    )
    mlflow.pyfunc.save_model(
        str(tmp_path / "files"), python_model=str(code), signature=signature(), pip_requirements=[]
    )
    with pytest.raises(BundleError, match=r"brings no code|code of its own"):
        built(tmp_path, tmp_path / "files")
