"""Vectors and pictures as Evidently is told of them: components, a classifier's score, figures."""

import numpy as np
import pytest

from services.monitoring import classifier, distances, exporting, pictures
from tests.services.monitoring.test_vectors import embedded, evaluation, window
from tests.services.monitoring.test_vectors import pictures as drawn

COMPONENTS = tuple(f"vector: principal component {n}" for n in (1, 2, 3))
SCORE = "vector: domain classifier score"


def moved(made: exporting.Tables, name: str) -> float:
    then, now = (
        np.sort(side[name].drop_null().to_numpy()) for side in (made.reference, made.current)
    )
    return distances.wasserstein(then, now)


def test_a_vector_has_columns_of_its_own_that_show_what_its_figures_do_not():
    base = evaluation("vector", embedded(0, 500))
    turned = exporting.tables(base, window("vector", embedded(1, 600)[:, ::-1]))
    assert {*COMPONENTS, SCORE, "vector.mean"} <= {*turned.columns}
    assert {turned.own[one] for one in (*COMPONENTS, SCORE)} == {"input.vector"}
    assert turned.own["vector.mean"] == "input.vector.mean"
    assert {turned.columns[one] for one in (*COMPONENTS, SCORE)} == {"numeric"}
    assert moved(turned, SCORE) > 1.0
    assert moved(turned, COMPONENTS[0]) > 1.0
    assert moved(turned, "vector.mean") < 0.2
    calm = exporting.tables(base, window("vector", embedded(1, 600)))
    assert moved(calm, SCORE) < 0.3
    assert any("principal components" in note for note in turned.notes)


def test_a_picture_has_its_brightness_and_the_like_too():
    base = evaluation("image", drawn(0, 400))
    dark = exporting.tables(base, window("image", drawn(1, 400) * 0.5))
    assert {f"image: {name}" for name in pictures.NAMES} <= {*dark.columns}
    assert dark.own["image: brightness"] == "input.image"
    assert moved(dark, "image: brightness") > 1.0
    assert moved(dark, "image: domain classifier score") > 0.5


def test_too_few_vectors_have_no_columns_and_spoil_nothing():
    made = exporting.tables(
        evaluation("vector", embedded(0, 500)), window("vector", embedded(1, 9))
    )
    assert not [name for name in made.columns if name.startswith("vector: ")]
    assert "vector.mean" in made.columns
    assert not [note for note in made.notes if "principal" in note]


def test_components_are_those_that_vary_most_with_a_sign_that_stays():
    rng = np.random.default_rng(1)
    base = rng.normal(size=(300, 2))
    wide = np.column_stack([base[:, :1]] * 5 + [base[:, 1:]] * 3 + [np.ones(300)])
    then, now = classifier.components(wide[:200], wide[200:], 6)
    assert then.shape == (200, 2), "there are two directions, and no third"
    assert now.shape == (100, 2)
    assert abs(np.corrcoef(then[:, 0], base[:200, 0])[0, 1]) == pytest.approx(1.0, abs=0.01)
    assert abs(np.corrcoef(now[:, 1], base[200:, 1])[0, 1]) == pytest.approx(1.0, abs=0.02)
    again, _ = classifier.components(wide[:200] + 5.0, wide[200:] + 5.0, 6)
    assert again == pytest.approx(then, abs=1e-6)
