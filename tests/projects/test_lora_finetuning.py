"""The pure parts of project 01."""

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest

PROJECT = "01_LoRA_Finetuning_MLX"
SIZES = {"train": 20, "validation": 8, "test": 8}


@pytest.fixture
def lora(project_module):
    return lambda module: project_module(PROJECT, f"lora.{module}")


def test_a_fresh_adapter_leaves_the_output_unchanged(lora):
    adapters, encoder = lora("adapters"), lora("encoder")
    dense = encoder.Linear(6, 4)
    x = mx.random.normal((3, 6))

    adapted = adapters.LoRALinear(dense, rank=2, alpha=4.0)

    assert np.array_equal(np.array(adapted(x)), np.array(dense(x)))


def test_a_merged_adapter_computes_the_same_as_the_adapted_layer(lora):
    adapters, encoder = lora("adapters"), lora("encoder")
    adapted = adapters.LoRALinear(encoder.Linear(6, 4), rank=2, alpha=4.0)
    adapted.b = mx.random.normal(adapted.b.shape)
    x = mx.random.normal((3, 6))

    assert np.allclose(np.array(adapted(x)), np.array(adapted.merged()(x)), atol=1e-5)


def test_only_the_adapters_of_an_adapted_layer_are_trained(lora):
    adapters, encoder = lora("adapters"), lora("encoder")
    layer = encoder.Layer()

    adapters.adapt([layer], ("query", "value"), rank=4, alpha=8.0)

    trained = {
        name: array.size for name, array in nn.utils.tree_flatten(layer.trainable_parameters())
    }
    assert trained == {
        "query.a": 4 * 384,
        "query.b": 384 * 4,
        "value.a": 4 * 384,
        "value.b": 384 * 4,
    }


@pytest.mark.parametrize("text", ["", "query,heads"])
def test_unknown_target_modules_are_refused(lora, text):
    with pytest.raises(ValueError, match="must be among query, key, value"):
        lora("adapters").parse_targets(text)


@pytest.mark.parametrize("trained", [True, False])
def test_the_fast_product_and_its_gradients_are_those_of_mlx(lora, trained):
    numerics = lora("numerics")
    x, weight = mx.random.normal((2, 3, 5)), mx.random.normal((4, 5))

    def ours(x, weight):
        return (numerics.linear(x, weight, trained=trained) ** 2).sum()

    def plain(x, weight):
        return ((x @ (weight if trained else mx.stop_gradient(weight)).T) ** 2).sum()

    got, want = (mx.value_and_grad(f, argnums=(0, 1))(x, weight) for f in (ours, plain))
    assert np.allclose(got[0].item(), want[0].item(), rtol=1e-5)
    for mine, theirs in zip(got[1], want[1], strict=True):
        assert np.allclose(np.array(mine), np.array(theirs), atol=1e-4)


def test_the_fast_gelu_is_close_to_the_exact_one(lora):
    x = mx.linspace(-5, 5, 201)
    assert np.abs(np.array(lora("numerics").gelu(x) - nn.gelu(x))).max() < 5e-4


def test_words_are_cut_into_the_longest_known_pieces(lora):
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "read", "##er", "##ers", "a", ".", "cafe"]
    tokenizer = lora("tokenizer").WordPiece(vocabulary)

    assert tokenizer.ids("Readers, A café.", longest=20) == [2, 4, 6, 1, 7, 9, 8, 3]
    assert tokenizer.ids("a a a a a", longest=4) == [2, 7, 7, 3]


@pytest.fixture
def corpus(lora, monkeypatch):
    """The corpus of two areas: reading all eight takes seconds."""
    module = lora("corpus")
    monkeypatch.setattr(module, "LABELS", ("concurrency", "testing"))
    return module


@pytest.mark.full
def test_no_module_is_in_two_splits_and_no_text_is_there_twice(corpus):
    examples = corpus.build(SIZES)

    splits_of = {}
    for example in examples:
        splits_of.setdefault(example.module, set()).add(example.split)
    assert all(len(splits) == 1 for splits in splits_of.values())
    assert len({example.text for example in examples}) == len(examples)
    assert {example.label for example in examples} == {"concurrency", "testing"}


@pytest.mark.slow
def test_a_corpus_file_is_read_back_and_rebuilt_when_other_sizes_are_asked(corpus, tmp_path):
    path = tmp_path / "data" / "docstrings.jsonl"
    first = corpus.load(path, SIZES)
    written = path.stat().st_mtime_ns

    assert corpus.load(path, SIZES) == first
    assert path.stat().st_mtime_ns == written
    assert len(corpus.load(path, SIZES | {"train": 10})) < len(first)


