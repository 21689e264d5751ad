"""A task's log as it is read page by page: what is held of it, and what is found in it."""

import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.engines.airflow.models import LogLine, LogPage

HELD = 20_000
"""Lines that are kept for one person who looks at one log; the whole of it is with Airflow."""
LINE_LIMIT = 2_000
"""Characters of a line that are shown."""
MATCHES = 2_000
_BEGIN, _END = "::group::", "::endgroup::"


@dataclass(frozen=True, slots=True)
class Line:
    """One line, with its number in the whole log."""

    number: int
    at: datetime | None
    level: str
    text: str
    more: bool = False
    """It goes on with what the line before began: a traceback."""


@dataclass(frozen=True, slots=True)
class Match:
    """Where a text was found: the place of the line in what is held, and of the text in it."""

    place: int
    begin: int
    end: int


@dataclass(slots=True)
class LogBook:
    """The newest lines of one try's log."""

    lines: deque[Line] = field(default_factory=lambda: deque(maxlen=HELD))
    count: int = 0
    """Of all lines that were read, also those that are no longer held."""
    next_page: str | None = None
    ended: bool = False
    """Nothing more will come."""
    folded: bool = False
    """What came last is of Airflow itself, which it folds away."""

    @property
    def dropped(self) -> int:
        """Return how many of the first lines are no longer held."""
        return self.count - len(self.lines)

    def add(self, page: LogPage) -> None:
        """Take what Airflow told since the page before."""
        for line in page.lines:
            level = (line.level or "").lower()
            for place, text in enumerate(self._texts(line)):
                self.count += 1
                self.lines.append(Line(self.count, line.at, level, text, more=place > 0))
        self.next_page = page.next_page
        self.ended = page.next_page is None

    def _texts(self, line: LogLine) -> list[str]:
        """Return the lines of what was said, without what Airflow says of itself round it."""
        begins, ends = line.text.startswith(_BEGIN), line.text.startswith(_END)
        hidden = begins or ends or self.folded
        self.folded = (self.folded or begins) and not ends
        texts = [] if hidden else line.text.splitlines() or [""]
        return texts + (line.error.splitlines() if line.error else [])

    def text(self) -> str:
        """Return all that is held, for a file."""
        return "\n".join(written(line) for line in self.lines) + "\n"


def written(line: Line) -> str:
    """Return a line with its time and level, as in a file."""
    at = f"{line.at:%Y-%m-%d %H:%M:%S} " if line.at else ""
    level = f"{line.level.upper()} " if line.level not in {"", "info"} and not line.more else ""
    return f"{at}{level}{line.text}"


def find(lines: Iterable[Line], words: str) -> tuple[Match, ...]:
    """Return where a text is, whatever its case: at most ``MATCHES`` places, the newest ones."""
    if not words.strip():
        return ()
    pattern = re.compile(re.escape(words), re.IGNORECASE)
    found: deque[Match] = deque(maxlen=MATCHES)
    for place, line in enumerate(lines):
        for one in pattern.finditer(line.text[:LINE_LIMIT]):
            found.append(Match(place, one.start(), one.end()))
    return tuple(found)


def shown(total: int, most: int, around: int | None = None) -> tuple[int, int]:
    """Return which lines are shown, from and up to: the last ones, or those around a place."""
    if around is None or total - most <= around < total:
        return max(0, total - most), total
    begin = max(0, min(around - most // 2, total - most))
    return begin, min(total, begin + most)


def matching(lines: Sequence[Line], found: Sequence[Match], most: int) -> list[tuple[int, Line]]:
    """Return the newest lines a text was found in, each with its place."""
    places = sorted({match.place for match in found})[-most:]
    return [(place, lines[place]) for place in places]
