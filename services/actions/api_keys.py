"""Make a key with which applications ask the models of a project, and revoke it.

A key never reaches the journal: an action carries its hash, and the history hides even that.
"""

import math
import re
import time
from dataclasses import dataclass
from typing import ClassVar

from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role
from services.errors import ConflictError, InputError, NotFoundError
from services.serving import store
from services.serving.store import ALL_PROJECTS, ApiKey

_ID = re.compile(r"[0-9a-f]{12}")
_HASH = re.compile(r"[0-9a-f]{64}")
_NAME_LIMIT = 120
_MOST_PER_S = 1_000_000.0
_MOST_AT_ONCE = 10_000
_LONGEST_S = 3660 * 86_400.0
_MOST_MODELS = 100

RATE_PER_S = 100.0
CONCURRENCY = 32


@dataclass(frozen=True, slots=True)
class AddApiKey:
    """Keep the hash of a key that whoever asks for it made with ``store.new_key``."""

    kind: ClassVar[str] = "api-key-add"
    role: ClassVar[Role] = "approver"

    of: str
    """The project, or ``*``: all projects."""
    name: str
    key_id: str
    token_hash: str
    models: tuple[str, ...] | None = None
    """Of the project; None: all."""
    rate_per_s: float = RATE_PER_S
    concurrency: int = CONCURRENCY
    expires_at: float | None = None

    @property
    def project(self) -> str | None:
        """The project; None: it opens all of them."""
        return None if self.of == ALL_PROJECTS else self.of

    @property
    def title(self) -> str:
        """What it does."""
        where = "all projects" if self.project is None else self.of[:64]
        return f"Make the API key {self.name[:40]} of {where}"

    @property
    def subject(self) -> str:
        """The key."""
        return f"api-key:{self.key_id}"

    @property
    def needed_role(self) -> Role:
        """A key of all projects takes an admin."""
        return "admin" if self.project is None else "approver"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse a bad name, limits that are none, an unknown project or model, a taken name."""
        del actor
        if not self.name.strip() or len(self.name) > _NAME_LIMIT or not self.name.isprintable():
            raise InputError(
                f"A key's name has 1 to {_NAME_LIMIT} characters that can be seen.",
                "Name the application that is to use it.",
            )
        if not _ID.fullmatch(self.key_id) or not _HASH.fullmatch(self.token_hash):
            raise InputError("That is no hash of a key.", "`mlops keys add PROJECT NAME`")
        self._check_limits()
        self._check_models(context)
        now = time.time()
        for known in store.keys(context.journal, [self.of]):
            if known.name == self.name and known.good(now) and known.id != self.key_id:
                raise ConflictError(
                    f"{self.of} has a key {self.name!r}.", "Revoke it first, or take another name."
                )

    def _check_limits(self) -> None:
        if not 0 < self.rate_per_s <= _MOST_PER_S:  # NaN is in no range
            raise InputError(f"{self.rate_per_s:g} requests a second is no limit of a key.")
        if isinstance(self.concurrency, bool) or not 1 <= self.concurrency <= _MOST_AT_ONCE:
            raise InputError(f"{self.concurrency} requests at once is no limit of a key.")
        if self.expires_at is not None:
            left = self.expires_at - time.time()
            if not math.isfinite(left) or not 0 < left <= _LONGEST_S:
                raise InputError("A key ends in the future, within ten years; or never.")

    def _check_models(self, context: Context) -> None:
        if self.project is None:
            if self.models is not None:
                raise InputError("A key of all projects names no model.")
            return
        context.mirror.project(self.project)
        if self.models is None:
            return
        if not 0 < len(self.models) <= _MOST_MODELS:
            raise InputError(f"A key names 1 to {_MOST_MODELS} models, or is for all of them.")
        known = {model.name for model in context.mirror.models(self.project)}
        for model in self.models:
            if model not in known:
                raise NotFoundError(
                    f"Project {self.of[:64]} has no registered model {model[:80]!r}.",
                    "`mlops models list` names the models there are.",
                )

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        del context
        what = "all models of all projects" if self.project is None else f"all models of {self.of}"
        if self.models is not None:
            what = f"{', '.join(self.models)} of {self.of}"
        return (
            f"Whoever has the key can ask {what}: up to {self.rate_per_s:g} requests a second, "
            f"{self.concurrency} at once.",
            "The key is shown once; it counts until it ends or is revoked.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        made = float(deed.memory.setdefault("at", time.time()))
        key = ApiKey(
            self.key_id, self.of, self.name, self.token_hash, self.models, self.rate_per_s,
            self.concurrency, made, deed.actor.name, self.expires_at,
        )  # fmt: skip

        def do() -> str:
            store.add_key(context.journal, key)
            return "the key counts"

        def undo() -> None:
            store.revoke_key(context.journal, self.key_id)

        return (Step("Keep the hash of the key", do, undo),)


@dataclass(frozen=True, slots=True)
class RevokeApiKey:
    """End a key."""

    kind: ClassVar[str] = "api-key-revoke"
    role: ClassVar[Role] = "approver"

    of: str
    """The key's project, or ``*``."""
    key_id: str

    @property
    def project(self) -> str | None:
        """The project; None: it opens all of them."""
        return None if self.of == ALL_PROJECTS else self.of

    @property
    def title(self) -> str:
        """What it does."""
        return f"Revoke the API key {self.key_id[:16]}"

    @property
    def subject(self) -> str:
        """The key."""
        return f"api-key:{self.key_id}"

    @property
    def needed_role(self) -> Role:
        """A key of all projects takes an admin."""
        return "admin" if self.project is None else "approver"

    def _key(self, context: Context) -> ApiKey:
        for known in store.keys(context.journal, [self.of]):
            if known.id == self.key_id:
                return known
        raise NotFoundError(
            f"{'No project' if self.project is None else self.of[:64]} has a key "
            f"{self.key_id[:20]!r}.",
            "`mlops keys list` names the keys.",
        )

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse a key that is not there."""
        del actor
        self._key(context)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        key = self._key(context)
        if key.revoked_at is not None:
            return (f"Nothing changes: {key.name} was revoked before.",)
        return (
            f"Within a second whoever uses {key.name} is refused (401).",
            "It cannot be brought back; make another key instead.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        del deed

        def do() -> str:
            done = store.revoke_key(context.journal, self.key_id)
            return "the key has ended" if done else "it had ended already"

        return (Step("End the key", do),)
