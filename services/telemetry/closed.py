"""Samples in closed blocks: an hour of figures, and apart from it an hour of processes."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from services.telemetry import blocks
from services.telemetry.blocks import Block, DamagedError, Ints
from services.telemetry.folder import WINDOWS, HostFolder, spoken
from services.telemetry.rows import Rows
from services.telemetry.shapes import Said, Shape, Who


def write_full(path: Path, rows: Rows) -> None:
    """Write the figures of an hour."""
    header = {"shapes": [[list(said) for said in shape.said] for shape in rows.shapes]}
    columns = {"times": rows.times, "windows": rows.windows, "shape": rows.shape}
    columns.update((f"v.{name}", column) for name, column in rows.values.items())
    blocks.write(path, header, columns)


def read_full(block: Block, metrics: Iterable[str] | None = None) -> Rows:
    """Read figures again: of some metrics, or of all.

    Raises:
        DamagedError: A column is not as it was written.
    """
    shapes = _shapes(block)
    names = metrics if metrics is not None else [n[2:] for n in block.names if n.startswith("v.")]
    return Rows(
        block.column("times"),
        block.column("windows"),
        shapes,
        block.column("shape"),
        {name: block.column(f"v.{name}") for name in names if f"v.{name}" in block},
    )


def _shapes(block: Block) -> list[Shape]:
    """Return the shapes of a block; equal ones of all blocks are one object.

    A host has a handful, and each hour lists them: forty lists a shape and block would be looked at
    by every full collection of Python's garbage.
    """
    kept: list[Any] = block.header["shapes"]
    if kept and not isinstance(kept[0], Shape):
        kept = block.header["shapes"] = [_shape(orjson.dumps(one)) for one in kept]
    return list(kept)


@lru_cache(maxsize=1024)
def _shape(said: bytes) -> Shape:
    return Shape(Said(*one) for one in orjson.loads(said))


def write_processes(path: Path, rows: Rows) -> None:
    """Write the processes of an hour, one after the other: each changes little from row to row."""
    order = np.lexsort((rows.use_row, rows.use_who))
    columns = {"times": rows.times, "row": rows.use_row[order], "who": rows.use_who[order]}
    columns.update((f"u{place}", rows.use[order, place]) for place in range(6))
    blocks.write(path, {"who": [list(who) for who in rows.who]}, columns)


def add_processes(block: Block, rows: Rows) -> None:
    """Read processes again and give them to the samples they belong to.

    Raises:
        DamagedError: A column is not as it was written.
    """
    times = block.column("times")[block.column("row")]
    place = np.minimum(np.searchsorted(rows.times, times), max(0, len(rows) - 1))
    # A kill between the two files leaves one of them older: a process without its sample waits.
    kept = np.flatnonzero(rows.times[place] == times) if len(rows) else place[:0]
    order = kept[np.argsort(place[kept], kind="stable")]
    rows.who = [Who(*who) for who in block.header["who"]]
    rows.use_row = place[order]
    rows.use_who = block.column("who")[order]
    rows.use = _uses(block)[order]


def _uses(block: Block) -> Ints:
    return np.stack([block.column(f"u{place}") for place in range(6)], axis=1)


def sentence_of(folder: HostFolder, kind: str, start: int) -> str:
    """Return what is said of a damaged block."""
    return (
        f"What was recorded of {folder.slug} from {spoken(start, WINDOWS[kind])} "
        f"({kind}) is damaged and was set aside in {folder.quarantine}."
    )


def opened(folder: HostFolder, kind: str, start: int, *, check: bool = False) -> Block | None:
    """Open a block; None when there is none, or it is damaged and was set aside.

    Args:
        folder: Of the host.
        kind: See ``folder.WINDOWS``.
        start: Begin of its window.
        check: Read every column, before it is written anew.
    """
    path = folder.block(kind, start)
    try:
        block = Block(path)
        if check:
            block.verify()
    except FileNotFoundError:
        return None
    except DamagedError:
        folder.set_aside(path, sentence_of(folder, kind, start))
        return None
    return block
