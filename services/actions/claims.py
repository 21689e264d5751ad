"""Who executes an action: a claim, kept by a lease, fenced by the number of the attempt.

A claim ends when its process is gone (same host), when its lease runs out (a stopped process,
another host), or when the executor lets go. A late owner that wakes up is refused at its next
write.

Leases are written by the time of day, which all hosts share within their few seconds. When it is
set, or the machine slept, no claim is taken for run out before its owner had time to renew it.
"""

import contextlib
import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil
from sqlalchemy import Connection, Row, select, update

from services.actions import audit, database, schema
from services.actions.action import Memory
from services.actions.journal import Journal
from services.actions.records import State, shown
from services.errors import ConflictError, MlopsError
from services.process_identity import Identity, start_of

logger = logging.getLogger(__name__)

_LEASE_MS = 30_000
_RENEW_S = 10.0
_SET_S = 2.0
"""The time of day and the time that goes by part by so much only when the clock is set."""
_SETTLED_S = 1.5 * _RENEW_S
"""So long after that, whoever lives has renewed its lease."""
_LONGEST_PAUSE_MS = 600_000
"""No pause is longer: what is to wait longer was written before the clock was set back."""


class LostClaimError(ConflictError):
    """Another executor has the action now; nothing more may be written about it from here."""


@dataclass(frozen=True, slots=True)
class Claim:
    """An action that is ours to execute, as it was when we took it."""

    row: Row  # type: ignore[type-arg]  # of the actions table
    attempt: int
    tries: int


