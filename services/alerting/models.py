"""What alerting knows. Times: seconds since 1970 UTC; lengths: seconds."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Severity = Literal["info", "warning", "critical"]
Condition = Literal["firing", "ok", "unknown"]
"""What the last evidence said. ``unknown``: nobody can tell now; it never ends an alert."""
State = Literal["firing", "acknowledged", "silenced", "inhibited", "resolved", "unknown"]
MessageState = Literal["waiting", "sending", "sent", "failed"]
NoteKind = Literal[
    "fired", "again", "worse", "milder", "unknown", "seen", "resolved", "acknowledged", "lapsed",
    "told", "taken-back", "closed",
]  # fmt: skip
What = Literal["firing", "reminder", "resolved", "digest", "test", "report", "retraining"]
"""``test``, ``report`` and ``retraining`` are about no alert."""

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
ACKNOWLEDGED_S: Mapping[Severity, float] = {
    "info": 86_400.0, "warning": 86_400.0, "critical": 14_400.0,
}  # fmt: skip
"""How long an acknowledgement counts of which nobody said how long."""
CAUSE = "cause"
"""The label of an event whose cause was searched for: what kind of cause it was."""
NO_CAUSE = "none"
"""Its value where none was found."""
WHY = "why"
"""The label of its chart: a page of the dashboard, from its root on."""
_KEY_LIMIT = 300


def rank(severity: Severity) -> int:
    """Return how severe: higher is worse."""
    return SEVERITIES.index(severity)


@dataclass(frozen=True, slots=True)
class Event:
    """What a rule saw: told at least once, and the same when it is told again."""

    key: str
    """What makes it the same alert: ``drift/PROJECT/MODEL/data``. Its first word is its kind."""
    at: float
    state: Condition
    severity: Severity = "warning"
    project: str | None = None
    title: str = ""
    said: str = ""
    """What happened, where, since when; of an ``ok`` the evidence that it is well again."""
    cause: str = ""
    """The likely cause."""
    suggestion: str = ""
    """What to do."""
    link: str = ""
    """The page of the dashboard that shows it, from its root on: ``/hardware?host=a``."""
    explains: tuple[str, ...] = ()
    """Labels ``NAME:VALUE``: while it fires, other alerts that carry one of them are inhibited."""
    labels: Mapping[str, str] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Return the first word of the key."""
        return kind_of(self.key)


@dataclass(frozen=True, slots=True)
class Told:
    """What one channel was told of an alert."""

    at: float
    severity: Severity
    level: int = 0
    """How often it was reminded since; -1: nobody looks after it any more, which it is to hear."""
    resolved: bool = False
    """It was told the end, or need not be."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One trouble from its first event to its end."""

    id: int
    """0: not written yet."""
    key: str
    thread: str
    """Ties it to what came of it: proposal, run, version, verdict."""
    condition: Condition
    severity: Severity
    project: str | None
    title: str
    said: str
    cause: str
    suggestion: str
    link: str
    explains: tuple[str, ...]
    labels: Mapping[str, str]
    evidence: tuple[str, ...]
    since: float
    last_at: float
    """Of the newest evidence."""
    count: int = 1
    """Events that said that it fires."""
    owner: str | None = None
    """Who acknowledged it."""
    acknowledged_at: float | None = None
    acknowledged_until: float | None = None
    """Then it fires again; None: nobody acknowledged it, or by a version that knew no end."""
    note: str = ""
    """What they said."""
    left_by: str | None = None
    """Whose acknowledgement ended while it lasted; None: nobody's since the last one."""
    left_at: float | None = None
    """When it did."""
    silence: int | None = None
    """The silence that keeps it quiet now."""
    inhibited_by: str | None = None
    """The key of the alert that explains it now."""
    notified_at: float | None = None
    """When a message about it was last written for any channel."""
    resolved_at: float | None = None
    resolution: str = ""
    """The evidence that ended it."""
    unknown_because: str = ""
    told: Mapping[str, Told] = field(default_factory=dict)
    """By channel."""

    @property
    def kind(self) -> str:
        """Return the first word of the key."""
        return kind_of(self.key)

    @property
    def open(self) -> bool:
        """Return whether it has not ended."""
        return self.resolved_at is None

    @property
    def state(self) -> State:
        """Return the one word for it; ``unknown`` goes before all that people did about it."""
        if not self.open:
            return "resolved"
        if self.condition == "unknown":
            return "unknown"
        if self.silence is not None:
            return "silenced"
        if self.inhibited_by is not None:
            return "inhibited"
        return "firing" if self.owner is None else "acknowledged"

    @property
    def tags(self) -> frozenset[str]:
        """Return its labels as ``explains`` writes them."""
        return frozenset(f"{name}:{value}" for name, value in self.labels.items())


@dataclass(frozen=True, slots=True)
class Silence:
    """Somebody wants to hear nothing of some alerts until a time."""

    id: int
    pattern: str
    """A key, in which ``*`` stands for any characters."""
    project: str | None
    """Only alerts of this project; None: of any."""
    owner: str
    reason: str
    created_at: float
    expires_at: float
    ended_at: float | None = None
    """Set: it was ended before its time."""

    def lasts(self, now: float) -> bool:
        """Return whether it counts."""
        return self.ended_at is None and self.created_at <= now < self.expires_at

    def covers(self, key: str, project: str | None) -> bool:
        """Return whether it is about such an alert."""
        return (self.project is None or self.project == project) and matches(self.pattern, key)


