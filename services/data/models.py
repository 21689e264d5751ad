"""What there is to know about data and model versions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal["data", "models"]
KINDS: tuple[Kind, ...] = ("data", "models")
FolderState = Literal["clean", "changed", "untracked", "empty", "gone", "unfinished"]
RemoteState = Literal["there", "queued", "not sent"]
ChangeWord = Literal["added", "changed", "removed"]
StandingWord = Literal["there", "away", "not asked"]


@dataclass(frozen=True, slots=True)
class Tracked:
    """What tracking found; also what is written for the client to compare with."""

    kind: Kind
    revision: str | None
    """None: there is no file to track."""
    changed: bool
    """Whether it differs from the version before."""
    files: int
    bytes: int
    fingerprint: str
    """SHA-256 over names, sizes and times of the files; see ``services.data.folder``."""
    reason: str = ""
    """What is worth knowing, as sentences."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What a version of the data holds of the predictions of one version of a model."""

    project: str
    model: str
    version: int
    """Of the model, as its endpoint answered with it."""
    rows: int
    labelled: int
    """Rows of which somebody told what was right."""
    since: float
    """Seconds since 1970, as ``until``: when they were asked for, of all such files."""
    until: float


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a project's data or models."""

    project: str
    kind: Kind
    revision: str
    """16 hexadecimal digits over the paths and the hashes of what is in them."""
    at: datetime
    """When it was tracked first."""
    last_at: datetime
    """When it was tracked or checked out last."""
    files: int
    bytes: int
    paths: tuple[str, ...]
    current: bool
    """Whether it is what the folder held when it was last looked at."""
    remote: RemoteState
    """What we know from sending: the remote is not asked for it."""
    sent_at: datetime | None
    from_project: str | None = None
    """Who shared it; None: it is the project's own."""
    commit: str = ""
    """In the project's data repository."""
    collected: tuple[Collected, ...] = ()
    """Whose predictions are among its rows."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that differs between two versions. Sizes are bytes; None: not known."""

    path: str
    change: ChangeWord
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What became different from one version to another."""

    revision: str
    against: str | None
    """None: there is no earlier version, everything is added."""
    added: int
    changed: int
    removed: int
    bytes: int
    """Of the version."""
    bytes_against: int
    files: tuple[FileChange, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """How many of a version's files another version holds, by content."""

    files: int
    of: int
    """Files of the version with different contents, those without any left out."""

    @property
    def all(self) -> bool:
        """Return whether it holds every one."""
        return 0 < self.of == self.files


@dataclass(frozen=True, slots=True)
class Lost:
    """Files of a version that are nowhere any more."""

    files: int
    of: int
    """Of so many that were looked at."""
    listed: bool = True
    """Whether the lists that name them are there; else only those were looked at."""


@dataclass(frozen=True, slots=True)
class Queued:
    """A version that waits for the remote."""

    project: str
    kind: Kind
    revision: str
    since: datetime
    tries: int
    reason: str
    """Why it could not be sent the last time; empty before the first try."""
    tried_at: datetime | None


@dataclass(frozen=True, slots=True)
class Share:
    """A project lets another use its versions."""

    project: str
    with_project: str
    kind: Kind
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Status:
    """The data or models of a project as they are now."""

    project: str
    kind: Kind
    folder: str
    paths: tuple[str, ...]
    state: FolderState
    reason: str
    revision: str | None
    files: int
    bytes: int
    at: datetime | None
    versions: int
    remote: RemoteState | None
    """Of the present version; None: there is none."""
    queued: tuple[Queued, ...]


@dataclass(frozen=True, slots=True)
class Underway:
    """What is being done with a project's files at this moment."""

    project: str
    what: str
    files: int
    files_total: int | None
    bytes: int
    bytes_total: int | None
    at: datetime

    @property
    def unit(self) -> str:
        """Return what ``files`` counts."""
        return "rows" if self.what == "collecting" else "files"


@dataclass(frozen=True, slots=True)
class Pruned:
    """What pruning did."""

    files: int
    freed_bytes: int
    kept_unsent: int
    """Files of old versions that stayed because the remote has them not."""


@dataclass(frozen=True, slots=True)
class Prunable:
    """What pruning would remove, as far as the remote turns out to have it."""

    versions: int
    """Of data and of models, beyond those that stay."""
    files: int
    bytes: int
    """What would become free: a file that also lies in a folder as a hard link frees nothing."""


@dataclass(frozen=True, slots=True)
class Room:
    """What the cache takes."""

    files: int
    bytes: int
    linked_bytes: int
    """Of them those that lie in a project's folder too, as hard links: taken once."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the remote stands, as far as is known without asking it over a network."""

    shown: str
    configured: bool
    """Whether somebody chose it; else it is a folder at home, and nothing is sent by itself."""
    state: StandingWord
    reason: str
    """Why it is away."""
    at: datetime | None
    """When it answered last, or when it did not; None: never asked."""


@dataclass(frozen=True, slots=True)
class Use:
    """Who uses a version."""

    revision: str
    runs: tuple[str, ...] = ()
    """Ids, those started last first; archived runs are left out."""
    versions: tuple[tuple[str, str, int], ...] = ()
    """Registered versions: project, model and number."""