def test_shuffled_batches_hold_every_row_once(lora):
    features = lora("features").Features(
        [np.zeros((1 + i % 7, 384), np.float32) for i in range(53)], np.zeros(53, int)
    )
    rows = np.concatenate(list(features.shuffled(8, np.random.default_rng(0))))
    assert sorted(rows) == list(range(53))


def test_scores_are_those_of_the_formula(lora):
    scores = lora("classifier").scores(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), "val")
    assert scores["val_accuracy"] == 0.75
    assert scores["val_macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 8)


N = 384 * 384


def test_the_work_of_full_fine_tuning_is_six_operations_a_weight_but_for_the_lowest_inputs(lora):
    layers = [lora("encoder").Layer() for _ in range(2)]
    weights = 4 * N + 2 * 384 * 1536

    # What goes into the lowest layer needs no gradient: its query, key and value take 4, not 6.
    assert lora("work").flops_per_token(layers) == 6 * 2 * weights - 2 * 3 * N


def test_frozen_weights_below_the_first_adapter_are_only_read_forward(lora):
    layer = lora("encoder").Layer()
    lora("adapters").adapt([layer], ("query", "value"), rank=8, alpha=16.0)
    frozen_below, frozen_above = 3 * N, N + 2 * 384 * 1536
    a = b = 2 * 8 * 384

    # A has nothing trained below it; B has A.
    expected = 2 * frozen_below + 4 * frozen_above + 4 * a + 6 * b
    assert lora("work").flops_per_token([layer]) == expected
    assert lora("work").flops_per_token([]) == 0


def test_gradients_reach_down_to_the_first_adapter_and_no_further(lora):
    layers = [lora("encoder").Layer() for _ in range(2)]
    lora("adapters").adapt(layers, ("up",), rank=8, alpha=16.0)

    alone, both = (lora("work").flops_per_token(x) for x in (layers[:1], layers))

    # The second layer's weights carry gradients on to the first one's adapter: 4 each, not 2.
    weights, adapter = 4 * N + 2 * 384 * 1536, 8 * (384 + 1536)
    assert both - alone == 4 * weights + 6 * adapter


class _Asked:
    """Saves after one step, as if the platform had asked then."""

    def __init__(self, checkpoint, at) -> None:
        self.checkpoint, self.at = checkpoint, at

    def resume(self, classifier, optimizer):
        return self.checkpoint.resume(classifier, optimizer)

    def keep(self, step, classifier, optimizer):
        if step == self.at:
            self.checkpoint.save(step, classifier, optimizer)
            raise KeyboardInterrupt


@pytest.fixture
def training(lora, tmp_path):
    """A function that trains a head on features; it returns the weights and which steps it did."""
    classifier, features, checkpoint = lora("classifier"), lora("features"), lora("checkpoint")
    rng = np.random.default_rng(3)
    rows = [rng.normal(size=(4, 384)).astype(np.float32) for _ in range(12)]
    data = features.Features(rows, np.arange(12) % 8)
    kept = checkpoint.Checkpoint(tmp_path / "kept.safetensors", "run", {"seed": 1})

    def train(at=None):
        mx.random.seed(1)
        model = classifier.Classifier([])
        steps = []
        classifier.fit(
            model,
            data,
            classifier.Schedule(3, 4, 1e-4),
            1,
            on_step=lambda loss, samples, tokens: steps.append(loss),
            on_epoch=lambda epoch, model: None,
            checkpoint=_Asked(kept, at) if at else kept,
        )
        return np.array(model.head.weight), steps

    return train


def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(training):
    whole, steps = training()
    with pytest.raises(KeyboardInterrupt):
        training(at=5)
    resumed, rest = training()
    assert len(rest) == 4
    assert min(rest) > 0.01
    assert rest == steps[5:]
    assert np.array_equal(resumed, whole)


def test_a_checkpoint_of_other_parameters_or_a_damaged_one_is_not_gone_on_from(
    lora, training, tmp_path
):
    run_of = lora("checkpoint").run_of
    file = tmp_path / "kept.safetensors"
    with pytest.raises(KeyboardInterrupt):
        training(at=2)
    assert run_of(file, {"seed": 1}) == "run"
    assert run_of(file, {"seed": 2}) is None
    file.write_bytes(file.read_bytes()[:40])
    assert run_of(file, {"seed": 1}) is None
    assert len(training()[1]) == 9
