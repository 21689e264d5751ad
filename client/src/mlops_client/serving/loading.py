"""A bundle's folder becomes a model that can be asked."""

import sys
from dataclasses import replace
from pathlib import Path

from mlops_client.serving import formats, info, memory
from mlops_client.serving.info import LoadError
from mlops_client.serving.model import MAX_BATCH, Loaded, batch_sizes

__all__ = ["LoadError", "Loaded", "load"]
_COMPILED = (1, 4, 16, 32)
"""Sizes of batches where each is compiled for itself, and the bundle names none."""


def load(
    bundle: Path,
    backend: str = "auto",
    *,
    root: Path | None = None,
    memory_bytes: int = 0,
    max_batch: int = MAX_BATCH,
) -> Loaded:
    """Load a bundle in this process; ask it from this thread alone.

    The bundle's signature is not looked at: who built or copied it here did that.

    Args:
        bundle: The folder with ``serving.json`` and ``model/``.
        backend: mlx, mps, cuda, cpu, or auto: the best there is, with the reason.
        root: The project's folder, whose code may be called; the working directory by default.
        memory_bytes: What the whole process may use; 0 is no limit.
        max_batch: Most rows that are asked together.

    Raises:
        LoadError: It cannot be served here.
    """
    told = info.read(bundle)
    folder = (root or Path.cwd()).resolve()
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    read = formats.loader(told.format)
    memory.limit(memory_bytes, backend)
    sizes, most = batch_sizes(told, max_batch)
    try:
        model = read(bundle / info.MODEL, told, backend, folder)
    except LoadError:
        raise
    except (Exception, SystemExit) as error:  # a project's own code
        raise LoadError(
            f"{told.name} cannot be rebuilt: {type(error).__name__}: {str(error)[:500]}",
            "Its weights and the project's code do not go together, or the code fails.",
        ) from error
    if model.compiled and not told.fixed_batches:
        sizes, most = batch_sizes(replace(told, fixed_batches=_COMPILED), max_batch)
    return Loaded(told, model, sizes, most)
