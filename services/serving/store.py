"""Desired state, its history, and API keys: what of serving lies in the journal.

Whoever changes an endpoint does it through ``change``: it reads the row, and writes it with the
next generation, in one transaction. The serving engine follows ``endpoints`` and says through
``finish_rollout`` what became of a rollout.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from services.actions import database, schema
from services.actions.journal import Journal
from services.errors import ConflictError, NotFoundError
from services.serving.models import Endpoint, EventKind, Rollout

KEY_PREFIX = "mlk_"
ALL_PROJECTS = "*"
"""The project of a key that opens the models of all; an admin's to give."""
_ENDPOINTS, _EVENTS, _KEYS = schema.serving_endpoints, schema.serving_events, schema.api_keys


# Endpoints


def endpoints(journal: Journal, projects: Sequence[str] | None = None) -> tuple[Endpoint, ...]:
    """Return what is wanted, by name; ``projects`` are those the person sees, None for all.

    Raises:
        JournalError: The journal cannot be read.
    """
    query = select(_ENDPOINTS).order_by(_ENDPOINTS.c.name)
    if projects is not None:
        query = query.where(_ENDPOINTS.c.project.in_(projects))
    with journal.read() as connection:
        return tuple(_endpoint(row) for row in connection.execute(query))


def endpoint(journal: Journal, name: str) -> Endpoint:
    """Return one endpoint.

    Raises:
        NotFoundError: It is not deployed.
        JournalError: The journal cannot be read.
    """
    with journal.read() as connection:
        found = _found(connection, name)
    if found is None:
        raise NotFoundError(f"{name} is not deployed.", "`mlops deployments` lists what is.")
    return found


def change(
    journal: Journal, project: str, model: str, how: Callable[[Endpoint], Endpoint]
) -> Endpoint:
    """Change what is wanted of an endpoint, made when it is not there; return it as written.

    ``how`` may raise: nothing is written then. Nor is an endpoint made that serves nothing: one
    that was taken out of service meanwhile does not come back by that.

    Raises:
        JournalError: The journal cannot be written.
    """
    fresh = Endpoint(project, model)
    now = _now()
    with journal.write() as connection:
        database.lock(connection, _ENDPOINTS.name)
        before = _found(connection, fresh.name)
        after = how(before or fresh)
        after = replace(after, generation=(before or fresh).generation + 1, changed_at=now)
        if before is None and after.live is None and after.rollout is None:
            return after
        if before is None:
            row = {"name": fresh.name, "project": project, "model": model, **_values(after)}
            connection.execute(insert(_ENDPOINTS).values(**row))
        else:
            where = _ENDPOINTS.c.name == fresh.name
            connection.execute(update(_ENDPOINTS).where(where).values(**_values(after)))
    return after


def put_rollout(
    journal: Journal,
    project: str,
    model: str,
    rollout: Rollout,
    first: Callable[[Endpoint], Endpoint] | None = None,
) -> Endpoint:
    """Begin a rollout; the same action's once: what was changed of it since is kept.

    Args:
        journal: Where it lies.
        project: Whose model it is.
        model: Which one.
        rollout: What is to become live, and how.
        first: Changes an endpoint that comes into being with it.

    Raises:
        ConflictError: Another one is under way.
        JournalError: The journal cannot be written.
    """

    def begin(now: Endpoint) -> Endpoint:
        known = now.rollout
        if known is not None and known.action_id is not None and known.key == rollout.key:
            return now
        if known is not None and known.action_id != rollout.action_id:
            raise ConflictError(
                f"{now.name} has a rollout of version {known.target.version} under way.",
                "Wait for it, or end it: `mlops rollout PROJECT/MODEL --abort`.",
            )
        fresh = now.live is None and now.rollout is None
        return replace(first(now) if first and fresh else now, rollout=rollout)

    return change(journal, project, model, begin)


