"""What endpoints hold of this machine's memory, in the ledger that training draws on too."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from services.resources.leases import LeaseBook
from services.resources.models import Capacity, Lease, Needs, Never, Waits, gib

RENEWED_S = 10.0
ASKED_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there is no memory now."""

    said: str
    missing_bytes: int
    """How much is missing; 0: more would not help."""
    for_good: bool = False
    """It never fits this machine."""


@dataclass(slots=True)
class _Held:
    lease: Lease
    renewed_at: float
    used_bytes: int | None = None


class LeaseKeeping:
    """The leases of all endpoints' versions. Used from one thread."""

    def __init__(
        self,
        book: LeaseBook,
        capacity: Callable[[], Capacity],
        *,
        most_bytes: int | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Begin.

        Args:
            book: The ledger.
            capacity: Returns what this machine offers.
            most_bytes: What endpoints together may have; None: as much as there is.
            now: Seconds since 1970.
        """
        self._book = book
        self._capacity = capacity
        self._most = most_bytes
        self._now = now
        self._held: dict[str, _Held] = {}
        self._refused: dict[str, tuple[float, int, Refused | None]] = {}

    @staticmethod
    def id_of(name: str, version: int) -> str:
        """Return the id of a version's lease."""
        return f"deployment:{name}:{version}"

    def hold(self, name: str, project: str, version: int, count: int, said: str) -> Refused | None:
        """Hold so many bytes for a version; return why not, where there are too few.

        What is held already may be less from now on, or what it is.

        Raises:
            PlatformError: The ledger cannot be read or written.
        """
        key = self.id_of(name, version)
        held = self._held.get(key)
        if held is not None and held.lease.needs.memory_bytes == count:
            return None
        capacity = self._capacity()
        wish = self._lease(key, project, capacity.host, count, said)
        if held is not None and count < held.lease.needs.memory_bytes:
            self._renew(wish, held.used_bytes)
            self._refused.clear()
            return None
        if refused := self._over(key, count):
            return refused
        asked_at, before, told = self._refused.get(key, (0.0, 0, None))
        if before == count and 0 <= self._now() - asked_at < ASKED_AGAIN_S:
            return told
        answer = self._book.take(wish, (capacity,))
        if isinstance(answer, Lease):
            self._held[key] = _Held(answer, self._now())
            self._refused.pop(key, None)
            return None
        refused = _refused(answer)
        self._refused[key] = (self._now(), count, refused)
        return refused

    def take_over(self, name: str, project: str, version: int, count: int) -> None:
        """Hold what model servers of an earlier life have: they have it, whatever else is said.

        Raises:
            PlatformError: The ledger cannot be written.
        """
        key = self.id_of(name, version)
        lease = self._lease(key, project, self._capacity().host, count, "as it was")
        self._renew(lease, None)

    def keep(self, used: Mapping[tuple[str, int], int | None]) -> None:
        """Renew what is used, and give back what is not.

        Raises:
            PlatformError: The ledger cannot be read or written.
        """
        wanted = {self.id_of(*key): count for key, count in used.items()}
        for key in [one for one in self._held if one not in wanted]:
            self._book.end(key)
            del self._held[key]
            self._refused.clear()  # they are asked again at once, before others make room too
        now = self._now()
        for key, held in self._held.items():
            if not 0 <= now - held.renewed_at < RENEWED_S:
                self._renew(held.lease, wanted[key])

    def clear(self, *, all_of_serving: bool = False) -> None:
        """Give all back.

        Args:
            all_of_serving: Also what an earlier life held and nobody gave back.

        Raises:
            PlatformError: The ledger cannot be read or written.
        """
        names = set(self._held)
        if all_of_serving:
            names |= {
                one.id
                for one in self._book.leases()
                if one.kind == "serving" and not _of_others(one)
            }
        for key in names:
            self._book.end(key)
        self._held.clear()

    def sweep(self) -> None:
        """Give back what an earlier life held and this one does not; trials keep theirs.

        Raises:
            PlatformError: The ledger cannot be read or written.
        """
        for one in self._book.leases():
            if one.kind == "serving" and one.id not in self._held and not _of_others(one):
                self._book.end(one.id)

    @property
    def held_bytes(self) -> int:
        """What is held for all versions, also of those whose servers ended a moment ago."""
        return sum(one.lease.needs.memory_bytes for one in self._held.values())

    def free_bytes(self) -> int | None:
        """Return what more endpoints may have; None: not known.

        Raises:
            PlatformError: The ledger cannot be read.
        """
        budget = self._capacity().memory_bytes
        if budget is None:
            return None
        leases = self._book.leases()
        free = budget - sum(one.needs.memory_bytes for one in leases)
        if self._most is not None:
            serving = sum(one.needs.memory_bytes for one in leases if one.kind == "serving")
            free = min(free, self._most - serving)
        return max(0, free)

    def _over(self, key: str, count: int) -> Refused | None:
        """Return why a version would have more than all endpoints may."""
        if self._most is None:
            return None
        others = sum(
            one.lease.needs.memory_bytes for name, one in self._held.items() if name != key
        )
        missing = others + count - self._most
        if missing <= 0:
            return None
        said = (
            f"It lacks {gib(missing)}: endpoints may have {gib(self._most)} together "
            f"(serving_memory_gb), and others hold {gib(others)}."
        )
        return Refused(said, missing, for_good=count > self._most)

    def _lease(self, key: str, project: str, host: str, count: int, said: str) -> Lease:
        now = self._now()
        needs = Needs(count, gpu_slots=0, said=said)
        return Lease(key, "serving", host, project, needs, granted_at=now, renewed_at=now)

    def _renew(self, lease: Lease, used: int | None) -> None:
        self._book.renew(lease, used)
        self._held[lease.id] = _Held(replace(lease, renewed_at=self._now()), self._now(), used)


def forget_all(book: LeaseBook) -> None:
    """Give back what endpoints held: where serving is switched off nobody else would.

    Raises:
        PlatformError: The ledger cannot be read or written.
    """
    for one in book.leases():
        if one.kind == "serving" and not _of_others(one):
            book.end(one.id)


def _of_others(lease: Lease) -> bool:
    """Return whether a process that lives holds it itself: a trial, which gives it back.

    The book names no lease whose owner is gone; what endpoints hold has no owner.
    """
    return lease.owner is not None


def _refused(answer: Waits | Never) -> Refused:
    memory = isinstance(answer, Never) or answer.short in {"memory", "others"}
    missing = int(answer.missing) if memory else 0
    return Refused(answer.said, missing, for_good=isinstance(answer, Never))
