"""The pure parts of project 08."""

import mlx.core as mx
import numpy as np
import pytest

PROJECT = "08_Meta_Learning_PEFT"


@pytest.fixture
def part(project_module):
    return lambda module: project_module(PROJECT, f"meta.{module}")


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    return {digit: rng.random((60, 8, 8), dtype=np.float32) for digit in range(10)}


@pytest.fixture
def tasks(part, pictures):
    rng = np.random.default_rng(0)
    return part("tasks").sample(pictures, "train", 3, rng, shots=2, queries=4)


@pytest.fixture
def base(part):
    """Random parameters whose head is not zero, so that every layer matters."""
    parameters = part("network").initial()
    return {k: mx.random.normal(v.shape) * 0.1 for k, v in parameters.items()}


def test_the_confidence_interval_is_that_of_the_formula(part):
    mean, low, high = part("learning").confidence_interval(np.array([0.2, 0.4, 0.6, 0.8]))
    half = 1.96 * np.sqrt(0.2 / 3) / 2
    assert (mean, low, high) == pytest.approx((0.5, 0.5 - half, 0.5 + half))


def test_equal_values_have_an_interval_without_width(part):
    assert part("learning").confidence_interval(np.full(5, 0.7)) == pytest.approx((0.7, 0.7, 0.7))


def test_fresh_adapters_leave_the_answers_unchanged(part, base):
    network, x = part("network"), mx.random.normal((5, 64))
    adapted = base | network.adapters(base, rank=4)
    assert np.array_equal(
        np.array(network.forward(adapted, x, 8.0)), np.array(network.forward(base, x, 8.0))
    )


def test_a_lora_inner_loop_changes_the_adapters_alone(part, base, tasks):
    network, learning = part("network"), part("learning")
    start = base | network.adapters(base, rank=4)
    inner = learning.Inner(lora=True, steps=2, learning_rate=0.1, alpha=8.0)

    adapted = learning.adapt(
        start, mx.array(tasks.support), mx.array(tasks.support_labels), inner, 2
    )

    moved = {k for k, v in start.items() if not np.allclose(np.array(adapted[k][0]), np.array(v))}
    assert moved == {"a0", "a1", "a2", "b0", "b1", "b2"}


def test_tasks_of_a_batch_are_learned_as_if_alone(part, base, tasks):
    learning = part("learning")
    inner = learning.Inner(lora=False, steps=3, learning_rate=0.1, alpha=8.0)
    support, labels = mx.array(tasks.support), mx.array(tasks.support_labels)

    together = learning.adapt(base, support, labels, inner, 3)
    alone = learning.adapt(base, support[1:2], labels[1:2], inner, 3)

    for name in base:
        assert np.allclose(np.array(together[name][1]), np.array(alone[name][0]), atol=1e-5)


def test_reptile_goes_the_share_of_the_way_to_what_the_tasks_learned(part, base, tasks):
    learning = part("learning")
    inner = learning.Inner(lora=False, steps=2, learning_rate=0.1, alpha=8.0)
    whole = learning.reptile(base, tasks, inner, 1.0)
    half = learning.reptile(base, tasks, inner, 0.5)
    for name, value in base.items():
        between = (np.array(value) + np.array(whole[name])) / 2
        assert np.allclose(np.array(half[name]), between, atol=1e-5)


def test_without_inner_steps_first_order_maml_is_the_plain_gradient(part, base, tasks):
    learning, network = part("learning"), part("network")
    inner = learning.Inner(lora=False, steps=0, learning_rate=0.1, alpha=8.0)

    _, slope = learning.fomaml_gradients(base, tasks, inner)

    query, labels = mx.array(tasks.query), mx.array(tasks.query_labels)
    plain = mx.grad(lambda p: network.task_losses(p, query, labels, 8.0) / len(query))(base)
    for name in base:
        assert np.allclose(np.array(slope[name]), np.array(plain[name]), atol=1e-5)


def test_worlds_and_pictures_of_the_splits_do_not_overlap(part, pictures):
    module = part("tasks")
    worlds = [set(module.worlds(split)) for split in module.SPLITS]
    shown = [len(module.part_of(pictures[0], split)) for split in module.SPLITS]
    assert [len(part) for part in worlds] == [160, 32, 64]
    assert len(set.union(*worlds)) == 256
    assert shown == [42, 9, 9]


def test_a_world_turns_inverts_and_shifts(part):
    picture = np.zeros((1, 8, 8), np.float32)
    picture[0, 0, 1] = 1

    seen = part("tasks").seen_in(picture, (0, True, 2, 3))

    assert seen[0, 2, 4] == 0
    assert seen.sum() == 63


def test_support_and_query_of_a_task_share_no_picture(tasks):
    for support, query in zip(tasks.support, tasks.query, strict=True):
        assert len({row.tobytes() for row in (*support, *query)}) == len(support) + len(query)


def test_a_prediction_keeps_the_labels_given_and_fills_in_the_others(part, base, tasks):
    learning, serving = part("learning"), part("serving")
    inner = learning.Inner(lora=False, steps=4, learning_rate=0.1, alpha=8.0)
    predict = serving.predictor(base, serving.configuration(inner, steps=4))
    pixels = np.concatenate([tasks.support[0], tasks.query[0]])
    labels = np.concatenate([tasks.support_labels[0], np.full(40, serving.UNKNOWN)])

    answers = predict({"pixels": pixels, "label": labels})

    assert answers["label"][:20].tolist() == tasks.support_labels[0].tolist()
    assert set(answers["label"][20:].tolist()) <= set(range(10))
    assert len(answers["confidence"]) == 60


@pytest.mark.parametrize(("labels", "message"), [([-1, -1], "No row has"), ([3, 12], "is a digit")])
def test_examples_that_cannot_be_learned_from_are_refused(part, base, labels, message):
    serving = part("serving")
    inner = part("learning").Inner(lora=False, steps=1, learning_rate=0.1, alpha=8.0)
    predict = serving.predictor(base, serving.configuration(inner, steps=1))
    with pytest.raises(ValueError, match=message):
        predict({"pixels": np.zeros((2, 64)), "label": np.array(labels)})
