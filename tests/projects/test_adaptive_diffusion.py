"""The pure parts of project 07."""

import mlx.core as mx
import numpy as np
import pytest

PROJECT = "07_Adaptive_Diffusion"


@pytest.fixture
def adaptive(project_module):
    return lambda module: project_module(PROJECT, f"adaptive.{module}")


@pytest.mark.parametrize("name", ["linear", "cosine"])
@pytest.mark.parametrize("timesteps", [20, 100, 1000])
def test_signal_only_falls_and_ends_in_noise(adaptive, name, timesteps):
    left = adaptive("schedules").SCHEDULES[name](timesteps).alpha_bar

    assert len(left) == timesteps
    assert (np.diff(left) < 0).all()
    assert 0 < left[-1] < 1e-3
    assert 0.98 < left[0] < 1


def test_the_cosine_schedule_keeps_more_signal_half_way(adaptive):
    schedules = adaptive("schedules")

    assert schedules.cosine(100).alpha_bar[49] == pytest.approx(0.49, abs=0.02)
    assert schedules.linear(100).alpha_bar[49] < 0.1


@pytest.mark.parametrize(("name", "timesteps"), [("linear", 19), ("cosine", 0)])
def test_a_schedule_that_is_too_short_is_refused(adaptive, name, timesteps):
    with pytest.raises(ValueError, match="at least"):
        adaptive("schedules").SCHEDULES[name](timesteps)


def test_equal_costs_give_evenly_spaced_steps_from_the_noisiest(adaptive):
    path = adaptive("steps").equal_shares(np.ones(100), 4)

    assert path.tolist() == [99, 74, 49, 24]


def test_steps_crowd_where_the_cost_is(adaptive):
    costs = np.ones(100)
    costs[:10] = 100

    path = adaptive("steps").equal_shares(costs, 5)

    assert path[0] == 99
    assert (path[1:] < 10).all()
    assert (np.diff(path) < 0).all()


def test_steps_stay_distinct_when_one_timestep_has_all_the_cost(adaptive):
    costs = np.zeros(20)
    costs[1] = 1.0

    path = adaptive("steps").equal_shares(costs, 6)

    assert (np.diff(path) < 0).all()
    assert path[-1] >= 0


def test_all_steps_are_all_timesteps(adaptive):
    assert adaptive("steps").equal_shares(np.ones(20), 20).tolist() == list(range(19, -1, -1))


@pytest.mark.parametrize("steps", [0, 21])
def test_an_impossible_number_of_steps_is_refused(adaptive, steps):
    with pytest.raises(ValueError, match="between 1 and 20"):
        adaptive("steps").equal_shares(np.ones(20), steps)


def test_a_negative_cost_is_refused(adaptive):
    with pytest.raises(ValueError, match="negative"):
        adaptive("steps").equal_shares(np.array([1.0, -1.0]), 1)


def test_loss_aware_timesteps_are_uniform_until_all_were_seen(adaptive):
    timesteps = adaptive("timesteps").LossAware(100)
    timesteps.learn(np.arange(50), np.full(50, 9.0))

    assert np.allclose(timesteps.shares, 1 / 20)


def test_loss_aware_timesteps_prefer_large_losses_and_forget_none(adaptive):
    timesteps = adaptive("timesteps").LossAware(100, floor=0.2)
    losses = np.ones(100)
    losses[:5] = 20
    timesteps.learn(np.arange(100), losses)

    shares = timesteps.shares

    assert shares.sum() == pytest.approx(1)
    assert shares[0] == pytest.approx(0.2 / 20 + 0.8 * 20 / 39)
    assert (shares >= 0.01).all()


def test_loss_aware_weights_keep_the_expected_loss(adaptive):
    timesteps = adaptive("timesteps").LossAware(100)
    losses = np.linspace(0.1, 3.0, 100)
    timesteps.learn(np.arange(100), losses)

    times, weights = timesteps.draw(np.random.default_rng(0), 200_000)

    assert (weights * losses[times]).mean() == pytest.approx(losses.mean(), rel=0.01)


def test_sampling_is_deterministic_and_follows_the_path(adaptive):
    sampling, schedules = adaptive("sampling"), adaptive("schedules")
    model = adaptive("network").Denoiser(16, 1)
    seen = []

    def spy(x, time, labels):
        seen.append(round(time[0].item(), 4))
        return model(x, time, labels)

    path = sampling.stops(schedules.cosine(100), np.array([99, 40, 3]))
    labels, start = np.array([3, 7]), sampling.starting_noise(np.array([1, 2]))
    first, second = (sampling.sample(spy, path, labels, start) for _ in range(2))

    assert seen == [0.99, 0.4, 0.03] * 2
    assert np.array_equal(first, second)


def test_a_perfect_network_gives_the_true_image_in_any_number_of_steps(adaptive):
    sampling, schedules = adaptive("sampling"), adaptive("schedules")
    clean = np.linspace(-1, 1, 64, dtype=np.float32)[None]
    path = sampling.stops(schedules.linear(100), np.array([99, 50]))

    image = sampling.sample(
        lambda *_: mx.array(clean), path, np.array([0]), sampling.starting_noise(np.array([1]))
    )

    assert np.allclose(image, clean, atol=1e-5)


def test_its_evaluation_data_are_pictures_of_the_digits_it_was_judged_by(
    adaptive, project_module, evaluated
):
    train, parts = project_module(PROJECT, "train"), adaptive("data").load()
    model = adaptive("network").Denoiser(16, 2)
    options = train.arguments(["--width", "16"])
    scores = {"val_frechet": 1.0, "test_frechet": 1.0}
    path = [adaptive("sampling").Stop(0.9, 0.1), adaptive("sampling").Stop(0.1, 0.9)]
    best = train.Result("r", "cosine", 0, model, path, scores)

    found = evaluated(train, lambda: train.register(best, parts["test"], options))

    assert found.table["input.label"].to_pylist() == parts["test"].labels.tolist() * 2
    answers = {name for name in found.table.column_names if name.startswith("output.")}
    assert answers == {f"output.image.{what}" for what in ("mean", "std", "min", "max")}
    assert found.ignored == {"input.seed"}
