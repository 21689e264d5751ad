"""The pure parts of project 03."""

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten

PROJECT = "03_Quantized_Optimization"
GROUP = 64


@pytest.fixture
def part(project_module):
    return lambda module: project_module(PROJECT, f"quantization.{module}")


@pytest.fixture
def model(part):
    return part("model").CharacterModel(part("model").Shape(), part("model").plain)


@pytest.fixture
def contexts():
    return mx.array(np.random.default_rng(0).integers(0, 96, (5, 12)))


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("group", [32, 64])
def test_the_bytes_of_a_quantised_matrix_are_those_of_the_formula(part, bits, group):
    packed, scales, biases = mx.quantize(mx.random.normal((96, 256)), group_size=group, bits=bits)

    assert part("plans").quantised_bytes(96 * 256, bits, group) == (
        packed.nbytes + scales.nbytes + biases.nbytes
    )


def test_only_the_named_layers_are_quantised_with_their_own_bits(part, model):
    part("plans").quantise(model, {"first": 4, "head": 8}, GROUP)

    assert (model.first.bits, model.head.bits) == (4, 8)
    assert type(model.second) is nn.Linear


@pytest.mark.parametrize("technique", ["8-bit", "4-bit", "2-bit"])
def test_quality_is_measured_on_what_the_quantised_kernels_compute(
    part, model, contexts, technique
):
    plans = part("plans")
    bits = plans.TECHNIQUES[technique].bits
    rounded = part("model").CharacterModel(part("model").Shape())
    rounded.update(model.parameters())

    plans.round_layers(rounded, bits, GROUP, mx.float32)
    plans.quantise(model, bits, GROUP)

    assert np.allclose(np.array(rounded(contexts)), np.array(model(contexts)), atol=1e-3)


def test_the_most_sensitive_layer_keeps_more_bits(part):
    cost = {"first": 1.0, "second": 3.0, "head": 2.0}
    chosen = part("plans").by_sensitivity(lambda bits: cost[next(iter(bits))])
    assert chosen == {"first": 4, "second": 8, "head": 4}


def test_a_stored_model_is_rebuilt_and_predicts_the_same(part, model, contexts):
    serving, shape = part("serving"), part("model").Shape()
    bits = {"first": 4, "second": 8}
    part("plans").quantise(model, bits, GROUP)
    weights = dict(tree_flatten(model.parameters()))

    again = serving.rebuilt(weights, serving.configuration(shape, bits, GROUP))

    assert np.array_equal(np.array(again(contexts)), np.array(model(contexts)))


def test_a_prediction_has_a_row_for_each_text_and_no_figure_for_an_empty_one(part, model):
    serving, shape = part("serving"), part("model").Shape()
    weights = dict(tree_flatten(model.parameters()))
    predict = serving.predictor(weights, serving.configuration(shape, {}, GROUP))

    answers = predict({"text": np.array(["import os", ""], dtype=object)})

    assert [len(text) for text in answers["continuation"]] == [serving.CONTINUATION] * 2
    assert answers["bits_per_character"][0] > 0
    assert np.isnan(answers["bits_per_character"][1])


@pytest.fixture
def stored(part, model):
    """Its weights and configuration."""
    shape = part("model").Shape()
    return dict(tree_flatten(model.parameters())), part("serving").configuration(shape, {}, GROUP)


def test_texts_asked_together_go_on_as_they_do_alone(part, stored):
    predict = part("serving").predictor(*stored)
    texts = ["import os", "", "x", "def main():\n    return"]

    together = predict({"text": texts})["continuation"]

    assert together.tolist() == [predict({"text": [one]})["continuation"][0] for one in texts]
    assert predict({"text": []})["continuation"].shape == (0,)


def test_a_stream_says_what_the_prediction_says_and_stops_at_its_length(part, stored):
    serving = part("serving")
    whole = serving.predictor(*stored)({"text": ["import os"]})["continuation"][0]
    streamer = serving.streamer(*stored)

    assert "".join(streamer.stream("import os", serving.CONTINUATION)) == whole
    assert list(streamer.stream("import os", 3)) == list(whole[:3])
    assert streamer.count("a\tb é") == 4