class Claims:
    """Takes actions and writes what becomes of them, as long as they are ours."""

    def __init__(
        self,
        journal: Journal,
        now: Callable[[], int],
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin.

        Args:
            journal: Where the actions are.
            now: The time of day, milliseconds since 1970.
            elapsed: The time that goes by, in seconds from anywhere.
        """
        self._journal = journal
        self._now = now
        self._elapsed = elapsed
        self._apart_s = now() / 1000 - elapsed()
        self._set_at = float("-inf")
        self._me = _identity()
        self._held: set[int] = set()

    def waiting(self) -> list[Row]:  # type: ignore[type-arg]  # of the actions table
        """Return what could be executed now, one a subject, in the order it was asked for."""
        table = schema.actions
        columns = (table.c.id, table.c.kind, table.c.state, table.c.subject, table.c.owner)
        query = select(*columns, table.c.lease_ms, table.c.not_before_ms)
        unfinished = table.c.state.in_(("pending", "running"))
        with self._journal.read() as connection:
            order = (table.c.state.desc(), table.c.id)  # what runs before what waits
            rows = connection.execute(query.where(unfinished).order_by(*order)).all()
        busy = {row.subject for row in rows if row.state == "running" and not self._is_free(row)}
        found = []
        for row in rows:
            if row.subject and row.subject in busy:
                continue
            busy.add(row.subject)
            if self._is_free(row):
                found.append(row)
        return found

    def _is_free(self, row: Row) -> bool:  # type: ignore[type-arg]  # of the actions table
        now, settling = self._now(), self._was_set()
        if row.state == "pending":
            return not 0 < row.not_before_ms - now <= _LONGEST_PAUSE_MS
        if row.owner == self._me:  # we let go without being able to write so: the disk was full
            return row.id not in self._held
        if not _is_alive(row.owner):
            return True
        left_ms = row.lease_ms - now
        # Another host's clock may be ahead of ours; our own was, before it was set back.
        odd = left_ms > 2 * _LEASE_MS and _is_here(row.owner)
        return (left_ms < 0 or odd) and not settling

    def _was_set(self) -> bool:
        """Return whether the clock was set lately, or the machine slept."""
        elapsed = self._elapsed()
        apart_s = self._now() / 1000 - elapsed
        if abs(apart_s - self._apart_s) > _SET_S:
            self._set_at = elapsed
        self._apart_s = apart_s
        return elapsed - self._set_at < _SETTLED_S

    def take(self, action_id: int) -> Claim | None:
        """Take an action; None when another executor was faster."""
        table = schema.actions
        with self._journal.write() as connection:
            database.lock(connection, table.name)
            row = connection.execute(select(table).where(table.c.id == action_id)).first()
            if row is None or row.state not in {"pending", "running"} or not self._is_free(row):
                return None
            if self._is_behind(connection, row):
                return None
            claim = Claim(row, row.attempts + 1, row.tries + 1)
            taken = {"state": "running", "owner": self._me, "lease_ms": self._now() + _LEASE_MS}
            connection.execute(
                update(table)
                .where(table.c.id == action_id)
                .values(**taken, attempts=claim.attempt, tries=claim.tries)
            )
            self._held.add(action_id)
            return claim

    @staticmethod
    def _is_behind(connection: Connection, row: Row) -> bool:  # type: ignore[type-arg]  # of actions
        """Return whether something else on the same subject runs, or was asked for earlier."""
        table = schema.actions
        if not row.subject:
            return False
        before = (table.c.state == "running") | (
            (table.c.state == "pending") & (table.c.id < row.id)
        )
        query = select(table.c.id).where(table.c.subject == row.subject, table.c.id != row.id)
        return connection.execute(query.where(before)).first() is not None

    @contextlib.contextmanager
    def holding(self, claim: Claim) -> Iterator[None]:
        """Renew the lease while the block runs."""
        ended = threading.Event()
        name = f"lease of action {claim.row.id}"
        thread = threading.Thread(target=self._renew, args=(claim, ended), name=name, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self._held.discard(claim.row.id)

    def _renew(self, claim: Claim, ended: threading.Event) -> None:
        while not ended.wait(_RENEW_S):
            try:
                self._write(claim, lease_ms=self._now() + _LEASE_MS)
            except MlopsError as error:
                logger.warning("The lease of action %s: %s", claim.row.id, error)

    # What becomes of it

    def remember(self, claim: Claim, memory: Memory) -> None:
        """Write what was learned.

        Raises:
            LostClaimError: The action is not ours any more.
        """
        self._write(claim, memory=json.dumps(memory))

    def mark(
        self, claim: Claim, number: int, name: str, state: str, detail: str, memory: Memory
    ) -> None:
        """Write how far a step is and what was learned, in one transaction.

        Raises:
            LostClaimError: The action is not ours any more.
        """
        table = schema.steps
        at, detail = self._now(), audit.clean(detail, 4_000)
        where = (table.c.action_id == claim.row.id) & (table.c.number == number)
        with self._journal.write() as connection:
            self._update(connection, claim, memory=json.dumps(memory))
            if connection.execute(select(table.c.state).where(where)).first() is None:
                values = {"action_id": claim.row.id, "number": number, "name": name, "state": state}
                connection.execute(table.insert().values(**values, started_ms=at, detail=detail))
            else:
                ended = None if state == "started" else at
                values = {"state": state, "detail": detail, "finished_ms": ended}
                connection.execute(update(table).where(where).values(**values))

    def put_back(self, claim: Claim, error: MlopsError, pause_ms: int, **changes: object) -> None:
        """Leave it pending, to be taken up again after a pause.

        Raises:
            LostClaimError: The action is not ours any more.
        """
        said = {"error": audit.clean(error.message), "hint": audit.clean(error.hint)}
        later = self._now() + pause_ms
        self._write(claim, state="pending", owner=None, not_before_ms=later, **said, **changes)

    def turn(self, claim: Claim, ending: State, error: MlopsError) -> None:
        """Write that from here on it is taken back, and why.

        Raises:
            LostClaimError: The action is not ours any more.
        """
        said = {"error": audit.clean(error.message), "hint": audit.clean(error.hint)}
        self._write(claim, ending=ending, tries=1, **said)

    def end(
        self, claim: Claim, state: State, *, error: str = "", hint: str = "", result: str = ""
    ) -> None:
        """Write how it ended, with the audit's entry; what was secret in it is forgotten.

        Raises:
            LostClaimError: The action is not ours any more.
        """
        row = claim.row
        said = {"error": audit.clean(error), "hint": audit.clean(hint)}
        said["result"] = audit.clean(result)
        params = json.dumps(shown(row.params), sort_keys=True)
        with self._journal.write() as connection:
            self._update(
                connection,
                claim,
                state=state,
                owner=None,
                params=params,
                finished_ms=self._now(),
                **said,
            )
            audit.append(
                connection,
                row.actor,
                f"{row.kind}.{state}",
                row.title,
                project=row.project,
                detail={"action": row.id, "error": error, "result": result},
            )

    def _write(self, claim: Claim, **values: object) -> None:
        with self._journal.write() as connection:
            self._update(connection, claim, **values)

    @staticmethod
    def _update(connection: Connection, claim: Claim, **values: object) -> None:
        table = schema.actions
        ours = (table.c.id == claim.row.id) & (table.c.attempts == claim.attempt)
        changed = connection.execute(
            update(table).where(ours, table.c.state == "running").values(**values)
        )
        if changed.rowcount != 1:
            raise LostClaimError(f"Another executor took action {claim.row.id}.")


def _identity() -> str:
    """Return host, process, when it was made, which executor of it, and its start.

    A process number alone may be another process tomorrow.
    """
    own, created = os.getpid(), psutil.Process().create_time()
    host = socket.gethostname()[:60]
    return f"{host}:{own}:{created:.2f}:{secrets.token_hex(4)}:{start_of(own)}"


def _is_alive(owner: str | None) -> bool:
    """Return whether the owner's process lives; of another host the lease alone tells."""
    if owner is None:
        return False
    if not _is_here(owner):
        return True
    _, pid, created, _, *start = owner.split(":")  # earlier versions wrote no start
    return Identity(int(pid), float(created), "".join(start)).alive


def _is_here(owner: str) -> bool:
    return owner.partition(":")[0] == socket.gethostname()[:60]
