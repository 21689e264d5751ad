"""The leases of one installation, in one file: who holds what, and whether it still lives.

``MLOPS_HOME/run/leases.json`` is written whole by rename under a lock, so a crash leaves the old
file or the new one. It is a file beside the processes it speaks of, not a table of the journal:
leases mean nothing on another machine and must not come back with a backup. A lost file is made
good by its holders, for renewing a lease that is not there puts it back.
"""

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from services.home import Home
from services.process_identity import Identity, start_of
from services.resources.ledger import Ledger
from services.resources.lists import ListFile
from services.resources.models import Capacity, Lease, Needs, Never, Owner, Waits

TTL_S = 120.0
"""A lease whose owner is on another machine ends so long after it was renewed last.

By the time of day of this machine: one that is set forward by more ends it until the next renewal,
one that is set back keeps it for longer. Owners on this machine are looked at instead.
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """A lease that ended without being given back, and why."""

    lease: Lease
    said: str


def this_process() -> Owner:
    """Return the identity of the process that asks."""
    own = psutil.Process()
    return Owner(socket.gethostname(), own.pid, own.create_time(), start_of(own.pid))


def is_alive(owner: Owner) -> bool | None:
    """Return whether a process lives; None when it is on another machine."""
    if owner.host != socket.gethostname():
        return None
    return Identity(owner.pid, owner.created, owner.start).alive


class LeaseBook:
    """Reads and writes the leases; any number of these in any number of processes."""

    def __init__(
        self,
        path: Path,
        now: Callable[[], float] = time.time,
        alive: Callable[[Owner], bool | None] = is_alive,
    ) -> None:
        """Begin.

        Args:
            path: The file; its folder exists.
            now: Seconds since 1970.
            alive: Whether a process lives, None when that cannot be seen from here.
        """
        lost = "Who holds a lease puts it back."
        self._file = ListFile(path, "leases", _lease, lost)
        self._now = now
        self._alive = alive

    @classmethod
    def here(cls) -> "LeaseBook":
        """Return the leases of this installation."""
        return cls(Home.locate().run / "leases.json")

    def leases(self) -> tuple[Lease, ...]:
        """Return the leases that hold now; those of the dead are left out, and stay in the file.

        Raises:
            PlatformError: The file cannot be read.
        """
        return tuple(lease for lease in self._file.read() if not self._ending(lease))

    def take(self, wish: Lease, hosts: Sequence[Capacity]) -> Lease | Waits | Never:
        """Grant a lease on its machine when it fits there, all in one step.

        Who asks again for a lease that it has gets it, with the needs and the owner it names now:
        a deployment that grows, a task that was taken up again after a crash. Where that does not
        fit, the old lease stays as it was.

        Raises:
            PlatformError: The file cannot be read or written.
        """
        with self._file.changing() as held:
            others = tuple(one for one in held if one.id != wish.id and not self._ending(one))
            answer = Ledger(tuple(hosts), others).admit(wish.needs, {wish.host})
            if isinstance(answer, (Waits, Never)):
                return answer
            now = self._now()
            known = next((one for one in held if one.id == wish.id), None)
            begun = known.granted_at if known and known.host == wish.host else now
            lease = replace(wish, granted_at=begun, renewed_at=now)
            held[:] = [*others, lease]
            return lease

    def renew(self, lease: Lease, used_bytes: int | None = None) -> None:
        """Say that a lease is still held; one that is not in the file is put back.

        Whoever renews runs and has the memory, whatever a clock that was set or a lost file says.

        Raises:
            PlatformError: The file cannot be read or written.
        """
        with self._file.changing() as held:
            kept = [one for one in held if one.id != lease.id]
            held[:] = [*kept, replace(lease, renewed_at=self._now(), used_bytes=used_bytes)]

    def end(self, lease_id: str) -> bool:
        """Give a lease back; return whether it was there.

        Raises:
            PlatformError: The file cannot be read or written.
        """
        with self._file.changing() as held:
            kept = [one for one in held if one.id != lease_id]
            gone = len(kept) < len(held)
            held[:] = kept
        return gone

    def sweep(self) -> tuple[Ended, ...]:
        """Take the leases of the dead out of the file and return them.

        Raises:
            PlatformError: The file cannot be read or written.
        """
        with self._file.changing() as held:
            ended = [Ended(one, said) for one in held if (said := self._ending(one))]
            gone = {one.lease.id for one in ended}
            held[:] = [one for one in held if one.id not in gone]
        return tuple(ended)

    def _ending(self, lease: Lease) -> str:
        """Return why a lease holds no longer, empty when it does."""
        if lease.owner is None:
            return ""
        alive = self._alive(lease.owner)
        if alive is not None:
            # A stopped process renews nothing and has its memory all the same.
            return "" if alive else f"The process of {lease.title} ended without giving it back."
        if self._now() - lease.renewed_at <= TTL_S:
            return ""
        return f"{lease.owner.host} did not renew what {lease.title} holds for {TTL_S:.0f} s."


def _lease(said: dict[str, Any]) -> Lease:
    owner = said.pop("owner")
    return Lease(
        **{**said, "needs": Needs(**said.pop("needs"))}, owner=Owner(**owner) if owner else None
    )
