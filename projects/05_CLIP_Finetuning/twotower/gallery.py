"""What retrieval is measured on: all images of a part against every distinct thing said of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from twotower.captions import caption
from twotower.data import Pictures
from twotower.retrieval import metrics

Similarity = Callable[[np.ndarray, list[str]], np.ndarray]
"""(images, texts) -> one row an image, one column a text."""


@dataclass(frozen=True, slots=True)
class Gallery:
    """Images, the distinct captions, and which caption is true of which image."""

    images: np.ndarray
    meanings: np.ndarray
    relevant: np.ndarray


def gallery(pictures: Pictures) -> Gallery:
    """Return the gallery of one part."""
    meanings, places = np.unique(pictures.meanings, axis=0, return_inverse=True)
    return Gallery(
        pictures.images, meanings, places.reshape(-1)[:, None] == np.arange(len(meanings))[None]
    )


def measure(
    similarity: Similarity, shown: Gallery, templates: Sequence[str], prefix: str
) -> dict[str, float]:
    """Return the retrieval metrics, averaged over the templates."""
    by_template = []
    for template in templates:
        texts = [caption(template, meaning) for meaning in shown.meanings]
        by_template.append(metrics(similarity(shown.images, texts), shown.relevant, prefix))
    return {name: float(np.mean([each[name] for each in by_template])) for name in by_template[0]}