def finish_rollout(
    journal: Journal,
    name: str,
    version: int,
    *,
    live: bool,
    said: str,
    action_id: int | None = None,
) -> Endpoint | None:
    """End a rollout as the serving engine saw it end, with its line in the history, in one step.

    Returns the endpoint, None when that rollout is not wanted any more (nothing is changed then).
    An endpoint without a live version whose first rollout failed is wanted no longer.

    Args:
        journal: Where it lies.
        name: Of the endpoint.
        version: Of the rollout.
        live: Whether the version is live now.
        said: How it ended, as a sentence.
        action_id: Whose rollout of the version is meant; None: any.

    Raises:
        JournalError: The journal cannot be written.
    """
    now = _now()
    with journal.write() as connection:
        database.lock(connection, _ENDPOINTS.name)
        before = _found(connection, name)
        rollout = before.rollout if before else None
        if before is None or rollout is None or rollout.target.version != version:
            return None
        if action_id is not None and action_id != rollout.action_id:
            return None
        after = before.with_live(rollout.target if live else before.live)
        after = replace(after, generation=before.generation + 1, changed_at=now)
        where = _ENDPOINTS.c.name == name
        if after.live is None:
            connection.execute(delete(_ENDPOINTS).where(where))
        else:
            connection.execute(update(_ENDPOINTS).where(where).values(**_values(after)))
        kind: EventKind = "live" if live else ("rolled-back" if before.live else "failed")
        _note(connection, name, version, kind, said, rollout.action_id, rollout.actor, now)
    return after


def remove(journal: Journal, name: str, *, said: str, action_id: int | None, actor: str) -> None:
    """Want an endpoint no longer; what is gone already is gone.

    Raises:
        JournalError: The journal cannot be written.
    """
    with journal.write() as connection:
        database.lock(connection, _ENDPOINTS.name)
        done = connection.execute(delete(_ENDPOINTS).where(_ENDPOINTS.c.name == name))
        if done.rowcount:
            _note(connection, name, None, "undeployed", said, action_id, actor, time.time())


def _now() -> float:
    """Return the time as it comes back: in whole milliseconds."""
    return round(time.time() * 1000) / 1000


def _values(endpoint: Endpoint) -> dict[str, object]:
    return {
        "desired": json.dumps(endpoint.as_json(), sort_keys=True),
        "generation": endpoint.generation,
        "changed_ms": round(endpoint.changed_at * 1000),
    }


def _found(connection: Connection, name: str) -> Endpoint | None:
    row = connection.execute(select(_ENDPOINTS).where(_ENDPOINTS.c.name == name)).first()
    return None if row is None else _endpoint(row)


def _endpoint(row: Row[Any]) -> Endpoint:
    return Endpoint.from_json(json.loads(row.desired), row.generation, row.changed_ms / 1000)


