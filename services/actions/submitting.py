"""Writing an action down before it runs: whose it is, whether it is allowed, what was asked."""

import hashlib
import json

from services.actions import audit, roles, schema
from services.actions.action import Action, needed_role
from services.actions.catalog import dump
from services.actions.journal import Journal
from services.actions.records import shown
from services.actions.roles import Actor
from services.errors import InputError


def seal(actor: Actor, key: str) -> str:
    """Return the key as it is stored: one's own, and of one length."""
    return hashlib.sha256(f"{actor.kind}/{actor.name}/{key}".encode(errors="replace")).hexdigest()


def check_text(params: str) -> None:
    """Refuse text no database holds.

    Raises:
        InputError: It has a NUL or half of a character.
    """
    for name, value in json.loads(params).items():
        for text in value if isinstance(value, list) else (value,):
            if isinstance(text, str) and audit.clean(text) != text:
                raise InputError(f"The {name} has a NUL, or bytes that are no UTF-8.")


def permit(journal: Journal, actor: Actor, action: Action) -> None:
    """Let the actor pass; a refusal is audited.

    Raises:
        DeniedError: Role or scope do not allow it.
    """
    needed = needed_role(action)
    reason = roles.reason_against(actor, needed, action.project, action.title)
    if not reason:
        return
    with journal.write() as connection:
        audit.append(
            connection,
            actor.name,
            f"{action.kind}.denied",
            action.title,
            project=action.project,
            detail={"reason": reason},
        )
    roles.require(actor, needed, action.project, action.title)


def write_down(journal: Journal, actor: Actor, action: Action, sealed: str, now: int) -> int:
    """Write an action into the journal and the audit, in one step; return its number.

    Args:
        journal: Where it is written.
        actor: Who asks.
        action: What for.
        sealed: The key, from ``seal``: the same one twice is an error of integrity.
        now: Milliseconds since 1970.
    """
    params = dump(action)
    row = {
        "key": sealed,
        "kind": action.kind,
        "project": action.project,
        "title": action.title,
        "params": params,
        "memory": "{}",
        "actor": actor.name,
        "actor_kind": actor.kind,
        "actor_role": actor.role,
        "actor_projects": None if actor.projects is None else json.dumps(actor.projects),
        "subject": action.subject[:300],
        "state": "pending",
        "error": "",
        "hint": "",
        "result": "",
        "submitted_ms": now,
        "attempts": 0,
    }
    with journal.write() as connection:
        table = schema.actions
        made = connection.execute(table.insert().values(**row).returning(table.c.id))
        number = int(made.scalar_one())
        audit.append(
            connection,
            actor.name,
            f"{action.kind}.requested",
            action.title,
            project=action.project,
            detail={"action": number, "kind": action.kind, "params": shown(params)},
        )
    return number
