"""How much memory one replica takes: measured, else as the same shape took, else by a formula.

The formula adds what a model server takes before it loads anything (the base of the project, see
``measured``), the weights and their copies at load, what a full batch takes, and what every model
needs to run. Its constants were measured on Linux, see ``benchmarks/planner.py``; where they were
not (Metal, PyTorch, CUDA) the range is wider and the basis says so.
"""

import json
import math
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from services.resources.models import gib
from services.serving.backends import TITLES, flavor, on_torch
from services.serving.measured import (
    Base,
    KnownError,
    Measurement,
    alike,
    exact,
    known_error,
)
from services.serving.models import Backend, BundleInfo

MIB = 1024**2
MARGIN = 0.10
"""Above a measured peak: what a server grows by between measurements (allocators, longer texts)."""
MARGIN_ALIKE = 0.15
_LEAST_MARGIN = 8 * MIB
_LONGEST_HEADER = 64 * MIB
_HALF = {"F16", "BF16"}


@dataclass(frozen=True, slots=True)
class _Parts:
    """Bytes: the least, what is expected, the most."""

    low: float
    mid: float
    high: float

    def __add__(self, other: "_Parts") -> "_Parts":
        return _Parts(self.low + other.low, self.mid + other.mid, self.high + other.high)


_BASES = {
    "mlx": _Parts(40 * MIB, 60 * MIB, 260 * MIB),
    "torch": _Parts(200 * MIB, 350 * MIB, 700 * MIB),
    "onnx": _Parts(60 * MIB, 100 * MIB, 260 * MIB),
    "skops": _Parts(110 * MIB, 190 * MIB, 320 * MIB),
    "booster": _Parts(90 * MIB, 150 * MIB, 320 * MIB),
}
"""What a server takes before it loads a model, where that was not measured."""
_RUNNING = _Parts(4 * MIB, 8 * MIB, 24 * MIB)
_RUNNING_METAL = _Parts(16 * MIB, 64 * MIB, 200 * MIB)
_COPIES = {
    "torch": (1.0, 2.0, 4.0),
    "onnx": (1.0, 2.0, 3.0),
    "skops": (1.0, 2.0, 4.0),
    "booster": (1.0, 3.0, 6.0),
}
"""How many times the file's bytes are in memory at the peak of loading."""
_LAYERS_ALIVE = 16
"""Activations of a row, in units of a layer's width (the root of the number of weights)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one replica is expected to take at its peak."""

    bytes: int
    low: int
    high: int
    """What is reserved: it should never take more."""
    basis: str
    """What that rests on, as a sentence."""
    source: Literal["measured", "alike", "formula", "person"]
    known: KnownError | None = None
    """How far estimates without a measurement were off so far; None: none was held against one."""

    @property
    def reserve_bytes(self) -> int:
        """Return what a replica's lease is to hold."""
        return self.high

    @property
    def said(self) -> str:
        """Return the figure with its range and basis, as sentences."""
        between = f"{gib(self.bytes)} (between {gib(self.low)} and {gib(self.high)})"
        return f"One replica takes {between}. {self.basis}"


def estimate(
    info: BundleInfo,
    weights_bytes: int,
    backend: Backend,
    max_batch: int,
    measured: Sequence[Measurement],
    *,
    base: Base | None = None,
    half_bytes: int | None = None,
) -> Estimate:
    """Return what one replica of a version takes.

    Args:
        info: The version.
        weights_bytes: Of its weights as they are stored.
        backend: What it computes on.
        max_batch: Rows that are asked together at most.
        measured: All measurements of this installation.
        base: What a server of this project takes before it loads a model; None: not measured.
        half_bytes: How many of the weights' bytes are in half precision; None: not known.
    """
    sized, known = replace(info, weights_bytes=weights_bytes), known_error(measured)
    seen = exact(measured, sized, backend, max_batch)
    if seen is not None:
        return _around(seen.peak_bytes, MARGIN, _measured_basis(seen), "measured", known)
    near = alike(measured, sized, backend, max_batch)
    if near is not None:
        return _around(near.peak_bytes, MARGIN_ALIKE, _alike_basis(near), "alike", known)
    return replace(formula(sized, backend, max_batch, base, half_bytes), known=known)


def by_person(memory_bytes: int) -> Estimate:
    """Return what a person gave a replica."""
    said = f"A person gave it {gib(memory_bytes)}."
    return Estimate(memory_bytes, memory_bytes, memory_bytes, said, "person")


