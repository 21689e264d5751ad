"""The pure parts of project 04."""

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

PROJECT = "04_CPU_Compression"
WIDTHS = (64, 20, 16, 10)


@pytest.fixture
def part(project_module):
    return lambda module: project_module(PROJECT, f"compression.{module}")


@pytest.fixture
def model(part):
    return part("network").Classifier(WIDTHS)


@pytest.fixture
def pixels():
    return mx.array(np.random.default_rng(0).random((7, 64), dtype=np.float32))


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9])
def test_pruning_keeps_exactly_the_share_asked_and_the_largest_weights(part, model, sparsity):
    pruning = part("pruning")
    before = np.concatenate([np.abs(np.array(la.weight)).reshape(-1) for la in model.layers])
    kept = round((1 - sparsity) * before.size)

    pruning.apply_masks(model, pruning.magnitude_masks(model, sparsity))

    after = np.concatenate([np.abs(np.array(la.weight)).reshape(-1) for la in model.layers])
    assert np.count_nonzero(after) == kept
    assert after[after > 0].min() >= np.sort(before)[before.size - kept]
    assert pruning.weight_sparsity(model) == pytest.approx(1 - kept / before.size)


def test_pruned_weights_stay_zero_through_training(part, model):
    pruning, training, data = part("pruning"), part("training"), part("data")
    masks = pruning.magnitude_masks(model, 0.8)
    pruning.apply_masks(model, masks)
    rng = np.random.default_rng(0)
    some = data.Split(rng.random((64, 64), dtype=np.float32), rng.integers(0, 10, 64))

    training.fit(
        model,
        some,
        training.Schedule(epochs=2, batch_size=16, learning_rate=0.01),
        seed=0,
        after_step=lambda: pruning.apply_masks(model, masks),
        on_step=lambda *_: None,
        on_epoch=lambda _: None,
    )

    assert pruning.weight_sparsity(model) == pytest.approx(0.8, abs=1e-3)


def test_factors_of_full_rank_are_the_matrix_itself(part):
    weight = np.random.default_rng(0).normal(size=(9, 6))
    wide, thin = part("factors").factors(weight, rank=6)
    assert np.allclose(wide @ thin, weight)


def test_factors_leave_the_error_that_the_dropped_singular_values_tell(part):
    weight = np.random.default_rng(0).normal(size=(9, 6))
    wide, thin = part("factors").factors(weight, rank=2)

    assert wide.shape == (9, 2)
    dropped = np.linalg.svd(weight, compute_uv=False)[2:]
    assert np.linalg.norm(weight - wide @ thin) == pytest.approx(np.linalg.norm(dropped))


def test_only_layers_that_become_smaller_are_factored(part, model):
    small = part("factors").factored(model, WIDTHS, rank=8)

    assert part("factors").ranks_of(small) == [8, 8, None]
    assert part("network").parameters(small) < part("network").parameters(model)


def test_a_sparse_model_is_stored_smaller_and_comes_back_the_same(part, model, pixels):
    pruning, storage, serving = part("pruning"), part("storage"), part("serving")
    dense = sum(array.nbytes for array in storage.to_tensors(model).values())
    pruning.apply_masks(model, pruning.magnitude_masks(model, 0.9))

    tensors = storage.to_tensors(model)
    again = serving.rebuilt(tensors, serving.configuration(model, WIDTHS))

    assert sum(array.nbytes for array in tensors.values()) < 0.25 * dense
    assert np.array_equal(np.array(again(pixels)), np.array(model(pixels)))


def test_a_dense_model_is_stored_as_it_is(part, model):
    tensors = part("storage").to_tensors(model)
    assert set(tensors) == {name for name, _ in tree_flatten(model.parameters())}


def test_a_missing_tensor_is_an_error(part, model):
    storage, serving = part("storage"), part("serving")
    tensors = storage.to_tensors(model)
    del tensors["layers.1.weight"]
    with pytest.raises(KeyError, match=r"layers\.1\.weight"):
        serving.rebuilt(tensors, serving.configuration(model, WIDTHS))


def test_distilling_from_a_model_into_itself_costs_nothing(part, model, pixels):
    loss = part("training").distillation(model, temperature=3.0, share=1.0)
    assert loss(model, pixels, mx.zeros(7, dtype=mx.int32)).item() == pytest.approx(0, abs=1e-5)


def test_distillation_without_a_teachers_share_is_cross_entropy(part, model, pixels):
    training = part("training")
    labels = mx.arange(7)
    loss = training.distillation(model, temperature=3.0, share=0.0)
    plain = training.cross_entropy(model, pixels, labels)
    assert loss(model, pixels, labels).item() == pytest.approx(plain.item(), rel=1e-5)


def test_a_prediction_takes_rows_or_a_named_tensor_or_none(part, model, pixels):
    serving = part("serving")
    tensors = part("storage").to_tensors(model)
    predict = serving.predictor(tensors, serving.configuration(model, WIDTHS))

    answers = predict({"pixels": np.array(pixels)})

    assert np.array_equal(answers["label"], predict(np.array(pixels))["label"])
    assert answers["label"].tolist() == np.array(model(pixels).argmax(-1)).tolist()
    assert len(predict(np.empty((0, 64)))["label"]) == 0


def test_the_split_has_every_digit_and_no_row_twice(part, tmp_path):
    parts = part("data").load(tmp_path)
    again = part("data").load(tmp_path)

    assert [len(parts[name].labels) for name in parts] == [1078, 359, 360]
    assert all(set(split.labels.tolist()) == set(range(10)) for split in parts.values())
    assert all(np.array_equal(again[name].pixels, parts[name].pixels) for name in parts)
