"""The keys with which the platform asks a model for a person: ``mlops predict``, the try-it form.

Such a key is one person's, of one project, and lasts an hour; it is made by an action of that
person, so the audit has who may have asked with it. It lies in ``MLOPS_HOME/secrets``, readable
by its owner alone, and is never shown: it is revoked as any other, and made anew when the
person asks again.
"""

import hashlib
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sqlalchemy import delete, literal, or_

from services.actions import schema
from services.actions.action import Context, Deed, Step
from services.actions.api_keys import CONCURRENCY, RATE_PER_S
from services.actions.journal import Journal
from services.actions.roles import Actor, Role, require
from services.errors import MlopsError, NotFoundError, PlatformError
from services.home import Home
from services.serving import store
from services.serving.store import ApiKey

LASTS_S = 3_600.0
_SPARE_S = 120.0
_PATIENCE_S = 10.0
_NAME = "the platform, for "
_KEYS = schema.api_keys


@dataclass(frozen=True, slots=True)
class OwnKey:
    """Keep the hash of a key of an hour, made in the name of who asks."""

    kind: ClassVar[str] = "api-key-own"
    role: ClassVar[Role] = "operator"

    project: str
    key_id: str
    token_hash: str

    @property
    def title(self) -> str:
        """What it does."""
        return f"Ask models of {self.project[:64]} for an hour"

    @property
    def subject(self) -> str:
        """The key."""
        return f"api-key:{self.key_id}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse a project without a deployed model."""
        del actor
        if not store.endpoints(context.journal, [self.project]):
            raise NotFoundError(
                f"{self.project[:64]} has no deployed model.", "`mlops deployments` lists what is."
            )

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        del context
        return (f"The platform may ask the models of {self.project} for you, for an hour.",)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        at, who = float(deed.memory.setdefault("at", time.time())), deed.actor.name
        key = ApiKey(
            self.key_id, self.project, f"{_NAME}{who}", self.token_hash, None, RATE_PER_S,
            CONCURRENCY, at, who, at + LASTS_S,
        )  # fmt: skip

        def do() -> str:
            store.add_key(context.journal, key)
            return "the key counts"

        def undo() -> None:
            store.revoke_key(context.journal, self.key_id)

        return (Step("Keep the hash of the key", do, undo),)


def own_key(context: Context, actor: Actor, project: str) -> str:
    """Return the key with which the platform asks a project's models for somebody.

    Raises:
        DeniedError: The person may not ask them.
        NotFoundError: Nothing of the project is deployed.
        MlopsError: The key could not be made, written or read.
    """
    from services.actions.executor import Executor  # it knows all actions, this one as well

    require(actor, "operator", project, "Asking a deployed model")
    path = _path(actor, project)
    known = _read(path)
    if known and _counts(context, known, actor, project):
        return known
    key_id, key, hashed = store.new_key()
    executor = Executor(context)
    made = executor.submit(actor, OwnKey(project, key_id, hashed), key_id)
    executor.execute_pending(only=made.id)  # the journal is all it needs: nobody waits for a turn
    made = executor.wait(made.id, _PATIENCE_S)
    if made.state != "done":
        raise MlopsError(f"{made.title}: {made.error or made.state}.", made.hint)
    _write(path, key)
    return key


def is_own(key: ApiKey) -> bool:
    """Return whether a key was made so; lists leave these out when they ended."""
    return key.name == f"{_NAME}{key.created_by}"


def prune(journal: Journal, before: float) -> int:
    """Delete the hashes of those that ended before a moment (s since 1970); return how many.

    Who had which is in the audit for ever; a key that people made is never deleted.

    Raises:
        JournalError: The journal cannot be written.
    """
    moment = round(before * 1000)
    ended = or_(_KEYS.c.expires_ms < moment, _KEYS.c.revoked_ms < moment)
    own = _KEYS.c.name == literal(_NAME) + _KEYS.c.created_by
    with journal.write() as connection:
        return connection.execute(delete(_KEYS).where(own, ended)).rowcount


def _path(actor: Actor, project: str) -> Path:
    owner = hashlib.sha256(f"{actor.kind}/{actor.name}/{project}".encode()).hexdigest()
    return Home.locate().secrets / f"asking-{owner[:32]}.key"


def _counts(context: Context, key: str, actor: Actor, project: str) -> bool:
    mine, soon = (store.key_hash(key), actor.name), time.time() + _SPARE_S
    kept = store.keys(context.journal, [project])
    return any((one.hash, one.created_by) == mine and one.good(soon) for one in kept)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise PlatformError(
            f"The platform's own API key {path} cannot be read.", "Delete it; it is made anew."
        ) from error


def _write(path: Path, key: str) -> None:
    name = ""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600
        with os.fdopen(handle, "w") as file:
            file.write(key)
        Path(name).replace(path)
    except OSError as error:
        if name:
            Path(name).unlink(missing_ok=True)
        raise PlatformError(
            f"The platform's own API key {path} cannot be written ({error.strerror or error}).",
            "See that the folder belongs to you and the disk is not full.",
        ) from error