def formula(
    info: BundleInfo,
    backend: Backend,
    max_batch: int,
    base: Base | None = None,
    half_bytes: int | None = None,
) -> Estimate:
    """Return what one replica takes where nothing of its kind was measured."""
    kind = "torch" if on_torch(info, backend) else flavor(info)
    metal = sys.platform == "darwin" and backend in {"mlx", "mps"}
    began = _exactly(base.peak_rss_bytes) if base else _BASES.get(kind, _BASES["torch"])
    weights = _weights(kind, info.weights_bytes, half_bytes, metal=metal)
    batch = _batch(info, max_batch)
    running = _RUNNING_METAL if metal or backend == "cuda" else _RUNNING
    total = began + weights + batch + running
    basis = (
        f"{gib(began.mid)} for the server and the project's modules "
        f"({'measured' if base else 'not measured yet'}), {gib(weights.mid)} for "
        f"{gib(info.weights_bytes)} of weights{_copied(kind, half_bytes, metal=metal)}, "
        f"{gib(batch.mid)} for batches of {max_batch} and {gib(running.mid)} to run."
    )
    if running is _RUNNING_METAL:
        basis += f" What {TITLES[backend]} itself takes was not measured here yet."
    return Estimate(int(total.mid), int(total.low), int(total.high), basis, "formula")


def base_module(info: BundleInfo, backend: Backend | None) -> str:
    """Return under which name the base of a version's server is kept: what builds the model."""
    torch = backend is not None and on_torch(info, backend)
    entry = info.torch_entry if torch else info.entry
    return entry.partition(":")[0] or flavor(info)


def half_bytes_of(model_folder: Path) -> int | None:
    """Return how many bytes of a folder's safetensors are in half precision.

    Only headers are read. None: there is no safetensors file, or one that cannot be read.
    """
    files = sorted(model_folder.rglob("*.safetensors"))
    found = [_half_bytes(path) for path in files]
    known = [one for one in found if one is not None]
    return sum(known) if files and len(known) == len(found) else None


def _half_bytes(path: Path) -> int | None:
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _LONGEST_HEADER:
                return None
            tensors = json.loads(file.read(length))
            return sum(
                int(one["data_offsets"][1]) - int(one["data_offsets"][0])
                for name, one in tensors.items()
                if name != "__metadata__" and one["dtype"] in _HALF
            )
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, struct.error):
        return None


def _weights(kind: str, stored: int, half: int | None, *, metal: bool) -> _Parts:
    if kind in _COPIES:
        low, mid, high = _COPIES[kind]
        return _Parts(stored * low, stored * mid, stored * high)
    if metal:
        return _Parts(stored, stored, 2 * stored + (half or 0))
    # Read, then widened where they are of half precision: the CPU computes in single precision.
    widened = 2 * (half or 0)
    most = 3 * stored if half is None else 2 * stored + widened
    return _Parts(stored, stored + widened, most)


def _batch(info: BundleInfo, max_batch: int) -> _Parts:
    width = math.sqrt(info.weights_bytes / 4)
    row = sum(_elements(one.shape) for one in (*info.inputs, *info.outputs))
    bytes_ = 4 * max_batch * (row + _LAYERS_ALIVE * width)
    return _Parts(0, bytes_, 4 * bytes_)


def _elements(shape: Sequence[int]) -> int:
    return math.prod(max(1, one) for one in shape[1:])


def _exactly(count: float) -> _Parts:
    return _Parts(count, count, count)


def _copied(kind: str, half: int | None, *, metal: bool) -> str:
    if kind in _COPIES:
        return " and their copies at load"
    return " (half precision is widened at load)" if half and not metal else ""


def _around(
    peak: int,
    margin: float,
    basis: str,
    source: Literal["measured", "alike"],
    known: KnownError | None,
) -> Estimate:
    room = max(int(peak * margin), _LEAST_MARGIN)
    return Estimate(peak, max(0, peak - room), peak + room, basis, source, known)


def _measured_basis(seen: Measurement) -> str:
    how = "in a trial" if seen.source == "trial" else "while it served"
    return (
        f"It is the peak of this version on {TITLES[seen.backend]} with batches of "
        f"{seen.max_batch}, measured {how}."
    )


def _alike_basis(near: Measurement) -> str:
    return (
        f"It is the measured peak of version {near.version} of the same model, with as many "
        f"weights, on {TITLES[near.backend]} with batches of {near.max_batch}."
    )
