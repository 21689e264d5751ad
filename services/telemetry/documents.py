"""Reading a JSON document that strangers sent: every error names the field it is about."""

import math
import re
from collections.abc import Iterator
from datetime import datetime

from services.errors import InputError


class FieldError(InputError):
    """A field is missing or wrong; ``field`` is where, e.g. ``samples[3].window_s``."""

    def __init__(self, field: str, wrong: str) -> None:
        """Say what is wrong with which field."""
        super().__init__(f"{field or 'The document'} {wrong}.")
        self.field = field


class Node:
    """A value of a document, and where it stands."""

    __slots__ = ("field", "value")

    def __init__(self, value: object, field: str) -> None:
        """Name the value."""
        self.value = value
        self.field = field

    def wrong(self, what: str) -> FieldError:
        """Return the error for this value."""
        return FieldError(self.field, what)

    def __getitem__(self, key: str) -> "Node":
        """Return a member of an object; a missing one is None."""
        if not isinstance(self.value, dict):
            raise self.wrong("must be an object")
        return Node(self.value.get(key), f"{self.field}.{key}" if self.field else key)

    def items(self, most: int) -> Iterator["Node"]:
        """Yield the elements of a list of at most so many; none when it is missing."""
        if self.value is None:
            return
        if not isinstance(self.value, list):
            raise self.wrong("must be a list")
        if len(self.value) > most:
            raise self.wrong(f"has {len(self.value)} elements; at most {most} are taken")
        for number, one in enumerate(self.value):
            yield Node(one, f"{self.field}[{number}]")

    def members(self, most: int, name: re.Pattern[str]) -> Iterator[tuple[str, "Node"]]:
        """Yield names and values of an object; none when it is missing."""
        if self.value is None:
            return
        if not isinstance(self.value, dict):
            raise self.wrong("must be an object")
        if len(self.value) > most:
            raise self.wrong(f"has {len(self.value)} members; at most {most} are taken")
        for key, one in self.value.items():
            if not name.fullmatch(key):
                raise self.wrong(f"has a member {key[:40]!r}, which is no name")
            yield key, Node(one, f"{self.field}.{key}")

    def text(self, most: int, *, pattern: re.Pattern[str] | None = None) -> str:
        """Return a text; a missing one is empty unless there is a pattern."""
        if self.value is None and pattern is None:
            return ""
        if not isinstance(self.value, str):
            raise self.wrong("must be a text")
        if len(self.value) > most:
            raise self.wrong(f"is longer than {most} characters")
        if pattern is not None and not pattern.fullmatch(self.value):
            raise self.wrong(f"is not of the form {pattern.pattern}")
        return self.value

    def optional_text(self, most: int) -> str | None:
        """Return a text or None."""
        return None if self.value is None else self.text(most)

    def flag(self) -> bool:
        """Return a truth value."""
        if not isinstance(self.value, bool):
            raise self.wrong("must be true or false")
        return self.value

    def number(self, low: float = -1e18, high: float = 1e18) -> float:
        """Return a finite number within bounds."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            raise self.wrong("must be a number")
        if not math.isfinite(self.value) or not low <= self.value <= high:
            raise self.wrong(f"must be between {low:g} and {high:g}")
        return float(self.value)

    def optional_number(self, low: float = -1e18, high: float = 1e18) -> float | None:
        """Return a finite number or None."""
        return None if self.value is None else self.number(low, high)

    def whole(self, high: int = 1 << 50) -> int:
        """Return a whole number from 0."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self.wrong("must be a whole number")
        if not 0 <= self.value <= high:
            raise self.wrong(f"must be between 0 and {high}")
        return self.value

    def optional_whole(self) -> int | None:
        """Return a whole number from 0, or None."""
        return None if self.value is None else self.whole()

    def time(self) -> datetime:
        """Return a time with a zone."""
        try:
            at = datetime.fromisoformat(self.text(40))
        except ValueError:
            raise self.wrong("must be a time like 2026-11-28T07:48:00.5+00:00") from None
        if at.tzinfo is None:
            raise self.wrong("must have a time zone")
        return at