def test_drawn_characters_follow_seed_and_temperature(part, stored):
    streamer = part("serving").streamer(*stored)

    def drawn(**given: float):
        return "".join(streamer.stream("x", 40, **given))

    assert drawn(temperature=1.0, seed=1) == drawn(temperature=1.0, seed=1)
    assert drawn(temperature=1.0, seed=1) != drawn(temperature=1.0, seed=2)
    assert drawn(temperature=1e-6, seed=1) == drawn()


def test_a_context_that_was_read_is_not_read_again(part, stored, monkeypatch):
    serving = part("serving")
    streamer, asked = serving.streamer(*stored), []
    model = streamer._model
    monkeypatch.setattr(streamer, "_model", lambda rows: asked.append(rows) or model(rows))
    first = list(streamer.stream("import os", 10))
    count = len(asked)

    assert list(streamer.stream("something else, then import os", 10))
    assert list(streamer.stream("import os", 10)) == first
    assert count <= 10
    assert len(asked) <= count + 10
    monkeypatch.setattr(serving, "CACHED", 2)
    assert list(streamer.stream("def", 5))
    assert len(streamer._logits) <= count + 10


def test_bits_a_character_of_a_model_that_knows_nothing_is_the_logarithm_of_the_alphabet(
    part, model
):
    model.head.weight = mx.zeros_like(model.head.weight)
    rows = np.random.default_rng(0).integers(0, 96, (50, 13))
    assert part("model").bits_per_character(model, rows) == pytest.approx(np.log2(96), abs=1e-4)


def test_text_survives_encoding_except_what_is_not_ascii(part):
    corpus = part("corpus")
    assert corpus.decode(corpus.encode("a\tb é\n")) == "a b \n"


def test_no_character_of_a_training_module_is_in_another_split(part, monkeypatch):
    corpus = part("corpus")
    monkeypatch.setattr(corpus, "_modules", lambda: iter("abcdefg"[i] * 10 for i in range(7)))

    splits = corpus.build({"train": 30, "validation": 15, "test": 15}, share=10)

    assert splits == {
        "test": "a" * 10 + "b" * 5,
        "validation": "c" * 10 + "d" * 5,
        "train": "e" * 10 + "f" * 10 + "g" * 10,
    }


def test_windows_are_every_context_and_the_character_after_it(part):
    assert part("corpus").windows(np.arange(5), 2).tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]


def test_the_work_of_a_character_counts_every_dense_weight(part, model):
    shape = part("model").Shape()
    characters = len(part("corpus").CHARACTERS)
    dense = sum(getattr(model, name).weight.size for name in part("plans").LAYERS)

    assert part("work").answering_flops(shape, characters) == 2 * dense
    assert part("work").training_flops(shape, characters) == 6 * dense


@pytest.mark.parametrize("bits", [4, 8])
def test_what_a_character_reads_is_all_that_is_stored_but_the_unused_embeddings(part, model, bits):
    plans, shape = part("plans"), part("model").Shape()
    plans.quantise(model, dict.fromkeys(plans.LAYERS, bits), GROUP)
    unused = (len(part("corpus").CHARACTERS) - shape.context) * shape.embedding * 4

    assert part("work").bytes_read(model, shape) == plans.stored_bytes(model) - unused


def test_lines_of_code_are_those_that_somebody_would_have_go_on(part):
    corpus = part("corpus")
    text = "import os\n\n    x = 1  \n    return value\n)\n" + "line of code\n" * 9

    found = corpus.lines(corpus.encode(text), most=4)

    assert found == ["import os", "    return value", "line of code", "line of code"]


def test_its_evaluation_data_are_lines_and_how_they_go_on(project_module, stored, evaluated):
    train = project_module("03_Quantized_Optimization", "train")
    names = ("val_bits_per_char", "test_bits_per_char", "size_bytes", "compression_ratio")
    best = train.Result("r", "int4", 0, *stored, dict.fromkeys(names, 1.0))
    texts = ["import os", "def main() -> None:"]

    found = evaluated(train, lambda: train.register(best, texts)).table

    assert found["input.text"].to_pylist() == texts
    assert [len(text) for text in found["output.continuation"].to_pylist()] == [16, 16]
    assert all(bits > 0 for bits in found["output.bits_per_character"].to_pylist())
