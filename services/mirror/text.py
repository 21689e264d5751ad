"""A column of strings: codes into a growing list of words, with searches asked once a word."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Mask = NDArray[np.bool_]
NOT_LOGGED = -1


class Text:
    """Strings of all runs; what is derived from the words grows with them."""

    def __init__(self, size: int) -> None:
        self._codes: Codes = np.full(size, NOT_LOGGED, np.int32)
        self.words: list[str] = []
        self.index: dict[str, int] = {}
        self._numbers: Floats = np.empty(0)
        self._folded: list[pyarrow.Array] = []
        self._folded_words = 0
        self._ranks: Codes = np.empty(0, np.int32)

    @property
    def codes(self) -> Codes:
        """One code a run, ``NOT_LOGGED`` where it has no value."""
        return self._codes

    def put(self, positions: NDArray[np.int64], values: Sequence[str | None]) -> None:
        """Set the values of the runs at ``positions``."""
        self._codes[positions] = self.encoded(values)

    def encoded(self, values: Sequence[str | None]) -> Codes:
        """Return the codes of values, new words taken in."""
        index, words = self.index, self.words
        for value in values:
            if value is not None and value not in index:
                index[value] = len(words)
                words.append(value)
        return np.array([NOT_LOGGED if v is None else index[v] for v in values], np.int32)

    def grow(self, size: int) -> None:
        """Make room for more runs."""
        grown = np.full(size, NOT_LOGGED, np.int32)
        grown[: len(self._codes)] = self._codes
        self._codes = grown

    def word(self, position: int) -> str | None:
        """Return one run's value."""
        code = self.codes[position]
        return self.words[code] if code >= 0 else None

    # Masks: one truth value a word, spread over the runs by code

    def present(self) -> Mask:
        """Return where a run has a value."""
        found: Mask = self.codes != NOT_LOGGED
        return found

    def equal(self, *values: str) -> Mask:
        """Return where the value is one of ``values``; ``8`` also finds ``8.0``."""
        codes = [self.index[value] for value in values if value in self.index]
        found: Mask = self.codes == codes[0] if len(codes) == 1 else np.isin(self.codes, codes)
        numbers = [number for number in map(number_of, values) if not np.isnan(number)]
        return found | np.isin(self.numbers(), numbers) if numbers else found

    def contain(self, text: str) -> Mask:
        """Return where the value contains ``text``, without regard to case."""
        import pyarrow.compute as pc

        self._fold()
        wanted = text.casefold()
        parts = [pc.match_substring(part, wanted) for part in self._folded]
        found = [part.to_numpy(zero_copy_only=False) for part in parts]
        return self.compare(np.concatenate(found) if found else np.empty(0, np.bool_))

    def numbers(self) -> Floats:
        """Return the values read as numbers, NaN where they are none."""
        known = len(self._numbers)
        if known < len(self.words):
            more = [number_of(word) for word in self.words[known:]]
            self._numbers = np.concatenate([self._numbers, more])
        if not len(self._numbers):
            return np.full(len(self.codes), np.nan)
        codes = self.codes
        found: Floats = np.where(codes >= 0, self._numbers[codes], np.nan)
        return found

    def compare(self, holds: Mask) -> Mask:
        """Return where ``holds``, given once a word, is true."""
        truth = np.zeros(len(holds) + 1, np.bool_)  # the last is what NOT_LOGGED (-1) finds
        truth[:-1] = holds
        found: Mask = truth[self.codes]
        return found

    def sort_keys(self) -> Floats:
        """Return sort keys: numbers by value and before words, words without case, NaN missing."""
        if len(self._ranks) < len(self.words):
            self._ranks = self._ranked()
        if not len(self._ranks):
            return np.full(len(self.codes), np.nan)
        codes = self.codes
        found: Floats = np.where(codes >= 0, self._ranks[codes].astype(float), np.nan)
        return found

    def _ranked(self) -> Codes:
        import pyarrow as pa
        import pyarrow.compute as pc

        self._fold()
        self.numbers()
        numbers = pa.array(self._numbers, from_pandas=True)  # NaN becomes null, nulls go last
        table = pa.table({"number": numbers, "word": pa.chunked_array(self._folded)})
        keys = [("number", "ascending"), ("word", "ascending")]
        order = pc.sort_indices(table, sort_keys=keys).to_numpy()
        ranks = np.empty(len(order), np.int32)
        ranks[order] = np.arange(len(order), dtype=np.int32)
        return ranks

    def _fold(self) -> None:
        """Bring the case-folded copy of the words, kept as Arrow chunks, up to date."""
        import pyarrow as pa

        if self._folded_words < len(self.words):
            more = [word.casefold() for word in self.words[self._folded_words :]]
            self._folded.append(pa.array(more, pa.string()))
            self._folded_words = len(self.words)
        if len(self._folded) > 64:
            self._folded = [pa.concat_arrays(self._folded)]


def number_of(word: str) -> float:
    """Return the word as a number, NaN when it is none."""
    try:
        return float(word)
    except ValueError:
        return np.nan
