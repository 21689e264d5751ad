"""The same predictor on PyTorch: for machines without MLX or Metal, and to compare both.

It needs torch, which the project itself does not, and nothing of MLX.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion.asking import Sampler, seeded, wanted
from diffusion.data import NO_LABEL, SIDE
from diffusion.schedule import Schedule, linear, sampling_steps

if TYPE_CHECKING:
    import torch

_FREQUENCIES = 16
_EPSILON = 1e-5


def predictor(
    weights: Mapping[str, np.ndarray], config: Mapping[str, Any], device: str
) -> Callable[[np.ndarray | Mapping[str, Any]], dict[str, np.ndarray]]:
    """Return a function from ``{"label": digits, "seed": optional}`` to ``{"image": (n, 8, 8)}``.

    Pixels are in [0, 1]. With a deterministic sampler the same label and seed give the same image.
    """
    import torch

    model = Denoiser(weights, config["blocks"], device)
    schedule = linear(config["timesteps"])
    sampler = Sampler(**config["sampler"])

    @torch.inference_mode()
    def predict(inputs: np.ndarray | Mapping[str, Any]) -> dict[str, np.ndarray]:
        columns = inputs if isinstance(inputs, Mapping) else {"label": inputs}
        labels = wanted(columns["label"])
        start = seeded(columns.get("seed"), len(labels))
        digits = torch.from_numpy(labels).to(device)
        images = sample(model, schedule, sampler, digits, torch.from_numpy(start).to(device))
        return {"image": ((images.cpu().numpy() + 1) / 2).reshape(-1, SIDE, SIDE)}

    return predict


class Denoiser:
    """The network of ``diffusion.network`` around its weights."""

    def __init__(self, weights: Mapping[str, np.ndarray], blocks: int, device: str) -> None:
        import torch

        self._weights = {
            name: torch.tensor(array).float().to(device) for name, array in weights.items()
        }
        self._blocks = blocks
        self._rates = torch.exp(torch.linspace(0.0, 5.0, _FREQUENCIES)).to(device)

    def __call__(
        self, noisy: "torch.Tensor", time: "torch.Tensor", labels: "torch.Tensor"
    ) -> "torch.Tensor":
        """Return the clean images under `noisy` at `time` in [0, 1] for `labels`."""
        import torch

        angles = time[:, None] * self._rates[None]
        asked = self._weights["label.weight"][labels]
        condition = torch.cat([angles.sin(), angles.cos(), asked], dim=-1)
        condition = self._linear("modulate", self._linear("mix", condition).relu())
        parts = condition.chunk(2 * self._blocks, dim=-1)
        x = self._linear("enter", noisy)
        for number, (scale, shift) in enumerate(zip(parts[::2], parts[1::2], strict=True)):
            level = torch.nn.functional.layer_norm(x, x.shape[-1:], eps=_EPSILON)
            inner = self._linear(f"blocks.{number}.inner", level * (1 + scale) + shift)
            x = x + self._linear(f"blocks.{number}.outer", inner.relu())
        return self._linear("leave", x.relu())

    def _linear(self, name: str, x: "torch.Tensor") -> "torch.Tensor":
        import torch

        weights = self._weights
        return torch.nn.functional.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def sample(
    model: Denoiser,
    schedule: Schedule,
    sampler: Sampler,
    labels: "torch.Tensor",
    start: "torch.Tensor",
) -> "torch.Tensor":
    """Return one image (64 pixels in [-1, 1]) a label, as ``diffusion.sampling`` makes it."""
    import torch

    x, generator = start, np.random.default_rng(0)
    path = sampling_steps(schedule.timesteps, sampler.steps).tolist()
    left = [*schedule.alpha_bar.tolist(), 1.0]  # index -1: no noise at all
    for here, below in zip(path, [*path[1:], -1], strict=True):
        time = torch.full((len(labels),), here / schedule.timesteps, device=x.device)
        clean = _guided(model, x, time, labels, sampler.guidance).clamp(-1.0, 1.0)
        x = _step(x, clean, left[here], left[below], sampler.eta, generator)
    return x.clamp(-1.0, 1.0)


def _step(
    x: "torch.Tensor",
    clean: "torch.Tensor",
    signal: float,
    signal_below: float,
    eta: float,
    generator: np.random.Generator,
) -> "torch.Tensor":
    import torch

    noise = (x - signal**0.5 * clean) / (1 - signal) ** 0.5
    share = (1 - signal_below) / (1 - signal) * (1 - signal / signal_below)
    spread = eta * max(share, 0.0) ** 0.5
    towards = max(1 - signal_below - spread**2, 0.0) ** 0.5
    x = signal_below**0.5 * clean + towards * noise
    if not eta:
        return x
    fresh = generator.standard_normal(tuple(x.shape)).astype(np.float32)
    return x + spread * torch.from_numpy(fresh).to(x.device)


def _guided(
    model: Denoiser,
    x: "torch.Tensor",
    time: "torch.Tensor",
    labels: "torch.Tensor",
    guidance: float,
) -> "torch.Tensor":
    import torch

    clean = model(x, time, labels)
    if not guidance:
        return clean
    anything = model(x, time, torch.full_like(labels, NO_LABEL))
    return (1 + guidance) * clean - guidance * anything
