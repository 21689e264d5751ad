"""What the deployed model was asked and people labelled, once it was collected into the data."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mlops_client.collected import labelled

from federated.data import CLASSES, PIXELS, Digits

_ENOUGH = 50
"""Images that say enough of what is asked now."""
_MOST_REPEATS = 3


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


def added(own: Digits, new: Digits) -> Digits:
    """Return our own digits and the collected ones, these repeated until both are about as many.

    Few new images among many old ones are hardly learned: in a trial with 232 new ones half of the
    shifted digits were read right with each once, nine in ten with each three times. With eight
    times the old ones suffered.
    """
    times = max(1, min(_MOST_REPEATS, len(own) // max(1, len(new))))
    return Digits(
        np.concatenate([own.images, *[new.images] * times]),
        np.concatenate([own.labels, *[new.labels] * times]),
    )


def _digit(label: object) -> bool:
    return isinstance(label, int | float) and label in range(CLASSES)


def _digits(rows: list[tuple[np.ndarray, int, bool, int]]) -> Digits:
    images = np.array([row[0] for row in rows], dtype=np.float32).reshape(-1, PIXELS)
    return Digits(images, np.array([row[1] for row in rows], dtype=np.int64))
