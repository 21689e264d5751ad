"""Acknowledge an alert or give it back, silence alerts, close what nobody can see any more."""

import time
from dataclasses import dataclass
from typing import ClassVar

from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role
from services.alerting import asking, closing, store, words
from services.alerting.models import ACKNOWLEDGED_S, Alert, Silence
from services.errors import ConflictError, InputError, NotFoundError

LONGEST_S = 30 * 86_400.0
LONGEST_ACK_S = 7 * 86_400.0
_TEXT_LIMIT = 1000
_PATTERN_LIMIT = 300
_STARS = 8


def _check_text(text: str, what: str, *, needed: bool) -> None:
    if len(text) > _TEXT_LIMIT or (needed and not text.strip()):
        least = 1 if needed else 0
        raise InputError(f"{what} has {least} to {_TEXT_LIMIT} characters.")


def _open(context: Context, number: int, of: str | None) -> Alert:
    found = store.alert(context.journal, number)
    if found.project != of:
        raise NotFoundError(f"There is no alert {number} of that project.")
    if not found.open:
        raise ConflictError(f"Alert {number} has ended: {found.resolution}")
    return found


@dataclass(frozen=True, slots=True)
class AcknowledgeAlert:
    """Say that one looks after an alert for a time: it is not told again unless it gets worse."""

    kind: ClassVar[str] = "alert-ack"
    role: ClassVar[Role] = "operator"

    alert: int
    of: str | None
    """The alert's project; None: the platform itself."""
    note: str = ""
    for_s: float | None = None
    """How long, in seconds; None: as long as its severity has it (``ACKNOWLEDGED_S``)."""

    @property
    def project(self) -> str | None:
        """The alert's project."""
        return self.of

    @property
    def title(self) -> str:
        """What it does."""
        return f"Acknowledge alert {self.alert}"

    @property
    def subject(self) -> str:
        """The alert."""
        return f"alert:{self.alert}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse an alert that is not there, has ended, or is of another project."""
        del actor
        _check_text(self.note, "A note", needed=False)
        if self.for_s is not None and not 0 < self.for_s <= LONGEST_ACK_S:  # NaN is in no range
            raise InputError(
                "An acknowledgement counts for up to 7 days.",
                "For example --for 4h; what takes longer is silenced.",
            )
        _open(context, self.alert, self.of)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        found = store.alert(context.journal, self.alert)
        length = words.length(ACKNOWLEDGED_S[found.severity] if self.for_s is None else self.for_s)
        return (
            f"Nobody is reminded of {found.title!r} for {length}, unless it gets worse.",
            "If it is still open then, it fires again, and says who had acknowledged it.",
            "Its end is told.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        at = float(deed.memory.setdefault("at", time.time()))

        def do() -> str:
            name = deed.actor.name
            found = store.acknowledge(context.journal, self.alert, name, self.note, at, self.for_s)
            return f"{name} looks after it until {words.moment(found.acknowledged_until or at)}"

        def undo() -> None:
            store.take_back(context.journal, self.alert, deed.actor.name, time.time())

        return (Step("Note who looks after it", do, undo),)


@dataclass(frozen=True, slots=True)
class ReleaseAlert:
    """Give an alert back that somebody looks after: it fires again before its time."""

    kind: ClassVar[str] = "alert-release"
    role: ClassVar[Role] = "operator"

    alert: int
    of: str | None
    """The alert's project; None: the platform itself."""

    @property
    def project(self) -> str | None:
        """The alert's project."""
        return self.of

    @property
    def title(self) -> str:
        """What it does."""
        return f"Give back alert {self.alert}"

    @property
    def subject(self) -> str:
        """The alert."""
        return f"alert:{self.alert}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse an alert that is not there, has ended, or that nobody looks after."""
        del actor
        if _open(context, self.alert, self.of).owner is None:
            raise ConflictError(
                f"Nobody looks after alert {self.alert}.", "`mlops alerts list` shows who does."
            )

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        found = store.alert(context.journal, self.alert)
        return (
            f"{found.owner} looks after {found.title!r} no more: it fires again.",
            "Whoever was told of it is told that, and reminders begin anew.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        at = float(deed.memory.setdefault("at", time.time()))

        def do() -> str:
            store.take_back(context.journal, self.alert, deed.actor.name, at)
            return "nobody looks after it now"

        return (Step("Note that nobody looks after it", do),)


@dataclass(frozen=True, slots=True)
class CloseAlert:
    """Say that an alert is over of which nobody can tell: its engine or workflow is gone."""

    kind: ClassVar[str] = "alert-close"
    role: ClassVar[Role] = "operator"

    alert: int
    of: str | None
    """The alert's project; None: the platform itself."""
    reason: str
    """How one knows."""

    @property
    def project(self) -> str | None:
        """The alert's project."""
        return self.of

    @property
    def title(self) -> str:
        """What it does."""
        return f"Close alert {self.alert}"

    @property
    def subject(self) -> str:
        """The alert."""
        return f"alert:{self.alert}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse an alert that is not there, has ended, fires, or is of another project."""
        del actor
        _check_text(self.reason, "The reason to close an alert", needed=True)
        found = store.alert(context.journal, self.alert)
        if found.project != self.of:
            raise NotFoundError(f"There is no alert {self.alert} of that project.")
        closing.refuse(found)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        found = store.alert(context.journal, self.alert)
        return (
            f"{found.title!r} counts as over; who was told that it fires is told that.",
            "If it is seen again, it is a new alert.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        at = float(deed.memory.setdefault("at", time.time()))

        def do() -> str:
            closing.close(context.journal, self.alert, deed.actor.name, self.reason, at)
            return "it counts as over"

        return (Step("Note that it is over", do),)


@dataclass(frozen=True, slots=True)
class SilenceAlerts:
    """Keep alerts quiet for a time: they are shown, and told to nobody."""

    kind: ClassVar[str] = "alert-silence"
    role: ClassVar[Role] = "operator"

    pattern: str
    """A key; ``*`` stands for any characters."""
    reason: str
    expires_at: float
    """Seconds since 1970."""
    of: str | None = None
    """Alerts of this project alone; None: all, also those of the platform."""

    @property
    def project(self) -> str | None:
        """The project whose alerts it keeps quiet."""
        return self.of

    @property
    def title(self) -> str:
        """What it does."""
        return f"Silence {self.pattern[:80]}"

    @property
    def subject(self) -> str:
        """The pattern."""
        return f"silence:{self.pattern[:200]}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse a silence without a reason, without an end, or of keys that none can be."""
        del actor
        _check_text(self.reason, "The reason of a silence", needed=True)
        good = 0 < len(self.pattern) <= _PATTERN_LIMIT and self.pattern.isprintable()
        if not good or self.pattern.count("*") > _STARS:
            raise InputError(
                f"{self.pattern[:60]!r} is no pattern of alerts.",
                f"It is a key, with * for any characters ({_STARS} times at most): `mlops alerts "
                "list` shows keys.",
            )
        left = self.expires_at - time.time()
        if not 0 < left <= LONGEST_S:  # NaN is in no range
            raise InputError(
                "A silence ends in the future, within 30 days.", "For example --for 2h."
            )
        if self.of is not None:
            context.mirror.project(self.of)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        of = None if self.of is None else [self.of]
        probe = Silence(0, self.pattern, self.of, "", "", 0.0, self.expires_at)
        open_now = asking.places(context.journal, of)
        count = sum(probe.covers(one.key, one.project) for one in open_now)
        return (
            f"Until {words.moment(self.expires_at)} nobody is told of such alerts; {count} of "
            "them are open now.",
            "They stay in the list. What lasts longer is told then.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        at = float(deed.memory.setdefault("at", time.time()))

        def do() -> str:
            silence = Silence(
                0, self.pattern, self.of, deed.actor.name, self.reason, at, self.expires_at
            )
            number = store.add_silence(context.journal, silence, deed.id)
            deed.memory["silence"] = number
            return f"silence {number}"

        def undo() -> None:
            if "silence" in deed.memory:
                store.end_silence(context.journal, int(deed.memory["silence"]), time.time())

        return (Step("Keep the silence", do, undo),)


@dataclass(frozen=True, slots=True)
class EndSilence:
    """End a silence before its time."""

    kind: ClassVar[str] = "alert-unsilence"
    role: ClassVar[Role] = "operator"

    silence: int
    of: str | None = None
    """The silence's project; None: it is of all."""

    @property
    def project(self) -> str | None:
        """The silence's project."""
        return self.of

    @property
    def title(self) -> str:
        """What it does."""
        return f"End silence {self.silence}"

    @property
    def subject(self) -> str:
        """The silence."""
        return f"silence:{self.silence}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse a silence that is not there."""
        del actor
        for known in store.silences(context.journal):
            if known.id == self.silence and known.project == self.of:
                return
        raise NotFoundError(
            f"There is no silence {self.silence} of that project.",
            "`mlops alerts silences` lists them.",
        )

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        del context
        return ("What it kept quiet and still lasts is told within seconds.",)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        del deed

        def do() -> str:
            done = store.end_silence(context.journal, self.silence, time.time())
            return "it has ended" if done else "it had ended already"

        return (Step("End the silence", do),)
