"""The pure parts of project 09."""

import mlx.core as mx
import numpy as np
import pytest

PROJECT = "09_Self_Improving_Diffusion"


@pytest.fixture
def selfimprove(project_module):
    return lambda module: project_module(PROJECT, f"selfimprove.{module}")


def digits(selfimprove, labels, images=None):
    labels = np.array(labels)
    rows = np.zeros((len(labels), 64), np.float32) if images is None else images
    return selfimprove("data").Digits(rows, labels)


def test_the_loop_stops_after_so_many_rounds_without_enough_improvement(selfimprove):
    rule = selfimprove("stopping").StoppingRule(patience=2, least=0.5)
    stopped = []
    for value in (10.0, 8.0, 7.9, 7.8):
        rule.note(value)
        stopped.append(rule.stopped)

    assert stopped == [False, False, False, True]


def test_a_small_improvement_is_the_best_but_does_not_go_on_for_ever(selfimprove):
    rule = selfimprove("stopping").StoppingRule(patience=2, least=0.5)

    assert [rule.note(value) for value in (8.0, 7.9, 7.8)] == [True, True, True]
    assert (rule.best, rule.best_round, rule.stopped) == (7.8, 2, True)


def test_small_improvements_that_add_up_count_as_one(selfimprove):
    rule = selfimprove("stopping").StoppingRule(patience=2, least=0.5)
    for value in (8.0, 7.6, 7.2, 6.8, 6.4):
        rule.note(value)

    assert not rule.stopped


def test_a_recovery_begins_the_patience_anew(selfimprove):
    rule = selfimprove("stopping").StoppingRule(patience=2, least=0.5)
    for value in (8.0, 9.0, 5.0, 6.0):
        rule.note(value)

    assert not rule.stopped
    assert rule.best_round == 2


def test_what_is_not_a_number_is_never_the_best_and_stops_the_loop(selfimprove):
    rule = selfimprove("stopping").StoppingRule(patience=2, least=0.0)

    assert [rule.note(float("nan")) for _ in range(2)] == [False, False]
    assert rule.stopped
    assert rule.best_round is None


@pytest.mark.parametrize("arguments", [{"patience": 0, "least": 0}, {"patience": 1, "least": -1}])
def test_a_rule_that_cannot_be_is_refused(selfimprove, arguments):
    with pytest.raises(ValueError, match="patience"):
        selfimprove("stopping").StoppingRule(**arguments)


def test_signal_only_falls_and_ends_in_noise(selfimprove):
    left = selfimprove("generator").alpha_bar(100)

    assert (np.diff(left) < 0).all()
    assert 0 < left[-1] < 1e-3 < 0.99 < left[0] < 1


def test_the_filter_keeps_the_best_of_each_digit(selfimprove):
    samples = digits(selfimprove, [0, 0, 0, 0, 7, 7])
    scores = np.array([0.1, 0.9, 0.8, 0.2, 0.05, 0.01])

    kept = selfimprove("filters").best_of_each_digit(samples, scores, 0.5)

    assert kept.tolist() == [1, 2, 4]


@pytest.mark.parametrize("share", [0.0, 1.1])
def test_an_impossible_share_is_refused(selfimprove, share):
    with pytest.raises(ValueError, match="above 0"):
        selfimprove("filters").best_of_each_digit(digits(selfimprove, [0]), np.ones(1), share)


def test_confidence_is_that_of_the_digit_that_was_asked_for(selfimprove):
    scores = selfimprove("filters").confidence(
        lambda images: mx.array([[5.0] + [0.0] * 9] * len(images)), digits(selfimprove, [0, 1])
    )

    assert scores[0] > 0.9
    assert scores[1] < 0.01


def test_a_batch_has_the_share_of_synthetic_images_it_was_told(selfimprove):
    real, made = digits(selfimprove, [1] * 20), digits(selfimprove, [2] * 20)
    draws = np.random.default_rng(0)
    mixed_batch = selfimprove("generator").mixed_batch

    assert (mixed_batch(real, made, 64, 0.25, draws).labels == 2).sum() == 16
    assert (mixed_batch(real, made, 64, 1.0, draws).labels == 2).all()
    assert (mixed_batch(real, None, 64, 0.5, draws).labels == 1).all()


def test_the_few_are_balanced_and_only_so_many_labels_are_struck(selfimprove):
    images = np.arange(1000, dtype=np.float32)[:, None].repeat(64, axis=1)
    train = digits(selfimprove, np.arange(1000) % 10, images)

    few = selfimprove("labels").noisy_few(train, 200, 0.3, seed=1)
    truth = few.images[:, 0].astype(int) % 10

    assert np.bincount(truth).tolist() == [20] * 10
    assert 40 <= (few.labels != truth).sum() <= 60
    assert (train.labels == np.arange(1000) % 10).all()


