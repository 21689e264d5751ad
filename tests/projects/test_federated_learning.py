"""The pure parts of project 06, and its processes."""

import mlx.core as mx
import numpy as np
import pytest

PROJECT = "06_Federated_Learning"


@pytest.fixture
def federated(project_module):
    return lambda module: project_module(PROJECT, f"federated.{module}")


def test_the_average_counts_each_client_by_its_images(federated):
    ones, fives = {"w": np.full((2, 2), 1.0)}, {"w": np.full((2, 2), 5.0)}

    mean = federated("averaging").weighted_mean([(ones, 30), (fives, 10)])

    assert np.array_equal(mean["w"], np.full((2, 2), 2.0, dtype=np.float32))


def test_the_share_of_a_client_that_dropped_out_falls_to_the_rest(federated):
    average = federated("averaging").weighted_mean
    clients = [({"w": np.array([value])}, images) for value, images in ((1.0, 10), (2.0, 30))]
    lost = ({"w": np.array([100.0])}, 60)

    assert average([*clients, lost])["w"] == pytest.approx([60.7])
    assert average(clients)["w"] == pytest.approx([1.75])


def test_nothing_cannot_be_averaged(federated):
    with pytest.raises(ValueError, match="nothing to average"):
        federated("averaging").weighted_mean([])


def test_absences_are_the_same_for_the_same_seed_and_never_everybody(federated):
    present = federated("averaging").present

    rounds = [present(5, 0.5, 3, number) for number in range(50)]

    assert rounds == [present(5, 0.5, 3, number) for number in range(50)]
    assert len({tuple(here) for here in rounds}) > 5
    assert all(present(3, 1.0, 0, number) for number in range(20))
    assert present(5, 0.0, 0, 0) == [0, 1, 2, 3, 4]


def test_divergence_is_the_distance_from_the_mean(federated):
    left, right = {"w": np.array([-3.0, 0.0])}, {"w": np.array([3.0, 0.0])}

    assert federated("averaging").divergence(
        [(left, 1), (right, 1)], {"w": np.zeros(2)}
    ) == pytest.approx(3.0)


def test_a_round_nobody_answered_changes_nothing(federated):
    models = [{"w": np.array([1.0])}]

    assert federated("rounds").next_models(models, {}, average=True) == (models, None)


def test_without_averaging_each_client_keeps_its_own_weights(federated):
    models = [{"w": np.array([value])} for value in (1.0, 2.0)]
    trained = {"w": np.array([9.0])}

    after, spread = federated("rounds").next_models(models, {1: (trained, 5)}, average=False)

    assert after == [models[0], trained]
    assert spread is None


def test_the_split_gives_every_row_to_one_client_and_is_uneven(federated):
    labels = np.repeat(np.arange(10), 100)

    shards = federated("data").dirichlet_split(labels, 5, 0.3, np.random.default_rng(0))

    assert sorted(np.concatenate(shards).tolist()) == list(range(1000))
    shares = np.array([np.bincount(labels[rows], minlength=10) / len(rows) for rows in shards])
    assert shares.max() > 0.2


def test_too_many_clients_are_refused(federated):
    with pytest.raises(ValueError, match="too few for 30 clients"):
        federated("data").dirichlet_split(np.arange(1000) % 10, 30, 0.3, np.random.default_rng(0))


def test_messages_survive_any_cutting_of_the_pipe(federated):
    wire = federated("wire")
    weights = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(0, np.float32)}
    sent = wire.encode(wire.Message("train", {"round": 1}, weights)) + wire.encode(
        wire.Message("ready", {"samples": 7})
    )
    decoder = wire.Decoder()

    heard = [message for byte in sent for message in decoder.feed(bytes([byte]))]

    assert [(message.kind, message.fields) for message in heard] == [
        ("train", {"round": 1}),
        ("ready", {"samples": 7}),
    ]
    assert np.array_equal(heard[0].arrays["a"], weights["a"])
    assert heard[0].arrays["b"].shape == (0,)