EVERY_DAY = tuple(range(7))


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of the day in which a channel is told only what is critical."""

    begin: int
    """Minutes since midnight."""
    end: int
    """The same; before ``begin``: on the next day."""
    zone: str = "UTC"
    """IANA name of the time zone."""
    days: tuple[int, ...] = EVERY_DAY
    """On which they begin: 0 is Monday."""


@dataclass(frozen=True, slots=True)
class Channel:
    """Where notifications go. Its address is a secret and lies in a file of its own."""

    name: str
    service: str
    """The scheme of its address, e.g. ``slack``, ``mailto``, ``jsons``."""
    severity: Severity = "warning"
    """The least it is told."""
    projects: tuple[str, ...] | None = None
    """It is told of these; None: of all, and of the platform itself."""
    quiet: Quiet | None = None
    private: bool = False
    """Whether it may be at an address of a private network."""
    escalation: bool = False
    """It is told only what nobody acknowledged in time."""
    kinds: tuple[str, ...] | None = None
    """It is told of alerts of these kinds; None: of all."""
    reference: str = ""
    """Which file of secrets holds its address."""
    created_at: float = 0.0
    created_by: str = ""
    trouble: str = ""
    """Why the last message did not arrive; empty: it did."""
    failures: int = 0
    """In a row."""

    def wants(self, severity: Severity, project: str | None, kind: str) -> bool:
        """Return whether such an alert is for it."""
        if rank(severity) < rank(self.severity):
            return False
        if self.kinds is not None and kind not in self.kinds:
            return False
        return self.projects is None or project in self.projects


@dataclass(frozen=True, slots=True)
class Note:
    """One line of what happened to an alert."""

    key: str
    at: float
    what: NoteKind
    said: str
    actor: str = "platform"


@dataclass(frozen=True, slots=True)
class Post:
    """What is posted to a webhook, as it is."""

    body: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Message:
    """One notification in the outbox. It is written in the transaction that writes its alerts."""

    id: int
    channel: str
    what: What
    severity: Severity
    title: str
    body: str
    alerts: tuple[int, ...]
    created_at: float
    group: str = ""
    """``WHAT/PROJECT/KIND``: what it puts together; ``digest`` and ``reminder``: of any."""
    state: MessageState = "waiting"
    attempts: int = 0
    not_before: float = 0.0
    sent_at: float | None = None
    error: str = ""
    post: Post | None = None
    """What its channel gets in place of title and body; made when it is sent, and not kept."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient alerting is."""

    group_wait_s: float = 4.0
    """From the first alert of a group to its message: what belongs together comes together."""
    burst: int = 6
    """Messages to a channel at once; more than there is room for is one digest."""
    refill_s: float = 600.0
    """Of quiet, after which there is room for one more."""
    digest_s: float = 60.0
    """The first interval once there is no room; each one is twice as long as the one before."""
    digest_most_s: float = 3600.0
    """The longest one."""
    urgent: int = 3
    """Messages at once of what becomes critical while there is no room, before it has intervals."""
    most: int = 14
    """Messages without quiet after which what is critical waits as long as the rest."""
    remind_s: tuple[float, ...] = (900.0, 3600.0, 14_400.0, 86_400.0)
    """After which times since the first message an alert that nobody acknowledged is told again;
    after the last one each time that this has passed again, for as long as it fires."""
    remind_early: float = 1 / 3
    """The part of such a time by which a reminder may come early, to go with one that is due."""
    escalate_s: Mapping[Severity, float] = field(
        default_factory=lambda: {"critical": 900.0, "warning": 3600.0}
    )
    """After which time since the first message it is told to channels for escalation, by its
    severity; of one that is not here they hear nothing."""
    reopen_s: float = 300.0
    """What comes back so soon is the same alert: a trouble that flaps is one."""
    settle_s: float = 60.0
    """The end is told when it has lasted so long."""
    listed: int = 10
    """Alerts that a message tells one by one; of the rest it says how many there are."""


def kind_of(key: str) -> str:
    """Return the first word of a key."""
    return key.partition("/")[0]


def valid_key(key: str) -> bool:
    """Return whether a text can be the key of an alert."""
    return 0 < len(key) <= _KEY_LIMIT and key.isprintable()


def key_of(kind: str, *parts: str) -> str:
    """Return the key of what people named; what cannot be seen is ``?``, a long one is cut."""
    text = "/".join((kind, *parts))
    key = "".join(letter if letter.isprintable() else "?" for letter in text)
    if len(key) <= _KEY_LIMIT:
        return key
    rest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
    return f"{key[: _KEY_LIMIT - 17]}~{rest}"


def thread_of(key: str, since: float) -> str:
    """Return the id that ties together what came of an alert."""
    return hashlib.sha256(f"{key}\n{since!r}".encode()).hexdigest()[:16]


def matches(pattern: str, key: str) -> bool:
    """Return whether a key is as a pattern says; ``*`` stands for any characters."""
    parts = (re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(".*".join(parts), key, re.DOTALL) is not None
