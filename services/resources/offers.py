"""What administrators said that machines offer to jobs: one offer a machine, the newest.

``MLOPS_HOME/machines.json`` is a setting, not state of a run: it outlives restarts, and lies beside
``settings.toml``. Journalled actions write it; the journal says who, when, and what was before.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.errors import PlatformError
from services.home import Home
from services.resources.capacity import NO_RULE, Rule
from services.resources.lists import ListFile

MOST_SLOTS = 64
"""Heavy jobs at a time that a machine can offer; a project cannot ask for more either."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What an administrator said of one machine; None leaves it to what was measured."""

    host: str
    gpu_slots: int | None = None
    memory_bytes: int | None = None
    power_w: float | None = None
    by: str = ""
    at: float = 0.0

    @property
    def rule(self) -> Rule:
        """The offer as ``capacity.ruled`` takes it."""
        return Rule(self.memory_bytes, self.gpu_slots, self.power_w)


class Offers:
    """The offers of one installation; any number of these in any number of processes."""

    def __init__(self, path: Path) -> None:
        """Begin with a file; its folder exists."""
        lost = "Machines offer what was measured; say again what they are to offer."
        self._path = path
        self._file = ListFile(path, "offers of machines", _offer, lost)
        self._seen: tuple[int, int, int] | None = None
        self._rules: Mapping[str, Rule] = {}

    @classmethod
    def here(cls) -> "Offers":
        """Return those of this installation."""
        return cls(Home.locate().machines)

    def read(self) -> tuple[Offer, ...]:
        """Return all.

        Raises:
            PlatformError: The file cannot be opened.
        """
        return tuple(self._file.read())

    def of(self, host: str) -> Offer | None:
        """Return that of one machine, None when it offers what was measured.

        Raises:
            PlatformError: The file cannot be opened.
        """
        return next((one for one in self._file.read() if one.host == host), None)

    def rules(self) -> Mapping[str, Rule]:
        """Return the rules by machine; the file is read again only when it is another one.

        Raises:
            PlatformError: The file cannot be opened.
        """
        try:
            now = self._path.stat()
        except FileNotFoundError:
            self._seen, self._rules = None, {}
            return self._rules
        except OSError as error:
            raise PlatformError(
                f"The offers of machines cannot be read: {error.strerror or error}.",
                f"See who owns {self._path}.",
            ) from error
        seen = (now.st_ino, now.st_mtime_ns, now.st_size)
        if seen != self._seen:
            self._rules = {one.host: one.rule for one in self._file.read()}
            self._seen = seen
        return self._rules

    def put(self, offer: Offer) -> Offer | None:
        """Set that of a machine and return the one before; one that says nothing takes it away.

        Doing it again changes nothing.

        Raises:
            PlatformError: It cannot be written; what was there stays.
        """
        with self._file.changing() as held:
            before = next((one for one in held if one.host == offer.host), None)
            kept = [one for one in held if one.host != offer.host]
            held[:] = kept if offer.rule == NO_RULE else [*kept, offer]
        return before

    def restore(self, host: str, before: Offer | None) -> None:
        """Put back what ``put`` returned: how an action is taken back.

        Raises:
            PlatformError: It cannot be written; what was there stays.
        """
        self.put(before or Offer(host))


def _offer(said: Mapping[str, Any]) -> Offer:
    """Return one offer.

    Raises:
        ValueError: A figure is none that a machine could offer.
        TypeError: A field is none of it.
    """
    offer = Offer(**said)
    slots, memory, power = offer.gpu_slots, offer.memory_bytes, offer.power_w
    if not isinstance(offer.host, str) or not offer.host:
        raise TypeError(f"{offer.host!r} names no machine")
    if slots is not None and (not _whole(slots) or not 0 <= slots <= MOST_SLOTS):
        raise ValueError(f"{slots!r} is no number of heavy slots")
    if memory is not None and (not _whole(memory) or memory < 0):
        raise ValueError(f"{memory!r} is no amount of memory")
    if power is not None and (not math.isfinite(power) or power <= 0):
        raise ValueError(f"{power!r} is no power")
    return offer


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
