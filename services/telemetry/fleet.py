"""The machines that report here and their tokens, for who manages them: actions, commands, pages.

What is done here may be done again after a kill: what is gone already, or there already, is fine.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from services.errors import ConflictError, NotFoundError
from services.home import Home
from services.telemetry import tokens
from services.telemetry.models import HostState
from services.telemetry.store import Store
from services.telemetry.tokens import AgentToken


@dataclass(frozen=True, slots=True)
class Holder:
    """A token, and how the machine does that uses it."""

    token: AgentToken
    last_at: datetime | None
    """Of the machine's newest sample; None: none came with it yet, or the machine was removed."""


class Fleet:
    """The machines of one installation."""

    def __init__(self, store: Store, folder: Path) -> None:
        """Begin.

        Args:
            store: Their telemetry.
            folder: Of the tokens.
        """
        self._store = store
        self._folder = folder

    @classmethod
    def here(cls) -> "Fleet":
        """Return the machines of this installation."""
        home = Home.locate()
        store = Store(home.telemetry, merge_in_background=False)
        return cls(store, home.secrets / tokens.FOLDER)

    def states(self) -> tuple[HostState, ...]:
        """Return the machines as their telemetry tells them, by name."""
        return self._store.hosts()

    def removable(self, host: str) -> None:
        """Let a machine pass that is there and reports no more.

        Raises:
            NotFoundError: There is none of that name.
            ConflictError: It still reports.
        """
        if not self._store.knows(host):
            names = ", ".join(machine.host for machine, _ in self._store.known()) or "none"
            raise NotFoundError(
                f"No machine named {host[:80]} has reported here.", f"These have: {names}."
            )
        if said := self._store.still_reports(host):
            raise ConflictError(
                said, "End its agent, or the platform on it; a minute later it can be removed."
            )

    def remove(self, host: str) -> bool:
        """Remove a machine with its history; return whether it was there.

        Raises:
            ConflictError: It still reports, or its files are open.
            PlatformError: They cannot be removed.
        """
        try:
            self._store.remove(host)
        except NotFoundError:  # removed before a kill: only what was left of it goes
            self._store.sweep()
            return False
        return True

    def holders(self) -> tuple[Holder, ...]:
        """Return all tokens by name, each with when its machine was last heard."""
        heard = {one.machine.host: one.last_at for one in self._store.hosts()}
        return tuple(
            Holder(one, heard.get(one.host) if one.host else None)
            for one in tokens.listed(self._folder)
        )

    def token(self, name: str) -> AgentToken:
        """Return a token.

        Raises:
            InputError: The name is none.
            NotFoundError: There is no such token.
        """
        tokens.check_name(name)
        found = next((one for one in tokens.listed(self._folder) if one.name == name), None)
        if found is None:
            raise NotFoundError(f"There is no token {name}.", "`mlops hardware tokens` lists them.")
        return found

    def token_of(self, host: str) -> AgentToken | None:
        """Return the token a machine reports with, None when it uses none."""
        return next((one for one in tokens.listed(self._folder) if one.host == host), None)

    def free(self, name: str) -> None:
        """Let a name pass that no token has.

        Raises:
            InputError: The name is none.
            ConflictError: A token has it.
        """
        tokens.check_name(name)
        if any(one.name == name for one in tokens.listed(self._folder)):
            raise tokens.taken(name)

    def add(self, name: str, sha256: str) -> None:
        """Let who knows the token of this hash report under a name.

        Raises:
            InputError: The name is none.
            ConflictError: Another token has the name.
            PlatformError: It cannot be written.
        """
        tokens.add(self._folder, name, sha256)

    def revoke(self, name: str) -> bool:
        """End a token; return whether it was there.

        Raises:
            InputError: The name is none.
            PlatformError: It cannot be removed.
        """
        try:
            tokens.revoke(self._folder, name)
        except NotFoundError:
            return False
        return True