def test_nonsense_on_the_pipe_is_refused(federated):
    with pytest.raises(ValueError, match="no message of ours"):
        federated("wire").Decoder().feed(b"Traceback (most recent call last)")


def digits_of(federated, images=40, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 10, images)
    return federated("data").Digits(generator.random((images, 64)).astype(np.float32), labels)


def test_the_proximal_term_holds_a_client_near_where_it_began(federated):
    local, model = federated("local"), federated("model")
    start = model.initial_weights(8, seed=0)
    moved = []
    for mu in (0.0, 10.0):
        work = local.Work(epochs=3, batch_size=8, learning_rate=0.1, proximal=mu)
        weights, _ = local.train(start, digits_of(federated), work, seed=1)
        moved.append(sum(float(((weights[name] - start[name]) ** 2).sum()) for name in start))

    assert moved[1] < moved[0] / 2


def test_the_distance_is_squared_and_over_all_weights(federated):
    model = federated("model")
    weights = model.initial_weights(4, seed=0)
    shifted = {name: mx.array(array + 2) for name, array in weights.items()}
    size = sum(array.size for array in weights.values())

    distance = federated("local").distance(model.model_from(weights), shifted)

    assert distance.item() == pytest.approx(4 * size, rel=1e-5)


def test_each_client_is_judged_in_its_own_mix_of_digits(federated):
    scoring, model = federated("scoring"), federated("model")
    weights = {
        name: np.zeros_like(array) for name, array in model.initial_weights(4, seed=0).items()
    }
    weights["last.bias"][3] = 1.0  # a model that always says 3
    digits = federated("data").Digits(np.zeros((20, 64), np.float32), np.arange(20) % 10)
    mixes = [np.eye(10)[3], np.full(10, 0.1)]

    assert scoring.client_accuracies([weights], digits, mixes) == pytest.approx([1.0, 0.1])
    assert scoring.scores([weights], digits, "val")["val_accuracy"] == pytest.approx(0.1)


def test_a_stored_model_names_digits_and_refuses_other_shapes(federated):
    weights = federated("model").initial_weights(4, seed=0)
    predict = federated("serving").predictor(
        {name: mx.array(array) for name, array in weights.items()}, {}
    )

    answers = predict({"image": np.zeros((3, 8, 8))})

    assert answers["label"].shape == answers["confidence"].shape == (3,)
    with pytest.raises(ValueError, match="64 pixels"):
        predict({"image": np.zeros((1, 63))})


def test_a_client_killed_while_it_trains_is_survived_and_replaced(federated, tmp_path):
    data, rounds = federated("data"), federated("rounds")
    train = digits_of(federated, images=90)
    rows = [np.arange(0, 30), np.arange(30, 60), np.arange(60, 90)]
    shards = data.write_shards(tmp_path, train, rows)
    work = federated("local").Work(epochs=1, batch_size=10, learning_rate=0.1)
    plan = rounds.Plan(rounds=3, clients=3, work=work, seed=0, kill_round=1)
    start = federated("model").initial_weights(8, seed=0)

    with federated("fleet").Fleet(shards, timeout_s=60) as fleet:
        before = [client.pid for client in fleet.clients]
        done = list(rounds.run(fleet, plan, start))
        after = [client.pid for client in fleet.clients]

    assert [(each.answered, each.died) for each in done] == [(3, 0), (2, 1), (3, 0)]
    assert [new == old for new, old in zip(after, before, strict=True)] == [True, True, False]
    assert [each.images for each in done] == [90, 60, 90]


def test_a_client_that_does_not_answer_in_time_is_given_up_and_replaced(federated, tmp_path):
    import os
    import signal

    data, wire = federated("data"), federated("wire")
    shards = data.write_shards(tmp_path, digits_of(federated, images=30), [np.arange(30)])
    request = wire.Message("train", {}, {})

    with federated("fleet").Fleet(shards, timeout_s=0.2) as fleet:
        sleeper = fleet.clients[0].pid
        os.kill(sleeper, signal.SIGSTOP)

        assert fleet.round({0: request}) == {}
        assert fleet.clients[0].pid != sleeper
