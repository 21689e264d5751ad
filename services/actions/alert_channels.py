"""Where notifications go: add a channel, remove it, try it.

An address holds secrets and never reaches the journal: whoever asks for a channel puts it among the
secrets first (``channels.keep_address``), and the action carries the name of that file alone.
"""

import time
from dataclasses import dataclass, replace
from typing import ClassVar, get_args

from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role
from services.alerting import channels, delivery, hours, outbox, webhooks
from services.alerting.models import Channel, Message, Severity
from services.errors import InputError, MlopsError
from services.home import Home

_SERVICE_LIMIT = 40


@dataclass(frozen=True, slots=True)
class AddChannel:
    """Have notifications sent somewhere; one of the same name is replaced."""

    kind: ClassVar[str] = "channel-add"
    role: ClassVar[Role] = "admin"

    name: str
    service: str
    """What its address is one of, as ``delivery.service_of`` tells it."""
    reference: str
    """Of the address among the secrets."""
    severity: Severity = "warning"
    """The least it is told."""
    projects: tuple[str, ...] | None = None
    """It is told of these alone; None: of all and of the platform."""
    quiet: str = ""
    """``HH:MM-HH:MM``: hours in which it is told what is critical alone; empty: none."""
    zone: str = "UTC"
    private: bool = False
    """Whether its address may be one of a private network."""
    escalation: bool = False
    """It is told only what nobody acknowledged in time."""

    @property
    def project(self) -> str | None:
        """It concerns the whole platform."""
        return None

    @property
    def title(self) -> str:
        """What it does."""
        return f"Send notifications to {self.name[:40]} ({self.service[:20]})"

    @property
    def subject(self) -> str:
        """The channel."""
        return f"channel:{self.name[:60]}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse a bad name, severity or hours, an unknown project, an address that is not kept."""
        del actor
        channels.check_name(self.name)
        channels.check_reference(Home.locate(), self.reference, self.name)
        if self.severity not in get_args(Severity):
            raise InputError(
                f"{str(self.severity)[:20]!r} is no severity.", "info, warning or critical."
            )
        if not self.service.isprintable() or len(self.service) > _SERVICE_LIMIT:
            raise InputError("That is no name of a service.")
        if self.quiet:
            hours.parse(self.quiet, self.zone)
        for project in self.projects or ():
            context.mirror.project(project)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        del context
        of = "all projects and the platform"
        if self.projects is not None:
            of = ", ".join(self.projects) or "nothing"
        when = "what nobody acknowledged in time" if self.escalation else "alerts"
        found = [f"{self.name} is told {when} of {of}, from {self.severity} on."]
        if self.quiet:
            found.append(f"From {self.quiet} {self.zone} it is told what is critical alone.")
        if self.private:
            found.append("Its address may be one of a private network or of this machine.")
        return tuple(found)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        made = float(deed.memory.setdefault("at", time.time()))
        quiet = hours.parse(self.quiet, self.zone) if self.quiet else None
        channel = Channel(
            self.name, self.service, self.severity, self.projects, quiet, self.private,
            self.escalation, self.reference, made, deed.actor.name,
        )  # fmt: skip

        def do() -> str:
            before = channels.put(context.journal, channel)
            if before is not None and before.reference != self.reference:
                channels.forget_address(Home.locate(), before.reference)
                return "it takes the place of the one before"
            return "it is told from now on"

        return (Step("Keep the channel", do),)


@dataclass(frozen=True, slots=True)
class RemoveChannel:
    """Send nothing to a channel any more, and forget its address."""

    kind: ClassVar[str] = "channel-remove"
    role: ClassVar[Role] = "admin"

    name: str

    @property
    def project(self) -> str | None:
        """It concerns the whole platform."""
        return None

    @property
    def title(self) -> str:
        """What it does."""
        return f"Remove the channel {self.name[:40]}"

    @property
    def subject(self) -> str:
        """The channel."""
        return f"channel:{self.name[:60]}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse a channel that is not there."""
        del actor
        channels.channel(context.journal, self.name)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        left = [one.name for one in channels.channels(context.journal) if one.name != self.name]
        last = () if left else ("It is the last one: nobody is told of any alert then.",)
        return (f"Nothing is sent to {self.name} any more, also not what waits.", *last)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        known = channels.channels(context.journal)
        if "reference" not in deed.memory:
            deed.memory["reference"] = next(
                (one.reference for one in known if one.name == self.name), ""
            )

        def take_away() -> str:
            gone = channels.remove(context.journal, self.name)
            return "it is gone" if gone else "it was gone already"

        def forget() -> str:
            channels.forget_address(Home.locate(), str(deed.memory["reference"]))
            return "its address is forgotten"

        return (Step("Take the channel away", take_away), Step("Forget its address", forget))


@dataclass(frozen=True, slots=True)
class TryChannel:
    """Send a message to a channel, to see that it arrives."""

    kind: ClassVar[str] = "channel-test"
    role: ClassVar[Role] = "operator"

    name: str

    @property
    def project(self) -> str | None:
        """It concerns the whole platform."""
        return None

    @property
    def title(self) -> str:
        """What it does."""
        return f"Try the channel {self.name[:40]}"

    @property
    def subject(self) -> str:
        """The channel."""
        return f"channel:{self.name[:60]}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse a channel that is not there."""
        del actor
        channels.channel(context.journal, self.name)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        del context
        return (f"{self.name} gets a message that says who tried it.",)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""

        def do() -> str:
            journal, now, began = context.journal, time.time(), time.monotonic()
            channel = channels.channel(journal, self.name)
            message = Message(
                0, self.name, "test", "info", "Test of the channel " + self.name,
                f"{deed.actor.name} tried it. Alerts of the platform arrive here.", (), now, "test",
                "sent", 1, 0.0, now,
            )  # fmt: skip
            try:
                home = Home.locate()
                posted = webhooks.posted(journal, home, channel, message, now)
                delivery.deliver(channel, channels.address(home, channel), posted)
            except MlopsError as error:
                lost = replace(message, state="failed", sent_at=None, error=error.message)
                outbox.record(journal, lost)
                # Not of the kind that is tried again: whoever tries it wants to know now.
                raise MlopsError(error.message, error.hint) from error
            outbox.record(journal, message)
            return f"it arrived after {time.monotonic() - began:.1f} s"

        return (Step("Send a message", do),)
