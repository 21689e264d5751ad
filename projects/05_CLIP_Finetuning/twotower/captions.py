"""Captions from templates, and their words as numbers."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WEIGHTS = ("light", "regular", "bold")
SLANTS = ("leaning left", "upright", "leaning right")
WIDTHS = ("narrow", "wide")

TRAIN_TEMPLATES = (
    "a {weight} handwritten {name}, {slant}, {width}",
    "the digit {number}, {weight} and {width}, {slant}",
    "{name} in {weight} strokes, {slant} and {width}",
    "a {width} {weight} {number} {slant}",
    "this is a {name}: {weight}, {width}, {slant}",
    "handwriting of a {width} {number}, {slant}, {weight}",
)
HELD_OUT_TEMPLATES = (
    "{slant}, {width}, {weight}: the {number}",
    "somebody wrote a {name} here, {weight}, {slant} and {width}",
    "picture of the numeral {name} in {width} {weight} pen strokes, {slant}",
)
"""Never trained on; some of their words (somebody, wrote, numeral, pen ...) are unknown."""

PADDING, UNKNOWN = 0, 1
LONGEST = 14


def caption(template: str, meaning: Sequence[int]) -> str:
    """Return what a template says about (digit, weight, slant, width)."""
    digit, weight, slant, width = (int(part) for part in meaning)
    return template.format(
        name=NAMES[digit],
        number=digit,
        weight=WEIGHTS[weight],
        slant=SLANTS[slant],
        width=WIDTHS[width],
    )


def words(text: str) -> list[str]:
    """Return the words of a text; every figure is a word of its own."""
    return re.findall(r"[a-z]+|[0-9]", text.lower())


def vocabulary() -> list[str]:
    """Return the words of the training templates; their places start after the reserved numbers."""
    every = [(d, w, s, b) for d in range(10) for w in range(3) for s in range(3) for b in range(2)]
    found = {word for t in TRAIN_TEMPLATES for m in every for word in words(caption(t, m))}
    return sorted(found)


def tokens(texts: Iterable[str], known: Sequence[str]) -> np.ndarray:
    """Return one row of word numbers a text, cut or padded to 14."""
    numbers = {word: place for place, word in enumerate(known, start=UNKNOWN + 1)}
    rows = []
    for text in texts:
        row = [numbers.get(word, UNKNOWN) for word in words(text)][:LONGEST]
        rows.append(row + [PADDING] * (LONGEST - len(row)))
    return np.array(rows, dtype=np.int64).reshape(-1, LONGEST)
