"""What a model computes on: MLX first, then PyTorch on Metal, then CUDA, then the CPU; and why.

A person's wish goes first, then what the version prefers, then the rule. A wish that the weights
or the machine cannot meet is refused with a sentence, never quietly replaced.
"""

from collections.abc import Mapping
from dataclasses import dataclass

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
_RUNS: Mapping[str, tuple[Backend, ...]] = {
    "mlx": ("mlx", "cpu"),
    "torch": ("mps", "cuda", "cpu"),
    "onnx": ("cuda", "cpu"),
    "skops": ("cpu",),
    "booster": ("cuda", "cpu"),
}
"""What weights of a flavour can run on. Nothing of PyTorch, ONNX or the others is converted to MLX
unasked: whoever wants MLX registers MLX weights."""
_WEIGHTS = {
    "mlx": "MLX weights",
    "torch": "PyTorch weights in safetensors",
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
    info: BundleInfo, machine: Machine, needs_bytes: int, override: Backend | None = None
) -> Choice:
    """Return what a version computes on, with the reason as a sentence.

    Args:
        info: The version.
        machine: Where it is to run.
        needs_bytes: What one replica takes at most.
        override: What a person asks for; None: the rule decides.

    Raises:
        InputError: The backend asked for cannot run these weights, or is not on this machine.
    """
    if override is not None:
        wrong = unfit(info, machine, override)
        if wrong:
            raise InputError(wrong, f"Leave the backend open, or choose {_options(info, machine)}.")
        return Choice(override, f"Chosen by a person: {_what(override, machine)}.")
    preferred = info.preferred_backend
    if preferred is not None:
        wrong = unfit(info, machine, preferred) or _too_large(preferred, machine, needs_bytes)
        if not wrong:
            said = f"The version prefers {TITLES[preferred]}: {_what(preferred, machine)}."
            return Choice(preferred, said)
        chosen = _by_rule(info, machine, needs_bytes)
        return Choice(chosen.backend, f"{chosen.reason} The version's wish is not met: {wrong}")
    return _by_rule(info, machine, needs_bytes)


def unfit(info: BundleInfo, machine: Machine, backend: Backend) -> str:
    """Return why a version cannot run on a backend there; empty when it can."""
    kind = flavor(info)
    if backend not in _RUNS.get(kind, ("cpu",)):
        on = " or ".join(TITLES[one] for one in _RUNS.get(kind, ("cpu",)))
        return f"{_WEIGHTS.get(kind, kind)[:1].upper()}{_WEIGHTS.get(kind, kind)[1:]} run on {on}."
    if backend == "cuda" and not machine.cuda:
        return f"There is no NVIDIA GPU on {machine.said}."
    if backend == "mps" and not machine.metal:
        return f"There is no Metal on {machine.said}."
    if backend == "mlx" and machine.apple_silicon and not machine.metal:
        return f"MLX finds no Metal on {machine.said}."
    return ""


def possible(info: BundleInfo, machine: Machine) -> tuple[Backend, ...]:
    """Return what a version can run on there, best first: what a dialog offers."""
    return tuple(one for one in ORDER if not unfit(info, machine, one))


def flavor(info: BundleInfo) -> str:
    """Return whose weights a version has: mlx, torch, onnx, skops or booster."""
    return info.flavor or ("mlx" if info.format == "safetensors" else info.format)


def _by_rule(info: BundleInfo, machine: Machine, needs_bytes: int) -> Choice:
    passed: list[str] = []
    for backend in ORDER:
        if backend not in _RUNS.get(flavor(info), ("cpu",)):
            continue
        wrong = unfit(info, machine, backend) or _too_large(backend, machine, needs_bytes)
        if not wrong:
            return Choice(backend, " ".join([_because(backend, info, machine), *passed]))
        passed.append(wrong)
    return Choice("cpu", " ".join([_because("cpu", info, machine), *passed]))


def _because(backend: Backend, info: BundleInfo, machine: Machine) -> str:
    weights = _WEIGHTS.get(flavor(info), f"weights of the format {info.format}")
    return f"The version holds {weights}: {_what(backend, machine)}."


def _what(backend: Backend, machine: Machine) -> str:
    if backend == "mlx" and machine.metal:
        return f"MLX computes on the GPU of {machine.said} by Metal"
    if backend == "mlx":
        return f"MLX computes on the CPU, {machine.said} has no Metal"
    if backend == "mps":
        return f"PyTorch computes on the GPU of {machine.said} by Metal"
    if backend == "cuda":
        return "it computes on the NVIDIA GPU by CUDA"
    return "it computes on the CPU"


def _too_large(backend: Backend, machine: Machine, needs_bytes: int) -> str:
    limit = machine.limit_bytes
    if backend not in {"mlx", "mps"} or not machine.metal or limit is None:
        return ""
    if needs_bytes <= limit:
        return ""
    return (
        f"It takes {gib(needs_bytes)}, {gib(needs_bytes - limit)} more than 90 % of the "
        f"{gib(limit / WORKING_SET_SHARE)} that Metal recommends."
    )


def _options(info: BundleInfo, machine: Machine) -> str:
    return " or ".join(TITLES[one] for one in possible(info, machine))
