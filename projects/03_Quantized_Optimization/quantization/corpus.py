"""The text: Python's own standard library sources; whole modules are held out."""

import hashlib
import json
import platform
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy as np

CHARACTERS = "\n" + "".join(map(chr, range(32, 127)))
_INDEX = {character: index for index, character in enumerate(CHARACTERS)}
_SKIPPED = {"site-packages", "dist-packages", "test", "tests", "encodings", "__pycache__"}
SPLITS = ("test", "validation", "train")


def encode(text: str) -> np.ndarray:
    """Return one number a character; characters outside ASCII are left out, tabs become spaces."""
    kept = (_INDEX.get(" " if character == "\t" else character) for character in text)
    return np.array([index for index in kept if index is not None], dtype=np.int32)


def decode(ids: np.ndarray | list[int]) -> str:
    """Return the text of the numbers."""
    return "".join(CHARACTERS[index] for index in ids)


def _modules() -> Iterator[str]:
    """Yield the sources in the order of their names' hash: arbitrary, the same on every machine."""
    library = Path(sysconfig.get_path("stdlib"))
    names = {path.relative_to(library).as_posix(): path for path in library.rglob("*.py")}
    for name in sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest()):
        if not _SKIPPED.intersection(names[name].relative_to(library).parts):
            yield names[name].read_text(encoding="utf-8", errors="replace")


def build(sizes: dict[str, int], share: int = 2000) -> dict[str, str]:
    """Return ``sizes[split]`` characters a split: at most ``share`` of any one module."""
    pieces = (text[:share] for text in _modules())
    splits = {}
    for split in SPLITS:
        text = ""
        while len(text) < sizes[split] and (piece := next(pieces, None)) is not None:
            text += piece
        splits[split] = text[: sizes[split]]
    return splits


def load(folder: Path, sizes: dict[str, int]) -> dict[str, np.ndarray]:
    """Return the encoded splits, written to a folder first when they are not there."""
    header = json.dumps({"python": platform.python_version(), "sizes": sizes})
    about = folder / "about.json"
    if not about.is_file() or about.read_text() != header:
        folder.mkdir(parents=True, exist_ok=True)
        for split, text in build(sizes).items():
            (folder / f"{split}.txt").write_text(text, encoding="utf-8")
        about.write_text(header)
    return {s: encode((folder / f"{s}.txt").read_text(encoding="utf-8")) for s in SPLITS}


def windows(ids: np.ndarray, context: int) -> np.ndarray:
    """Return every run of ``context`` characters and the one after it, without copying the text."""
    return np.lib.stride_tricks.sliding_window_view(ids, context + 1)


def lines(ids: np.ndarray, most: int = 400, least: int = 8) -> list[str]:
    """Return the first lines of code of a text, as somebody types them to have them go on."""
    found = (line.rstrip() for line in decode(ids).splitlines())
    return [line for line in found if len(line.strip()) >= least][:most]
