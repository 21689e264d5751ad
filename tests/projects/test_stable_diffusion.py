"""The pure parts of project 02."""

import struct
import zlib

import mlx.core as mx
import numpy as np
import pytest

PROJECT = "02_Stable_Diffusion"


@pytest.fixture
def diffusion(project_module):
    return lambda module: project_module(PROJECT, f"diffusion.{module}")


@pytest.mark.parametrize("timesteps", [20, 100, 1000])
def test_signal_only_falls_and_ends_in_noise(diffusion, timesteps):
    left = diffusion("schedule").linear(timesteps).alpha_bar

    assert (np.diff(left) < 0).all()
    assert 0 < left[-1] < 1e-3
    assert 0.99 < left[0] < 1


def test_a_schedule_too_short_to_reach_noise_is_refused(diffusion):
    with pytest.raises(ValueError, match="at least 20"):
        diffusion("schedule").linear(10)


def test_sampling_steps_go_from_the_noisiest_to_zero(diffusion):
    steps = diffusion("schedule").sampling_steps(100, 20)

    assert (steps[0], steps[-1], len(set(steps.tolist()))) == (99, 0, 20)
    assert (np.diff(steps) < 0).all()


@pytest.mark.parametrize("steps", [0, 101])
def test_an_impossible_number_of_sampling_steps_is_refused(diffusion, steps):
    with pytest.raises(ValueError, match="between 1 and 100"):
        diffusion("schedule").sampling_steps(100, steps)


def test_ddim_is_deterministic_and_ddpm_is_not(diffusion):
    sampling, schedule = diffusion("sampling"), diffusion("schedule").linear(50)
    model = diffusion("network").Denoiser(16, 1)
    labels, start = np.array([3, 7]), sampling.starting_noise(np.array([1, 2]))

    def images(eta, seed):
        sampler = sampling.Sampler(steps=5, eta=eta)
        return sampling.sample(model, schedule, sampler, labels, start, seed=seed)

    assert np.array_equal(images(0.0, 1), images(0.0, 2))
    assert not np.allclose(images(1.0, 1), images(1.0, 2))


def test_a_step_towards_the_true_image_lands_on_the_true_noise_level(diffusion):
    generator = np.random.default_rng(0)
    clean = generator.uniform(-1, 1, (4, 64)).astype(np.float32)
    noise = generator.standard_normal((4, 64)).astype(np.float32)

    def at(signal):
        return np.sqrt(signal) * clean + np.sqrt(1 - signal) * noise

    below = diffusion("sampling").step(mx.array(at(0.2)), mx.array(clean), 0.2, 0.7)

    assert np.allclose(np.array(below), at(0.7), atol=1e-5)


def test_the_last_step_returns_the_predicted_image(diffusion):
    clean = np.linspace(-1, 1, 64, dtype=np.float32)[None]
    fresh = np.ones((1, 64), dtype=np.float32)

    image = diffusion("sampling").step(mx.zeros((1, 64)), mx.array(clean), 0.9, 1.0, 1.0, fresh)

    assert np.allclose(np.array(image), clean, atol=1e-6)


def test_the_same_seed_gives_the_same_noise_in_any_company(diffusion):
    noise = diffusion("sampling").starting_noise

    assert np.array_equal(noise(np.array([5, 9]))[1], noise(np.array([9]))[0])


def test_fréchet_is_zero_between_equal_sets_and_the_squared_shift_between_shifted_ones(diffusion):
    frechet = diffusion("quality").frechet
    rows = np.random.default_rng(0).standard_normal((50, 4))

    assert frechet(rows, rows) == pytest.approx(0, abs=1e-6)
    assert frechet(rows, rows + np.array([3, 0, 0, 0])) == pytest.approx(9, abs=1e-6)


def test_the_parts_have_fixed_sizes_and_every_digit(diffusion):
    parts = diffusion("data").load()

    assert {name: len(part) for name, part in parts.items()} == {
        "train": 1197,
        "val": 300,
        "test": 300,
    }
    assert all(set(part.labels.tolist()) == set(range(10)) for part in parts.values())
    assert all(abs(part.images).max() <= 1 for part in parts.values())


def test_the_linear_layer_has_mlx_own_values_and_gradients(diffusion):
    layer = diffusion("numerics").Linear(5, 3)
    x, weight = mx.random.normal((4, 5)), layer.weight

    def ours(w):
        layer.weight = w
        return mx.square(layer(x)).sum()

    def plain(w):
        return mx.square(x @ w.T + layer.bias).sum()

    for one, other in zip(
        mx.value_and_grad(ours)(weight), mx.value_and_grad(plain)(weight), strict=True
    ):
        assert np.allclose(np.array(one), np.array(other), rtol=1e-4, atol=1e-5)


def test_a_stored_model_is_rebuilt_to_the_same_images(diffusion):
    from mlx.utils import tree_flatten

    model = diffusion("network").Denoiser(16, 2)
    config = {
        "width": 16,
        "blocks": 2,
        "timesteps": 40,
        "sampler": {"steps": 4, "eta": 0.0, "guidance": 0.0},
    }
    weights = dict(tree_flatten(model.parameters()))
    request = {"label": [1, 2, 3], "seed": [10, 11, 12]}
    first, second = (
        diffusion("serving").predictor(weights, config)(request)["image"] for _ in range(2)
    )

    assert first.shape == (3, 8, 8)
    assert np.array_equal(first, second)
    assert first.min() >= 0
    assert first.max() <= 1


@pytest.mark.parametrize("labels", [[10], [-1, 2], [], [1.5]])
def test_labels_that_are_no_digits_are_refused(diffusion, labels):
    with pytest.raises(ValueError, match="from 0 to 9"):
        diffusion("serving").wanted(labels)


def test_the_picture_is_a_png_of_the_right_size(diffusion, tmp_path):
    path = tmp_path / "grid.png"
    diffusion("picture").write_grid(path, np.zeros((20, 64)), columns=10)
    content = path.read_bytes()

    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", content[16:24]) == (10 * 9 * 4, 2 * 9 * 4)
    start = content.index(b"IDAT") + 4
    size = struct.unpack(">I", content[start - 8 : start - 4])[0]
    assert len(zlib.decompress(content[start : start + size])) == 72 * 361


def test_its_evaluation_data_are_pictures_of_the_digits_it_was_judged_by(
    diffusion, project_module, evaluated
):
    train, parts = project_module(PROJECT, "train"), diffusion("data").load()
    model = diffusion("network").Denoiser(16, 2)
    options = train.arguments(["--width", "16"])
    scores = {"val_frechet": 1.0, "test_frechet": 1.0}
    sampler = diffusion("sampling").Sampler(steps=2, eta=0.0)
    best = train.Result("r", "ddim", 0, model, sampler, scores)

    found = evaluated(train, lambda: train.register(best, parts["test"], options))

    assert found.table["input.label"].to_pylist() == parts["test"].labels.tolist() * 2
    answers = {name for name in found.table.column_names if name.startswith("output.")}
    assert answers == {f"output.image.{what}" for what in ("mean", "std", "min", "max")}
    assert found.ignored == {"input.seed"}
