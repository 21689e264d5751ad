"""What models were measured to take: ``MLOPS_HOME/serving/measured.json`` and ``bases.json``.

A measurement is the peak of one model server that loaded one version and was warmed up at one
batch size; what it takes later, while it serves, raises it. A *base* is what a server of that
project takes before it loads anything: the interpreter, NumPy, MLX and the project's modules. On
Linux, and for small models everywhere, the base is most of it.
"""

import hashlib
import statistics
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from services.home import Home
from services.resources.lists import ListFile
from services.serving.models import Backend, BundleInfo

MOST = 500
"""Measurements and bases that are kept each; the oldest go first."""
GROWN = 1.01
"""A later peak is written when it is larger by this much: not with every look."""
ALIKE = 0.02
"""Weights of another version that differ by no more are taken as of the same shape."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One model server's peak."""

    project: str
    model: str
    version: int
    weights_bytes: int
    format: str
    backend: Backend
    max_batch: int
    peak_rss_bytes: int
    """The most that was ever resident of the server's process."""
    mlx_peak_bytes: int | None = None
    """What MLX, or torch on Metal, tells of itself; None: neither is used."""
    platform: str = sys.platform
    host: str = ""
    at: float = 0.0
    source: Literal["trial", "served"] = "trial"
    estimated_bytes: int | None = None
    """What was estimated before anything was measured; None: nothing was."""

    @property
    def peak_bytes(self) -> int:
        """Return what it takes of the machine.

        On a Mac what Metal holds is not resident in the process, so both are added; elsewhere MLX
        computes in the process's own memory.
        """
        metal = self.platform == "darwin" and self.backend in {"mlx", "mps"}
        return self.peak_rss_bytes + ((self.mlx_peak_bytes or 0) if metal else 0)

    @property
    def error(self) -> float | None:
        """Return by what share the estimate was too high (below 0: too low); None: no estimate."""
        if self.estimated_bytes is None or self.peak_bytes <= 0:
            return None
        return self.estimated_bytes / self.peak_bytes - 1

    def same(self, other: "Measurement") -> bool:
        """Return whether two are of the same thing on the same machine."""
        return _key(self) == _key(other)


