"""Let other machines report in, and end it: tokens.

A token never reaches the journal: an action carries its hash, and the history hides even that.
"""

import re
from dataclasses import dataclass
from typing import ClassVar

from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role
from services.errors import InputError

_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class AddMachineToken:
    """Make a token with which one other machine reports in."""

    kind: ClassVar[str] = "add-machine-token"
    role: ClassVar[Role] = "admin"

    name: str
    token_hash: str
    """SHA-256 of the token, in hexadecimal."""

    @property
    def project(self) -> str | None:
        """It concerns the whole platform."""
        return None

    @property
    def title(self) -> str:
        """What it does."""
        return f"Make the machine token {self.name[:40]}"

    @property
    def subject(self) -> str:
        """The token."""
        return f"machine-token:{self.name}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse a bad name, and one that a token has."""
        del actor
        context.fleet.free(self.name)
        if not _HASH.fullmatch(self.token_hash):
            raise InputError("That is no hash of a token.", "`mlops hardware token NAME`")

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        context.fleet.free(self.name)
        return (
            "One other machine, the first that comes with the token, can send its samples and "
            "nothing else.",
            "The token is shown once; it counts until it is revoked.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        del deed
        fleet = context.fleet

        def do() -> str:
            fleet.add(self.name, self.token_hash)
            return "the token counts"

        def undo() -> None:
            fleet.revoke(self.name)

        return (Step("Keep the hash of the token", do, undo),)


@dataclass(frozen=True, slots=True)
class RevokeMachineToken:
    """End a token."""

    kind: ClassVar[str] = "revoke-machine-token"
    role: ClassVar[Role] = "admin"

    name: str

    @property
    def project(self) -> str | None:
        """It concerns the whole platform."""
        return None

    @property
    def title(self) -> str:
        """What it does."""
        return f"Revoke the machine token {self.name[:40]}"

    @property
    def subject(self) -> str:
        """The token."""
        return f"machine-token:{self.name}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse a token that is not there."""
        del actor
        context.fleet.token(self.name)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        host = context.fleet.token(self.name).host
        if host is None:
            return ("No machine came with it yet; none can from now on.",)
        return (
            f"What {host} sends is refused from now on; its samples wait on its own disk.",
            f"The history of {host} stays. With a new token it can report again.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        del deed
        fleet = context.fleet

        def do() -> str:
            return "the token has ended" if fleet.revoke(self.name) else "it had ended already"

        return (Step("End the token", do),)