# History


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to an endpoint."""

    id: int
    at: float
    name: str
    version: int | None
    kind: EventKind
    said: str
    action_id: int | None
    actor: str


def record_event(
    journal: Journal,
    name: str,
    kind: EventKind,
    said: str,
    *,
    version: int | None = None,
    action_id: int | None = None,
    actor: str = "platform",
) -> None:
    """Write a line into an endpoint's history.

    Raises:
        JournalError: The journal cannot be written.
    """
    with journal.write() as connection:
        _note(connection, name, version, kind, said, action_id, actor, time.time())


def events(
    journal: Journal,
    name: str,
    limit: int = 100,
    kinds: Sequence[EventKind] = (),
    *,
    action_id: int | None = None,
    after: int = 0,
) -> tuple[Event, ...]:
    """Return an endpoint's history, newest first.

    Args:
        journal: Where it lies.
        name: Of the endpoint.
        limit: The most of them.
        kinds: Those alone; () is all.
        action_id: What came of one action alone.
        after: Only what came after the event of this id.

    Raises:
        JournalError: The journal cannot be read.
    """
    query = select(_EVENTS).where(_EVENTS.c.name == name, _EVENTS.c.id > after)
    if kinds:
        query = query.where(_EVENTS.c.kind.in_(kinds))
    if action_id is not None:
        query = query.where(_EVENTS.c.action_id == action_id)
    query = query.order_by(_EVENTS.c.id.desc()).limit(limit)
    with journal.read() as connection:
        rows = connection.execute(query).all()
    return tuple(
        Event(r.id, r.at_ms / 1000, r.name, r.version, r.kind, r.said, r.action_id, r.actor)
        for r in rows
    )


def _note(
    connection: Connection, name: str, version: int | None, kind: EventKind, said: str,
    action_id: int | None, actor: str, at: float,
) -> None:  # fmt: skip
    row = {
        "at_ms": round(at * 1000), "name": name, "version": version, "kind": kind, "said": said,
        "action_id": action_id, "actor": actor or "platform",
    }  # fmt: skip
    connection.execute(insert(_EVENTS).values(**row))


# API keys


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key; the key itself is known to who made it alone."""

    id: str
    project: str
    name: str
    hash: str
    models: tuple[str, ...] | None
    """Models of the project; None: all."""
    rate_per_s: float
    concurrency: int
    created_at: float
    created_by: str
    expires_at: float | None = None
    revoked_at: float | None = None

    def good(self, now: float) -> bool:
        """Return whether it opens anything."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def opens(self, project: str, model: str) -> bool:
        """Return whether it is for a model."""
        if self.project == ALL_PROJECTS:
            return True
        return project == self.project and (self.models is None or model in self.models)


def new_key() -> tuple[str, str, str]:
    """Return a fresh key: its id, the key as it is shown once, and the hash that is kept."""
    key_id = secrets.token_hex(6)
    key = f"{KEY_PREFIX}{key_id}_{secrets.token_urlsafe(24)}"
    return key_id, key, key_hash(key)


def key_hash(key: str) -> str:
    """Return the hash of a key; it has 192 random bits, so a plain SHA-256 does."""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


def key_id_of(key: str) -> str:
    """Return which key a text claims to be; empty when it is none."""
    prefix, _, rest = key.partition("_")
    key_id, _, secret = rest.partition("_")
    return key_id if f"{prefix}_" == KEY_PREFIX and secret and len(key) < 100 else ""


def add_key(journal: Journal, key: ApiKey) -> None:
    """Keep a key; the same id twice is one key.

    Raises:
        JournalError: The journal cannot be written.
    """
    with journal.write() as connection:
        known = connection.execute(select(_KEYS.c.id).where(_KEYS.c.id == key.id)).first()
        if known is not None:
            return
        row = {
            "id": key.id, "project": key.project, "name": key.name, "hash": key.hash,
            "models": None if key.models is None else json.dumps(list(key.models)),
            "rate_per_s": key.rate_per_s, "concurrency": key.concurrency,
            "created_ms": round(key.created_at * 1000), "created_by": key.created_by,
            "expires_ms": None if key.expires_at is None else round(key.expires_at * 1000),
        }  # fmt: skip
        connection.execute(insert(_KEYS).values(**row))


def revoke_key(journal: Journal, key_id: str) -> bool:
    """Revoke a key; return whether it was good before.

    Raises:
        JournalError: The journal cannot be written.
    """
    where = (_KEYS.c.id == key_id, _KEYS.c.revoked_ms.is_(None))
    with journal.write() as connection:
        done = connection.execute(
            update(_KEYS).where(*where).values(revoked_ms=int(time.time() * 1000))
        )
    return bool(done.rowcount)


def keys(journal: Journal, projects: Sequence[str] | None = None) -> tuple[ApiKey, ...]:
    """Return keys, newest first; ``projects`` are those the person sees, None for all.

    Raises:
        JournalError: The journal cannot be read.
    """
    query = select(_KEYS).order_by(_KEYS.c.created_ms.desc(), _KEYS.c.id)
    if projects is not None:
        query = query.where(_KEYS.c.project.in_(projects))
    with journal.read() as connection:
        return tuple(_key(row) for row in connection.execute(query))


def _key(row: Row[Any]) -> ApiKey:
    def seconds(stamp: int | None) -> float | None:
        return None if stamp is None else stamp / 1000

    return ApiKey(
        row.id, row.project, row.name, row.hash,
        None if row.models is None else tuple(json.loads(row.models)),
        row.rate_per_s, row.concurrency, row.created_ms / 1000, row.created_by,
        seconds(row.expires_ms), seconds(row.revoked_ms),
    )  # fmt: skip
