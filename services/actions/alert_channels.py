"""Where notifications go: add a channel, change what it is told, remove it, try it.

An address holds secrets and never reaches the journal: whoever asks for a channel puts it among the
secrets first (``channels.keep_address``), and the action carries the name of that file alone.
"""

import time
from dataclasses import dataclass, replace
from typing import ClassVar, get_args

from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role
from services.alerting import channels, delivery, hours, outbox, webhooks
from services.alerting.kinds import KINDS
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
    kinds: tuple[str, ...] | None = None
    """It is told of alerts of these kinds alone; None: of all."""
    days: str = ""
    """On which the quiet hours begin, e.g. ``mon-fri``; empty: on each."""

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
        """Refuse a bad name or address, and what it cannot be told: see ``SetChannel``."""
        del actor
        channels.check_name(self.name)
        channels.check_reference(Home.locate(), self.reference, self.name)
        if not self.service.isprintable() or len(self.service) > _SERVICE_LIMIT:
            raise InputError("That is no name of a service.")
        _check(self, context)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        del context
        return _told(self)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        made = float(deed.memory.setdefault("at", time.time()))
        channel = Channel(
            self.name, self.service, reference=self.reference, created_at=made,
            created_by=deed.actor.name,
        )  # fmt: skip
        channel = _applied(self, channel)

        def do() -> str:
            before = channels.put(context.journal, channel)
            if before is not None and before.reference != self.reference:
                channels.forget_address(Home.locate(), before.reference)
                return "it takes the place of the one before"
            return "it is told from now on"

        return (Step("Keep the channel", do),)


@dataclass(frozen=True, slots=True)
class SetChannel:
    """Change what a channel is told; its address stays where it is. All of it is said anew."""

    kind: ClassVar[str] = "channel-set"
    role: ClassVar[Role] = "admin"

    name: str
    severity: Severity = "warning"
    projects: tuple[str, ...] | None = None
    quiet: str = ""
    zone: str = "UTC"
    private: bool = False
    escalation: bool = False
    kinds: tuple[str, ...] | None = None
    days: str = ""

    @property
    def project(self) -> str | None:
        """It concerns the whole platform."""
        return None

    @property
    def title(self) -> str:
        """What it does."""
        return f"Change what the channel {self.name[:40]} is told"

    @property
    def subject(self) -> str:
        """The channel."""
        return f"channel:{self.name[:60]}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse a channel that is not there, a bad severity or hours, unknown projects, kinds."""
        del actor
        channels.channel(context.journal, self.name)
        _check(self, context)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        del context
        return _told(self)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        del deed

        def do() -> str:
            channel = channels.channel(context.journal, self.name)
            channels.put(context.journal, _applied(self, channel))
            return "it counts from now on"

        return (Step("Keep what it is told", do),)


def _check(said: AddChannel | SetChannel, context: Context) -> None:
    if said.severity not in get_args(Severity):
        raise InputError(
            f"{str(said.severity)[:20]!r} is no severity.", "info, warning or critical."
        )
    if said.quiet:
        hours.parse(said.quiet, said.zone, said.days)
    elif said.days:
        raise InputError("Days are of quiet hours, and it has none.", "For example 22:00-07:00.")
    for kind in said.kinds or ():
        if kind not in KINDS:
            raise InputError(f"{kind[:40]!r} is no kind of alert.", f"{', '.join(KINDS)}.")
    for project in said.projects or ():
        context.mirror.project(project)


def _told(said: AddChannel | SetChannel) -> tuple[str, ...]:
    of = "all projects and the platform"
    if said.projects is not None:
        of = ", ".join(said.projects) or "nothing"
    when = "what nobody acknowledged in time" if said.escalation else "alerts"
    kinds = "" if said.kinds is None else f", of the kinds {', '.join(said.kinds) or 'none'}"
    found = [f"{said.name} is told {when} of {of}{kinds}, from {said.severity} on."]
    if said.quiet:
        quiet = hours.written(hours.parse(said.quiet, said.zone, said.days))
        found.append(f"From {quiet} it is told what is critical alone.")
    if said.private:
        found.append("Its address may be one of a private network or of this machine.")
    return tuple(found)


def _applied(said: AddChannel | SetChannel, channel: Channel) -> Channel:
    """Return a channel that is told what was said."""
    quiet = hours.parse(said.quiet, said.zone, said.days) if said.quiet else None
    return replace(
        channel, severity=said.severity, projects=said.projects, quiet=quiet, private=said.private,
        escalation=said.escalation, kinds=said.kinds,
    )  # fmt: skip


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
