"""API keys of an hour: with them the dashboard asks a model for the person who looks at it."""

import time
from dataclasses import dataclass

from services.actions import audit
from services.actions.journal import Journal
from services.actions.roles import Actor, require
from services.serving import store
from services.serving.store import ApiKey

LASTS_S = 3_600.0
NAME = "dashboard"
_RATE_PER_S, _AT_ONCE = 5.0, 2
_SPARE_S = 120.0


@dataclass(frozen=True, slots=True)
class ShortKey:
    """One such key; it is kept nowhere but with the person's session."""

    project: str
    key: str
    until: float

    def good(self, now: float | None = None) -> bool:
        """Return whether it lasts for a while."""
        return (time.time() if now is None else now) < self.until - _SPARE_S


def make(journal: Journal, actor: Actor, project: str) -> ShortKey:
    """Make one for a project, and say so in the audit.

    Raises:
        DeniedError: The person may not ask models of that project.
        JournalError: The journal cannot be written.
    """
    require(actor, "operator", project, "Asking a deployed model")
    key_id, key, kept = store.new_key()
    now = time.time()
    made = ApiKey(
        key_id, project, f"{NAME}, {actor.name}", kept, None, _RATE_PER_S, _AT_ONCE, now,
        actor.name, now + LASTS_S,
    )  # fmt: skip
    store.add_key(journal, made)
    with journal.write() as connection:
        audit.append(connection, actor.name, "api-key-short", f"{project}: {key_id}, for an hour")
    return ShortKey(project, key, made.expires_at or now)


def is_short(key: ApiKey) -> bool:
    """Return whether a key was made so; lists leave these out when they ended."""
    return key.name.startswith(f"{NAME}, ") and key.expires_at is not None