def test_without_noise_all_labels_are_true(selfimprove):
    images = np.arange(100, dtype=np.float32)[:, None].repeat(64, axis=1)

    few = selfimprove("labels").noisy_few(
        digits(selfimprove, np.arange(100) % 10, images), 50, 0.0, seed=1
    )

    assert (few.labels == few.images[:, 0].astype(int) % 10).all()


def test_the_joint_distance_sees_swapped_labels(selfimprove):
    features = np.random.default_rng(0).standard_normal((200, 4))
    features[:100] += 5
    right = digits(selfimprove, [0] * 100 + [1] * 100)
    swapped = digits(selfimprove, [1] * 100 + [0] * 100)
    distance = selfimprove("judging").joint_frechet

    assert distance(features, right, features, right) == pytest.approx(0, abs=1e-6)
    assert distance(features, swapped, features, right) > 1


def test_sampling_is_deterministic_and_refuses_impossible_steps(selfimprove):
    generator = selfimprove("generator")
    model = selfimprove("network").Denoiser(16, 1)
    labels, start = np.array([3, 7]), generator.starting_noise(np.array([1, 2]))

    first, second = (generator.sample(model, labels, start, steps=4) for _ in range(2))

    assert np.array_equal(first, second)
    with pytest.raises(ValueError, match="between 1 and 100"):
        generator.sample(model, labels, start, steps=0)


def loop_of(selfimprove, values, *, patience, scores=None):
    """Run a tiny loop whose judge says these values."""
    loop, stopping = selfimprove("loop"), selfimprove("stopping")
    generator = selfimprove("generator").Generator(8, 1e-3, seed=0)
    says = iter(values)
    plan = loop.Plan(
        scores=scores,
        kept_share=0.5,
        samples=20,
        steps=1,
        batch_size=8,
        synthetic_share=0.5,
        sampling_steps=2,
        most_rounds=len(values) - 1,
    )
    return list(
        loop.run(
            generator,
            digits(selfimprove, np.arange(20) % 10),
            lambda images: mx.zeros((len(images), 10)),
            plan,
            stopping.StoppingRule(patience=patience, least=0.5),
            judge=lambda _: selfimprove("judging").Judged(next(says), 0.0, 0.0, 0.0),
            on_step=lambda *_: None,
            seed=0,
        )
    )


def test_the_loop_ends_by_the_rule_and_names_the_best_round(selfimprove):
    rounds = loop_of(selfimprove, [9.0, 5.0, 6.0, 7.0, 1.0], patience=2)

    assert [(done.number, done.best) for done in rounds] == [
        (0, True),
        (1, True),
        (2, False),
        (3, False),
    ]


def test_the_loop_trains_on_the_share_of_samples_that_passed(selfimprove):
    confidence = selfimprove("filters").confidence
    rounds = loop_of(selfimprove, [9.0, 8.0], patience=2, scores=confidence)

    assert [done.kept for done in rounds] == [0, 10]
    assert not np.array_equal(
        np.array(rounds[0].weights["enter.weight"]), np.array(rounds[1].weights["enter.weight"])
    )


def test_a_copy_goes_on_without_changing_the_original(selfimprove):
    original = selfimprove("generator").Generator(8, 1e-3, seed=0)
    before = np.array(original.weights()["enter.weight"])
    copy = original.copy(seed=1)

    copy.train(
        digits(selfimprove, np.arange(20) % 10),
        None,
        steps=3,
        batch_size=8,
        synthetic_share=0.0,
        on_step=lambda *_: None,
    )

    assert np.array_equal(before, np.array(original.weights()["enter.weight"]))
    assert not np.array_equal(before, np.array(copy.weights()["enter.weight"]))


def test_its_evaluation_data_are_pictures_of_the_digits_it_was_judged_by(
    selfimprove, project_module, evaluated
):
    from mlx.utils import tree_flatten

    train, parts = project_module(PROJECT, "train"), selfimprove("data").load()
    model = selfimprove("network").Denoiser(16, 3)
    options = train.arguments(["--width", "16"])
    scores = {"val_joint_frechet": 1.0, "test_joint_frechet": 1.0}
    weights = dict(tree_flatten(model.parameters()))
    best = train.Result("r", "confidence", 0, weights, scores)

    found = evaluated(train, lambda: train.register(best, parts["test"], options))

    assert found.table["input.label"].to_pylist() == parts["test"].labels.tolist() * 2
    answers = {name for name in found.table.column_names if name.startswith("output.")}
    assert answers == {f"output.image.{what}" for what in ("mean", "std", "min", "max")}
    assert found.ignored == {"input.seed"}
