"""What a model computes on: MLX first, then PyTorch on Metal, then CUDA, then the CPU; and why.

A person's wish goes first, then what the version prefers, then the rule. A wish that the weights
or the machine cannot meet is refused with a sentence, never quietly replaced.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.engines.silicon.models import Machine as SiliconMachine
from services.errors import InputError
from services.resources.models import gib
from services.serving.models import Backend, BundleInfo

WORKING_SET_SHARE = 0.9
"""Of what Metal recommends as the working set of one process; beyond it the GPU pages."""

ORDER: tuple[Backend, ...] = ("mlx", "mps", "cuda", "cpu")
TITLES: Mapping[Backend, str] = {
    "mlx": "MLX",
    "mps": "PyTorch on Metal (MPS)",
    "cuda": "CUDA",
    "cpu": "the CPU",
}
_TORCH: tuple[Backend, ...] = ("mps", "cuda", "cpu")
_RUNS: Mapping[str, tuple[Backend, ...]] = {
    "mlx": ("mlx",),
    "onnx": ("cuda", "cpu"),
    "skops": ("cpu",),
    "booster": ("cpu",),
}
"""What weights of a flavour run on. MLX weights also run on PyTorch where the version's bundle
names a torch model that reads them; nothing is converted to MLX unasked."""
_TORCH_THERE = "lib/python*/site-packages/torch/__init__.py"
_WEIGHTS = {
    "mlx": "MLX weights",
    "onnx": "an ONNX graph",
    "skops": "a scikit-learn model",
    "booster": "a boosted ensemble of trees",
}


@dataclass(frozen=True, slots=True)
class Machine:
    """What of a machine decides on a backend."""

    chip: str | None = None
    apple_silicon: bool = False
    metal: bool = False
    """Whether Metal is there; not so on a Mac in a virtual machine or without its GPU."""
    cuda: bool = False
    recommended_working_set_bytes: int | None = None
    """What Metal lets one process wire; None: not known."""
    total_bytes: int | None = None
    host: str = ""

    @property
    def said(self) -> str:
        """Return its name for people."""
        return self.chip or ("this Mac" if self.apple_silicon else "this machine")

    @property
    def limit_bytes(self) -> int | None:
        """Return what a model on Metal may take; None: not limited, or not known."""
        if self.recommended_working_set_bytes is None:
            return None
        return int(WORKING_SET_SHARE * self.recommended_working_set_bytes)


@dataclass(frozen=True, slots=True)
class Choice:
    """A backend, and why it is that one."""

    backend: Backend
    reason: str


def machine_of(found: SiliconMachine, *, cuda: bool = False) -> Machine:
    """Return what telemetry or ``describe`` knows of a machine as it decides here.

    Metal is there when the machine told how much it recommends, or has an Apple GPU: off a Mac
    neither is known.
    """
    metal = found.apple_silicon and bool(
        found.recommended_working_set_bytes or found.gpu_cores or found.gpu
    )
    return Machine(
        chip=found.chip,
        apple_silicon=found.apple_silicon,
        metal=metal,
        cuda=cuda,
        recommended_working_set_bytes=found.recommended_working_set_bytes,
        total_bytes=found.memory_bytes,
        host=found.host,
    )


def choose(
    info: BundleInfo,
    machine: Machine,
    needs_bytes: int,
    override: Backend | None = None,
    *,
    torch: bool | None = None,
) -> Choice:
    """Return what a version computes on, with the reason as a sentence.

    Args:
        info: The version.
        machine: Where it is to run.
        needs_bytes: What one replica takes at most.
        override: What a person asks for; None: the rule decides.
        torch: Whether it can run on PyTorch there (``has_torch``); None: not known, a person may
            ask for it and the model server says whether it can.

    Raises:
        InputError: The backend asked for cannot run these weights, or is not on this machine.
    """
    if override is not None:
        wrong = unfit(info, machine, override, torch=torch is not False)
        if wrong:
            options = _options(info, machine, torch=bool(torch))
            hint = f"Leave the backend open, or choose {options}."
            raise InputError(wrong, f"{hint} {_missing(info, override, torch=torch)}".strip())
        return Choice(override, f"Chosen by a person: {_what(override, info, machine)}.")
    preferred = info.preferred_backend
    if preferred is None:
        return _by_rule(info, machine, needs_bytes, torch=bool(torch))
    wrong = unfit(info, machine, preferred, torch=torch is not False)
    wrong = wrong or _against(preferred, machine, needs_bytes)
    if not wrong:
        said = f"The version prefers {TITLES[preferred]}: {_what(preferred, info, machine)}."
        return Choice(preferred, said)
    chosen = _by_rule(info, machine, needs_bytes, torch=bool(torch))
    return Choice(chosen.backend, f"{chosen.reason} It prefers {TITLES[preferred]}, but: {wrong}")


def unfit(info: BundleInfo, machine: Machine, backend: Backend, *, torch: bool = False) -> str:
    """Return why a version cannot run on a backend there; empty when it can."""
    runs = _runs(info, torch=torch)
    if backend not in runs:
        on = " or ".join(TITLES[one] for one in runs)
        alone = f"{_weights(info)[:1].upper()}{_weights(info)[1:]} can run on {on} alone"
        return f"{alone}{_without_torch(info, backend)}."
    if backend == "cuda" and not machine.cuda:
        return f"There is no NVIDIA GPU on {machine.said}."
    if backend == "mps" and not machine.metal:
        return f"There is no Metal on {machine.said}."
    return ""


def possible(info: BundleInfo, machine: Machine, *, torch: bool = False) -> tuple[Backend, ...]:
    """Return what a version can run on there, best first: what a dialog offers."""
    return tuple(one for one in ORDER if not unfit(info, machine, one, torch=torch))


def has_torch(info: BundleInfo, environment: Path | None) -> bool | None:
    """Return whether a version can run on PyTorch in its project's environment; None: not known.

    It can where its bundle names a torch model and torch is installed. That is looked for in the
    environment's folder (``.venv``), nothing is imported; before it is built nobody knows.
    """
    if not info.torch_entry:
        return False
    if environment is None or not (environment / "lib").is_dir():
        return None
    return any(environment.glob(_TORCH_THERE))


def on_torch(info: BundleInfo, backend: Backend) -> bool:
    """Return whether a version runs as a torch model on a backend."""
    return backend in _TORCH and flavor(info) == "mlx"


def flavor(info: BundleInfo) -> str:
    """Return whose weights a version has: mlx, onnx, skops or booster."""
    return info.flavor or ("mlx" if info.format == "safetensors" else info.format)


def _runs(info: BundleInfo, *, torch: bool) -> tuple[Backend, ...]:
    runs = _RUNS.get(flavor(info), ("cpu",))
    return (*runs, *_TORCH) if torch and "mlx" in runs else runs


def _without_torch(info: BundleInfo, backend: Backend) -> str:
    """Return why MLX weights do not run on PyTorch, to go on with; empty for other weights."""
    if not on_torch(info, backend):
        return ""
    if info.torch_entry:
        return ": their torch model needs torch, which is not in the project's environment"
    return ": the project names no torch model for them"


def _missing(info: BundleInfo, backend: Backend, *, torch: bool | None) -> str:
    """Return how MLX weights could run on PyTorch where they cannot; empty when they can."""
    if torch is not False or not on_torch(info, backend):
        return ""
    if info.torch_entry:
        return "To have PyTorch, add torch to what the project's environment is made of."
    return (
        "To have PyTorch, name its function as `torch` in [tool.mlops.serve] of the project's "
        "pyproject.toml and deploy the version again."
    )


def _weights(info: BundleInfo) -> str:
    return _WEIGHTS.get(flavor(info), f"weights of the format {info.format}")


def _by_rule(info: BundleInfo, machine: Machine, needs_bytes: int, *, torch: bool) -> Choice:
    able = possible(info, machine, torch=torch)
    passed: list[str] = []
    for backend in able:
        against = _against(backend, machine, needs_bytes)
        if not against:
            return Choice(backend, " ".join([*passed, _because(backend, info, machine)]))
        passed.append(against)
    last = able[0] if able else "cpu"
    passed.append(f"Nothing else runs these weights, so it is {TITLES[last]} all the same.")
    return Choice(last, " ".join(passed))


def _because(backend: Backend, info: BundleInfo, machine: Machine) -> str:
    return f"The version holds {_weights(info)}: {_what(backend, info, machine)}."


def _what(backend: Backend, info: BundleInfo, machine: Machine) -> str:
    who = "PyTorch" if on_torch(info, backend) else "it"
    if backend == "mlx" and machine.metal:
        return f"MLX computes on the GPU of {machine.said} by Metal"
    if backend == "mlx":
        return f"MLX computes on the CPU, {machine.said} has no Metal"
    if backend == "mps":
        return f"PyTorch computes on the GPU of {machine.said} by Metal"
    if backend == "cuda":
        return f"{who} computes on the NVIDIA GPU by CUDA"
    return f"{who} computes on the CPU"


def _against(backend: Backend, machine: Machine, needs_bytes: int) -> str:
    """Return why the rule passes over a backend that would run; empty when it does not."""
    if backend == "mlx" and machine.apple_silicon and not machine.metal:
        return f"Metal is not there on {machine.said}."
    limit = machine.limit_bytes
    if backend != "mlx" or not machine.metal or limit is None or needs_bytes <= limit:
        return ""
    return (
        f"It takes {gib(needs_bytes)}, {gib(needs_bytes - limit)} more than 90 % of the "
        f"{gib(limit / WORKING_SET_SHARE)} that Metal recommends."
    )


def _options(info: BundleInfo, machine: Machine, *, torch: bool) -> str:
    able = possible(info, machine, torch=torch)
    return " or ".join(TITLES[one] for one in able) or "another machine"
