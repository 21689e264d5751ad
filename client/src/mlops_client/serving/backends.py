"""Which backend a model runs on here, and why: MLX, else torch on MPS, CUDA or the CPU."""

import os
import sys
from dataclasses import dataclass, replace

from mlops_client.serving.info import Info, LoadError

BACKENDS = ("auto", "mlx", "mps", "cuda", "cpu")
_TORCH = ("mps", "cuda", "cpu")
_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Choice:
    """A backend and the reason, as a sentence."""

    backend: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a model can run on here."""

    mlx: bool
    metal: bool
    working_set_bytes: int | None
    """What Metal recommends at most; None without Metal."""
    torch: tuple[str, ...]
    """Devices of torch, best first; () without torch."""


def here(info: Info, wanted: str) -> Machine:
    """Look at what the choice hangs on, no more: MLX and torch take time and memory to import."""
    if wanted in _TORCH:
        return Machine(mlx=False, metal=False, working_set_bytes=None, torch=_torch_devices())
    found = _mlx_machine()
    if wanted != "auto" or not info.torch_entry or _against_mlx(info, found) is None:
        return found
    return replace(found, torch=_torch_devices())


def _mlx_machine() -> Machine:
    try:
        import mlx.core as mx
    except ImportError:
        return Machine(mlx=False, metal=False, working_set_bytes=None, torch=())
    metal = bool(mx.metal.is_available())
    most = mx.device_info().get("max_recommended_working_set_size") if metal else None
    return Machine(
        mlx=True,
        metal=metal,
        working_set_bytes=None if most is None else int(most),
        torch=(),
    )


def _torch_devices() -> tuple[str, ...]:
    # Threads of OpenMP wait for each other by spinning. On a machine that does something else too
    # that took a classifier from 0.2 ms to 76 ms (`benchmarks/backends.py`, 2 threads on 2 cores).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import torch
    except ImportError:
        return ()
    mps = bool(torch.backends.mps.is_available())
    return tuple(
        name
        for name, there in (("mps", mps), ("cuda", torch.cuda.is_available()), ("cpu", True))
        if there
    )


def choose(info: Info, wanted: str, here: Machine) -> Choice:
    """Return what a model of MLX weights runs on.

    Raises:
        LoadError: It runs on nothing here, or not on what is wanted.
    """
    if wanted != "auto":
        return _wanted(info, wanted, here)
    against = _against_mlx(info, here)
    if against is None:
        where = "Metal is available" if here.metal else f"MLX runs on the CPU of this {_system()}"
        return Choice("mlx", f"MLX first: the weights are MLX's and {where}.")
    if info.torch_entry and here.torch:
        return Choice(here.torch[0], f"{against} torch has {here.torch[0]}.")
    lacks = (
        "Torch is not in the project's environment"
        if info.torch_entry
        else "The project has no torch model"
    )
    if here.mlx:
        return Choice("mlx", f"{against} {lacks}, so it is MLX all the same.")
    raise LoadError(
        f"{against} {lacks} either, so nothing can run it.",
        "Install mlx in the project's environment: `uv add mlx` there.",
    )


def _against_mlx(info: Info, here: Machine) -> str | None:
    if not here.mlx:
        return "MLX is not in the project's environment."
    if not here.metal and sys.platform == "darwin":
        return "Metal is not available to this process."
    most = here.working_set_bytes
    if most is not None and info.weights_bytes > _SHARE * most:
        return (
            f"The weights ({info.weights_bytes / 1e9:.1f} GB) are more than 90 % of what Metal "
            f"recommends here ({most / 1e9:.1f} GB)."
        )
    return None


def _wanted(info: Info, wanted: str, here: Machine) -> Choice:
    if wanted == "mlx":
        if here.mlx:
            return Choice("mlx", "A person chose MLX.")
        raise LoadError(
            "MLX was chosen and is not in the project's environment.",
            "Install mlx there, or leave the choice to the platform.",
        )
    if wanted not in _TORCH:
        raise LoadError(f"There is no backend {wanted!r}.", f"Choose one of {', '.join(BACKENDS)}.")
    if not info.torch_entry:
        raise LoadError(
            f"The backend {wanted} needs torch, and the project has no torch model.",
            "Name one as `torch` in [tool.mlops.serve] of its pyproject.toml, or choose mlx.",
        )
    if not here.torch:
        raise LoadError(
            f"The backend {wanted} needs torch, which is not in the project's environment.",
            "Install torch there: `uv add torch`; or choose mlx.",
        )
    if wanted not in here.torch:
        found = ", ".join(here.torch)
        raise LoadError(
            f"The backend {wanted} was chosen; torch has {found} here.", "Choose another one."
        )
    return Choice(wanted, f"A person chose {wanted}.")


def only_cpu(wanted: str, what: str) -> Choice:
    """Return the CPU, for a format that knows nothing else.

    Raises:
        LoadError: Another backend is wanted.
    """
    if wanted in ("auto", "cpu"):
        return Choice("cpu", f"{what} runs on the CPU.")
    raise LoadError(f"{what} does not run on {wanted}.", "Choose cpu, or leave the choice open.")


def _system() -> str:
    return "Mac" if sys.platform == "darwin" else "Linux machine"
