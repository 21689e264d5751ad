"""One project's versions: what was tracked, what is there now, and how to find one."""

import contextlib
import dataclasses
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from services.data import collected
from services.data.models import KINDS, Collected, Kind, RemoteState, Version
from services.data.remote import Remote
from services.data.repository import Commit, Repository
from services.data.state import Document, Place, enqueue, moment, now, write
from services.engines.dvc.models import Out, Progress, Report, silent
from services.errors import InputError, NotFoundError, PlatformError
from services.projects.contract import ID_PATTERN, valid_id

if TYPE_CHECKING:
    from services.engines.dvc.adapter import DVC

_SHORTEST = 4
_CONFIGURE_WAIT_S = 30.0


@dataclass(frozen=True)
class ProjectData:
    """The versions of one project."""

    id: str
    remote: Remote

    @cached_property
    def place(self) -> Place:
        """Where its state is."""
        return Place(self.id, self.remote.home.root / "data" / valid_id(self.id))

    @cached_property
    def repository(self) -> Repository:
        """Its git side."""
        return Repository(self.place.repository)

    @cached_property
    def dvc(self) -> "DVC":
        """Its DVC side."""
        from services.engines.dvc.adapter import DVC

        return DVC(
            self.place.repository, self.remote.cache, self.remote.home.root / "dvc" / "state"
        )

    def configure(self, folder: Path | None = None) -> None:
        """Make its repository, or bring it up to the settings; milliseconds when nothing is to do.

        Raises:
            InputError: The remote's address is none.
            PlatformError: git is missing, or the home folder cannot be written.
        """
        shared, secret = self.remote.config()
        if not self.repository.exists() or self._outdated(shared, secret):
            with self.place.held(_CONFIGURE_WAIT_S):
                self.repository.make(shared, secret)
        state = self.place.load()
        known = {"remote": self.remote.shown} | ({} if folder is None else {"folder": str(folder)})
        if any(state.get(name) != value for name, value in known.items()):
            with self.place.changing() as state:
                if state.get("remote", self.remote.shown) != self.remote.shown:
                    self._sent_elsewhere(state)
                state.update(known)

    def _sent_elsewhere(self, state: Document) -> None:
        """Forget what another remote has; to one that was chosen the present versions are sent."""
        state["sent"] = {}
        for entry in state.get("queue", {}).values():
            entry.update(tries=0, reason="", tried_at=None)
        if self.remote.configured:
            for version in filter(None, map(self.current, KINDS)):
                enqueue(state, version.kind, version.revision)

    def _outdated(self, shared: str, secret: str) -> bool:
        folder = self.repository.folder / ".dvc"
        try:
            said = (folder / "config").read_text(), (folder / "config.local").read_text()
        except OSError:
            return True
        return said != (shared, secret)

    def folder(self) -> Path:
        """Return the project's own folder, as it was when it was last seen.

        Raises:
            NotFoundError: Nothing of it was ever tracked.
        """
        found = self.place.load().get("folder")
        if not isinstance(found, str):
            raise NotFoundError(
                f"The project {self.id} has no data repository yet.",
                f"It is made when the project is connected, or by `mlops data add {self.id}`.",
            )
        return Path(found)

    # Versions

    def versions(self, kind: Kind | None = None) -> tuple[Version, ...]:
        """Return each version once, in the order they were tracked first, the newest first.

        Raises:
            PlatformError: The repository is damaged.
        """
        state = self.place.load()
        commits = self.repository.commits()
        heads = {commit.kind: commit.revision for commit in reversed(commits)}
        made: dict[tuple[Kind, str], Version] = {}
        for commit in reversed(commits):
            key = (commit.kind, commit.revision)
            if key in made:  # tracked or checked out again
                made[key] = dataclasses.replace(made[key], last_at=commit.at)
            else:
                made[key] = self._version(commit, state, heads[commit.kind])
        found = (v for v in made.values() if v.revision and kind in {None, v.kind})
        return tuple(found)[::-1]

    def _version(self, commit: Commit, state: Document, head: str) -> Version:
        sent = moment(state.get("sent", {}).get(commit.revision))
        queued = commit.revision in state.get("queue", {})
        remote: RemoteState = "there" if sent else "queued" if queued else "not sent"
        return Version(
            project=self.id,
            kind=commit.kind,
            revision=commit.revision,
            at=commit.at,
            last_at=commit.at,
            files=commit.files,
            bytes=commit.bytes,
            paths=commit.paths,
            current=commit.revision == head,
            remote=remote,
            sent_at=sent,
            from_project=commit.from_project,
            commit=commit.commit,
            collected=commit.collected,
        )

    def current(self, kind: Kind) -> Version | None:
        """Return the version the folder was seen at last; None when there is none."""
        return next((version for version in self.versions(kind) if version.current), None)

    def find(self, revision: str) -> Version:
        """Return a version by its revision, or by the beginning of it.

        Raises:
            InputError: It is too short, or fits several.
            NotFoundError: The project has none like it.
        """
        found = self.matching(revision)
        if not found:
            raise NotFoundError(
                f"{self.id} has no version {revision[:40]!r}.",
                f"`mlops data versions {self.id}` lists them.",
            )
        if len(found) > 1:
            raise InputError(
                f"{revision!r} fits {len(found)} versions of {self.id}.", "Give more of its digits."
            )
        return found[0]

    def matching(self, revision: str) -> tuple[Version, ...]:
        """Return the versions whose revision begins so."""
        if len(revision) < _SHORTEST:
            raise InputError(f"A revision is given by at least {_SHORTEST} of its digits.")
        return tuple(v for v in self.versions() if v.revision.startswith(revision.lower()))

    def outs(self, version: Version | None) -> tuple[Out, ...]:
        """Return the tracked paths of a version; none for None."""
        from services.engines.dvc.wire import read_dvc_file

        if version is None:
            return ()
        names = (f"{path}.dvc" for path in version.paths)
        return tuple(
            read_dvc_file(name, self.repository.file(version.commit, name))[1] for name in names
        )

    # Writing

    def record(
        self,
        kind: Kind,
        revision: str,
        outs: Iterable[Out],
        *,
        from_project: str | None = None,
        rows: Sequence[Collected] = (),
    ) -> None:
        """Commit that the folder holds these; an empty revision says that nothing is left.

        ``rows`` are those of predictions among them.

        Raises:
            PlatformError: git failed, or the disk is full.
        """
        from services.engines.dvc.wire import dvc_file

        made = {f"{out.path}.dvc": dvc_file(out, kind) for out in outs}
        before = self.current(kind)
        old = {f"{path}.dvc" for path in (before.paths if before else ())}
        for name in old - made.keys():
            (self.repository.folder / name).unlink(missing_ok=True)
        for name, text in made.items():
            path = self.repository.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        outs = tuple(outs)
        files, size = sum(out.files for out in outs), sum(out.size for out in outs)
        trailers = {
            "Mlops-Kind": kind,
            "Mlops-Revision": revision,
            "Mlops-Files": str(files),
            "Mlops-Bytes": str(size),
            **({"Mlops-From": from_project} if from_project else {}),
            **({"Mlops-Collected": collected.written(rows)} if rows else {}),
        }
        title = f"{kind} {revision or 'empty'}: {files} files, {size} bytes"
        paths = "".join(f"Mlops-Path: {out.path}\n" for out in outs)
        message = f"{title}\n\n{paths}".rstrip("\n")
        self.repository.commit(message, trailers, sorted(old | made.keys()))

    def reporting(self, report: Report = silent) -> Report:
        """Return a report that also writes what is under way where pages read it."""

        def tell(progress: Progress) -> None:
            with contextlib.suppress(PlatformError):  # a bar less is no reason to stop
                write(self.place.progress, dataclasses.asdict(progress) | {"at": now()})
            report(progress)

        return tell


def projects(remote: Remote) -> tuple[ProjectData, ...]:
    """Return every project that has a data repository."""
    root = remote.home.root / "data"
    try:
        names = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
    except OSError:
        return ()
    ours = (ProjectData(name, remote) for name in names if re.fullmatch(ID_PATTERN, name))
    return tuple(found for found in ours if found.repository.exists())


def kind_of(word: str) -> Kind:
    """Return the word as a kind.

    Raises:
        InputError: It is neither data nor models.
    """
    for kind in KINDS:
        if kind == word:
            return kind
    raise InputError(f"{word[:40]!r} is neither data nor models.")
