"""What the deployed model was asked and people labelled, once it was collected into the data."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mlops_client.collected import labelled

from federated.data import CLASSES, PIXELS, Digits

_ENOUGH = 50
"""Images that say enough of what is asked now."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What the deployed model was asked, with labels; no image is in two of the parts."""

    train: Digits
    held_out: Digits
    """A quarter, for evaluation; the newest first."""
    now: Digits
    """Of these the newest collections, at least 50 images: what is asked nowadays. Or none."""


def load(folder: Path, model: str, own: dict[str, Digits]) -> Collected:
    """Return what was collected of a model, without what is in our own `val` and `test` parts.

    Args:
        folder: Holds `collected/`.
        model: Its registered name.
        own: What `data.load` returned.
    """
    found = labelled(folder, model, ["image"])
    held = {image.tobytes() for name in ("val", "test") for image in own[name].images}
    rows = []
    for place, image in enumerate(found.inputs["image"]):
        pixels = image.astype(np.float32).reshape(-1)
        if len(pixels) == PIXELS and _digit(found.labels[place]) and pixels.tobytes() not in held:
            rows.append((pixels, int(found.labels[place]), found.held_out[place], found.age[place]))
    held_out = [row for row in rows if row[2]]
    ages = sorted(row[3] for row in held_out)
    oldest = ages[_ENOUGH - 1] if len(ages) >= _ENOUGH else -1
    return Collected(
        _digits([row for row in rows if not row[2]]),
        _digits(held_out),
        _digits([row for row in held_out if row[3] <= oldest]),
    )


def _digit(label: object) -> bool:
    return isinstance(label, int | float) and label in range(CLASSES)


def _digits(rows: list[tuple[np.ndarray, int, bool, int]]) -> Digits:
    images = np.array([row[0] for row in rows], dtype=np.float32).reshape(-1, PIXELS)
    return Digits(images, np.array([row[1] for row in rows], dtype=np.int64))