def _key(one: Measurement) -> tuple[object, ...]:
    return (
        one.project, one.model, one.version, one.weights_bytes, one.format, one.backend,
        one.max_batch, one.platform, one.host,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Base:
    """What a model server of a project takes before it loads a model."""

    project: str
    entry: str
    """Module that builds its models; what it imports is in the base."""
    mark: str
    """Of the environment and the code, see ``mark``: another one is measured anew."""
    peak_rss_bytes: int
    platform: str = sys.platform
    host: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class KnownError:
    """How far estimates were off where the peak was measured later."""

    count: int
    median: float
    """Of the distances, as shares of the peak."""
    worst: float
    """The largest distance."""
    too_low: int
    """How many estimates were below the peak."""

    @property
    def said(self) -> str:
        """Return it as a sentence."""
        of = "the one estimate" if self.count == 1 else f"{self.count} estimates"
        low = "none was" if not self.too_low else f"{self.too_low} of them"
        low += " below it" if self.count > 1 or self.too_low else " too low"
        return (
            f"Of {of} without a measurement, the median was off the measured peak by "
            f"{self.median:.0%} and the worst by {self.worst:.0%}; {low}."
        ).replace("%", " %")


class Measured:
    """The measurements of one installation; any number of these in any number of processes."""

    def __init__(self, folder: Path) -> None:
        """Begin with a folder that exists."""
        lost = "What models take is measured again when they are deployed."
        self._peaks = ListFile(folder / "measured.json", "measurements", _measurement, lost)
        self._bases = ListFile(folder / "bases.json", "bases", _base, lost)

    @classmethod
    def of(cls, home: Home) -> "Measured":
        """Return those of an installation; the folder is made when it is missing."""
        home.serving.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(home.serving)

    def measurements(self) -> tuple[Measurement, ...]:
        """Return all, oldest first.

        Raises:
            PlatformError: The file cannot be opened.
        """
        return tuple(self._peaks.read())

    def note(self, seen: Measurement) -> Measurement:
        """Keep a measurement and return what is known now: of the same thing the largest peak.

        A peak that is hardly larger is not written again.

        Raises:
            PlatformError: It cannot be read or written; what was there stays.
        """
        known = next((one for one in self._peaks.read() if one.same(seen)), None)
        if known is not None and not _more(known, seen):
            return known
        with self._peaks.changing() as held:
            known = next((one for one in held if one.same(seen)), None)
            merged = _merged(known, seen)
            kept = [one for one in held if not one.same(seen)]
            held[:] = [*kept, merged][-MOST:]
        return merged

    def bases(self) -> tuple[Base, ...]:
        """Return all bases, oldest first.

        Raises:
            PlatformError: The file cannot be opened.
        """
        return tuple(self._bases.read())

    def note_base(self, base: Base) -> None:
        """Keep a base; an earlier one of the same module on the same machine is replaced.

        Raises:
            PlatformError: It cannot be read or written; what was there stays.
        """
        stamped = replace(base, at=base.at or time.time())
        with self._bases.changing() as held:
            kept = [one for one in held if _base_key(one) != _base_key(base)]
            held[:] = [*kept, stamped][-MOST:]

    def base(self, project: str, entry: str, mark: str = "") -> Base | None:
        """Return the newest base of a project's module on this kind of machine.

        Args:
            project: The project.
            entry: The module.
            mark: Of the environment as it is; empty: any will do.

        Raises:
            PlatformError: The file cannot be opened.
        """
        fitting = [
            one
            for one in self._bases.read()
            if (one.project, one.entry, one.platform) == (project, entry, sys.platform)
            and (not mark or one.mark == mark)
        ]
        return max(fitting, key=lambda one: one.at, default=None)


def _more(known: Measurement, seen: Measurement) -> bool:
    grew = seen.peak_rss_bytes > known.peak_rss_bytes * GROWN
    mlx = (seen.mlx_peak_bytes or 0) > (known.mlx_peak_bytes or 0) * GROWN
    return grew or mlx or (known.estimated_bytes is None and seen.estimated_bytes is not None)


def _merged(known: Measurement | None, seen: Measurement) -> Measurement:
    at = seen.at or time.time()
    if known is None:
        return replace(seen, at=at)
    larger = [one for one in (known.mlx_peak_bytes, seen.mlx_peak_bytes) if one is not None]
    return replace(
        seen,
        at=at,
        peak_rss_bytes=max(known.peak_rss_bytes, seen.peak_rss_bytes),
        mlx_peak_bytes=max(larger, default=None),
        estimated_bytes=(
            seen.estimated_bytes if known.estimated_bytes is None else known.estimated_bytes
        ),
    )


def from_memory(
    info: BundleInfo,
    backend: Backend,
    max_batch: int,
    memory: Mapping[str, object],
    *,
    host: str = "",
    source: Literal["trial", "served"] = "served",
    estimated_bytes: int | None = None,
) -> Measurement | None:
    """Return what a model server said of its memory (``ready`` or ``stats``); None: no peak.

    Args:
        info: The version.
        backend: What it computes on.
        max_batch: Rows that are asked together at most.
        memory: What the server said, in bytes.
        host: The machine.
        source: Whether it was a trial or serves.
        estimated_bytes: What the formula had said, to be held against the peak.
    """
    peak, mlx = memory.get("peak_rss_bytes"), memory.get("mlx_peak_bytes")
    if backend == "mps":
        mlx = memory.get("torch_peak_bytes")
    if not isinstance(peak, int) or not _count(peak) or peak == 0:
        return None
    return Measurement(
        project=info.project,
        model=info.model,
        version=info.version,
        weights_bytes=info.weights_bytes,
        format=info.format,
        backend=backend,
        max_batch=max_batch,
        peak_rss_bytes=peak,
        mlx_peak_bytes=mlx if isinstance(mlx, int) and _count(mlx) else None,
        host=host,
        at=time.time(),
        source=source,
        estimated_bytes=estimated_bytes,
    )


# Finding what fits


def exact(
    measurements: Iterable[Measurement], info: BundleInfo, backend: Backend, max_batch: int
) -> Measurement | None:
    """Return the measurement of a version at a batch size on this kind of machine; the largest."""
    found = [
        one
        for one in _of_model(measurements, info, backend)
        if one.version == info.version and one.max_batch == max_batch
    ]
    return max(found, key=lambda one: one.peak_bytes, default=None)


def alike(
    measurements: Iterable[Measurement], info: BundleInfo, backend: Backend, max_batch: int
) -> Measurement | None:
    """Return the nearest measurement of the same shape of model: same model, as many weights.

    One with the same batch size goes first, then the newest version.
    """
    found = [
        one
        for one in _of_model(measurements, info, backend)
        if abs(one.weights_bytes - info.weights_bytes) <= ALIKE * max(info.weights_bytes, 1)
    ]
    return max(
        found,
        key=lambda one: (one.max_batch == max_batch, one.max_batch >= max_batch, one.version,
                         one.peak_bytes),
        default=None,
    )  # fmt: skip


def _of_model(
    measurements: Iterable[Measurement], info: BundleInfo, backend: Backend
) -> Iterable[Measurement]:
    key = (info.project, info.model, info.format, backend, sys.platform)
    return (
        one
        for one in measurements
        if (one.project, one.model, one.format, one.backend, one.platform) == key
    )


def known_error(measurements: Sequence[Measurement]) -> KnownError | None:
    """Return how far estimates were off; None when no estimate was ever held against a peak."""
    errors = [one.error for one in measurements if one.error is not None]
    if not errors:
        return None
    distances = [abs(one) for one in errors]
    low = sum(one < 0 for one in errors)
    return KnownError(len(errors), statistics.median(distances), max(distances), low)


def mark(python: Path, project_folder: Path, git_commit: str | None) -> str:
    """Return what stays the same while a project's environment and code stay the same."""
    digest = hashlib.sha256()
    for part in (str(python), git_commit or "", sys.platform):
        digest.update(part.encode() + b"\0")
    for name in ("requirements.txt", "pyproject.toml"):
        path = project_folder / name
        digest.update(path.read_bytes() if path.is_file() else b"")
        digest.update(b"\0")
    return digest.hexdigest()[:16]


# As they are in the files


def _measurement(said: dict[str, Any]) -> Measurement:
    """Return one measurement.

    Raises:
        ValueError: A figure is none.
        TypeError: A field is none of it.
    """
    one = Measurement(**said)
    if not all(_count(n) for n in (one.peak_rss_bytes, one.weights_bytes, one.max_batch)):
        raise ValueError(f"{said!r} is no measurement")
    if not isinstance(one.at, (int, float)) or not isinstance(one.project, str):
        raise TypeError(f"{said!r} is no measurement")
    return one


def _base(said: dict[str, Any]) -> Base:
    """Return one base.

    Raises:
        ValueError: The figure is none.
        TypeError: A field is none of it.
    """
    one = Base(**said)
    if not _count(one.peak_rss_bytes):
        raise ValueError(f"{said!r} is no base")
    return one


def _base_key(one: Base) -> tuple[str, ...]:
    return (one.project, one.entry, one.platform, one.host)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
