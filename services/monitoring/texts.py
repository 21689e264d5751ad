"""Texts as figures that can be compared: how long, of which words and signs."""

import re
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from services.monitoring.series import Figures

_WORD = re.compile(r"\w+", re.UNICODE)
_NAMES = ("characters", "words", "characters a word", "share of letters")
_LONGEST = 10_000
"""Characters of a text that are looked at."""


def described(
    reference: Sequence[str], current: Sequence[str]
) -> Mapping[str, tuple[Figures, Figures, int]]:
    """Return what is measured of each text: name → (reference, current, step of the reference).

    Words are unseen when the first, third, fifth… text of the reference has them not; the other
    half of it tells how many that usually are, hence a step of 2 there and 1 else.
    """
    words, asked = _words(reference), _words(current)
    known = {word for some in words[::2] for word in some}
    pairs = zip(_NAMES, _plain(reference, words), _plain(current, asked), strict=True)
    unseen = _unseen(words[1::2], known), _unseen(asked, known), 2
    return {
        **{name: (then, now, 1) for name, then, now in pairs},
        "share of words the baseline has not": unseen,
    }


WORDS = 256
"""Places into which words are dealt: two may share one, which blurs and does no harm."""


def in_words(texts: Sequence[str]) -> Figures:
    """Return which words texts are of, a row each, of length 1: their counts by hash, signed.

    So no vocabulary is kept (Weinberger and others 2009, "Feature hashing").
    """
    found: Figures = np.zeros((len(texts), WORDS))
    for row, words in zip(found, _words(texts), strict=True):
        for word in words:
            code = zlib.crc32(word.encode("utf-8", "replace"))
            row[code % WORDS] += 1.0 if code & WORDS else -1.0
    lengths = np.sqrt((found**2).sum(axis=1, keepdims=True))
    found /= np.where(lengths > 0, lengths, 1.0)
    return found


def _words(texts: Sequence[str]) -> list[list[str]]:
    return [_WORD.findall(text[:_LONGEST].lower()) for text in texts]


def _plain(texts: Sequence[str], words: Sequence[Sequence[str]]) -> tuple[Figures, ...]:
    characters = np.array([len(text) for text in texts], dtype=float)
    counts = np.array([len(some) for some in words], dtype=float)
    inside = np.array([sum(map(len, some)) for some in words], dtype=float)
    letters = np.array([sum(map(str.isalpha, text[:_LONGEST])) for text in texts], dtype=float)
    seen = np.maximum(np.minimum(characters, _LONGEST), 1.0)
    return characters, counts, inside / np.maximum(counts, 1.0), letters / seen


def _unseen(words: Sequence[Sequence[str]], known: set[str]) -> Figures:
    return np.array(
        [sum(word not in known for word in some) / max(1, len(some)) for some in words], dtype=float
    )
