"""Which processes are ours, and how they are ended with all they started.

What belongs to an engine is found in three ways, so that nothing hides: what was recorded and its
descendants, the members of its process group, and whoever carries the engine's mark in its
environment.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from services.process_identity import Identity

MARK = "MLOPS_ENGINE"
_POLL_S = 0.05


def mark(home: Path, engine: str) -> str:
    """Return what every process of an engine carries as ``MLOPS_ENGINE``."""
    return f"{home}:{engine}"


def marked(home: Path, engine: str = "") -> list[psutil.Process]:
    """Return the processes that carry an engine's mark, or any engine's of this home."""
    wanted = mark(home, engine)
    own = os.getpid()
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            carried = process.environ().get(MARK, "")
            if process.pid != own and (carried == wanted if engine else carried.startswith(wanted)):
                found.append(process)
    return found


def carrying(variable: str, among: Iterable[psutil.Process]) -> set[int]:
    """Return the ids of those with a variable in their environment."""
    found = set()
    for process in among:
        with contextlib.suppress(psutil.Error, OSError):
            if variable in process.environ():
                found.add(process.pid)
    return found


def family(leader: Identity, recorded: Iterable[Identity] = ()) -> list[psutil.Process]:
    """Return the living of: a leader, its group, what was recorded of it, and all descendants."""
    roots = [found for one in (leader, *recorded) if (found := one.process())]
    roots.extend(_group(leader))
    members: dict[int, psutil.Process] = {}
    for root in roots:
        members[root.pid] = root
        with contextlib.suppress(psutil.Error):
            members.update((child.pid, child) for child in root.children(recursive=True))
    return list(members.values())


def _group(leader: Identity) -> Iterator[psutil.Process]:
    """Return the members of the leader's process group, which may have outlived it.

    A group's id is not given to a new process while the group lives; so when the id is now that of
    another process, the group is a stranger's.
    """
    with contextlib.suppress(psutil.Error):
        if not leader.is_of(psutil.Process(leader.pid)):
            return
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error, OSError):
            if pid > 0 and os.getpgid(pid) == leader.pid:
                member = psutil.Process(pid)
                if leader.may_have_started(member):
                    yield member


def send(processes: Iterable[psutil.Process], number: int) -> None:
    """Send a signal to each that still lives."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def living(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return those that run; one that ended and was not buried yet does not."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def wait_gone(processes: Iterable[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Wait until all ended and return those that did not in time."""
    deadline = time.monotonic() + timeout_s
    left = living(processes)
    while left and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        left = living(left)
    return left


def end(
    processes: list[psutil.Process], *, stop_signal: int = signal.SIGTERM, timeout_s: float = 5.0
) -> list[psutil.Process]:
    """Ask them to end, then make them; return those that outlive even that."""
    send(processes, stop_signal)
    # A stopped process (SIGSTOP, a debugger) would never see the request.
    send(processes, signal.SIGCONT)
    left = wait_gone(processes, timeout_s)
    send(left, signal.SIGKILL)
    return wait_gone(left, 2.0)


def memory_bytes(identities: Iterable[Identity]) -> int | None:
    """Return the resident memory of those that live, None when none does."""
    total = None
    for identity in identities:
        with contextlib.suppress(psutil.Error):
            if process := identity.process():
                total = (total or 0) + process.memory_info().rss
    return total
