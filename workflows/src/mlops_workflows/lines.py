"""The output of a command, line by line: passed on, and the last of it kept."""

from collections import deque
from collections.abc import Sequence

LAST = 200
_LONGEST = 4000
_WAITING_LIMIT = 1 << 20


class Lines:
    """Cuts output into lines; what is secret is blotted out."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self.last: deque[str] = deque(maxlen=LAST)
        self.count = 0
        self._secrets = secrets
        self._part = b""
        self._waiting = bytearray()

    @property
    def is_full(self) -> bool:
        """Whether the reader is so far behind that the command has to wait for it."""
        return len(self._waiting) > _WAITING_LIMIT

    @property
    def waiting(self) -> bytearray:
        """What the reader has not taken yet; it takes from the front."""
        return self._waiting

    def feed(self, data: bytes) -> None:
        """Take output as it comes. A progress bar's carriage return ends a line too."""
        *whole, self._part = (self._part + data.replace(b"\r", b"\n")).split(b"\n")
        for line in whole:
            if line:
                self.add(line.decode(errors="replace"))
        while len(self._part) > _LONGEST:
            self.add(self._part[:_LONGEST].decode(errors="replace"))
            self._part = self._part[_LONGEST:]

    def end(self) -> None:
        """Take what came last without an end of line."""
        if self._part:
            self.feed(b"\n")

    def add(self, line: str) -> None:
        """Take one line."""
        for secret in self._secrets:
            line = line.replace(secret, "***")
        line = line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"
        self.count += 1
        self.last.append(line)
        self._waiting += line.encode(errors="replace") + b"\n"
