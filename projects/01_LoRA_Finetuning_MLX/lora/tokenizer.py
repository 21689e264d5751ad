"""BERT's uncased WordPiece, in plain Python: a served model needs only its vocabulary."""

import unicodedata
from collections.abc import Iterable

UNKNOWN, START, END, PADDING = "[UNK]", "[CLS]", "[SEP]", "[PAD]"
LONGEST_WORD = 100


def _is_punctuation(character: str) -> bool:
    code = ord(character)
    ascii_symbol = 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
    return ascii_symbol or unicodedata.category(character).startswith("P")


def _words(text: str) -> Iterable[str]:
    """Split as BERT does: lower case, no accents, every punctuation mark a word of its own."""
    word = ""
    for character in unicodedata.normalize("NFD", text.lower()):
        category = unicodedata.category(character)
        if category == "Mn" or (category.startswith("C") and character not in "\t\n\r"):
            continue
        if not character.isspace() and not _is_punctuation(character):
            word += character
            continue
        if word:
            yield word
        word = ""
        if not character.isspace():
            yield character
    if word:
        yield word


class WordPiece:
    """Greedy longest-match-first word pieces over a fixed vocabulary."""

    def __init__(self, vocabulary: list[str]) -> None:
        self.vocabulary = vocabulary
        self._ids = {piece: index for index, piece in enumerate(vocabulary)}

    def ids(self, text: str, longest: int) -> list[int]:
        """Return ``[CLS] pieces [SEP]``, at most ``longest`` ids."""
        pieces = [index for word in _words(text) for index in self._pieces(word)]
        return [self._ids[START], *pieces[: longest - 2], self._ids[END]]

    def _pieces(self, word: str) -> list[int]:
        if len(word) > LONGEST_WORD:
            return [self._ids[UNKNOWN]]
        pieces: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(len(word), start, -1):
                index = self._ids.get(prefix + word[start:end])
                if index is not None:
                    break
            else:
                return [self._ids[UNKNOWN]]
            pieces.append(index)
            start = end
        return pieces
