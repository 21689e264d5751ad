"""A project's data repository: an ordinary git repository of ``.dvc`` files, one commit a version.

It lies in the home folder, never in the project: the user's own git is left alone. ``git log`` and
``dvc`` work in it as anywhere.
"""

import functools
import os
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from services.data import collected
from services.data.models import KINDS, Collected, Kind
from services.errors import PlatformError

_TIMEOUT_S = 60.0
_STALE_S = 3.0
_RECORD, _FIELD = "\x1e", "\x1f"
_ONLY = (
    "# Only what DVC needs: the data itself is elsewhere.\n*\n!*/\n!*.dvc\n!.dvc/**\n!.dvcignore\n"
)
_DVC_GITIGNORE = "/config.local\n/tmp\n/cache\n"
_AUTHOR = ("MLOps platform", "mlops@localhost")


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit: what was tracked, and when."""

    commit: str
    at: datetime
    kind: Kind
    revision: str
    files: int
    bytes: int
    paths: tuple[str, ...]
    from_project: str | None
    collected: tuple[Collected, ...] = ()


class Repository:
    """The git side. Only who holds the project's lock writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def exists(self) -> bool:
        """Return whether it was made to its end."""
        git = self.folder / ".git"
        begun = (git / "refs" / "heads" / "main").is_file() or (git / "packed-refs").is_file()
        return begun and (self.folder / ".dvc" / "config").is_file()

    def make(self, config: str, secret_config: str) -> None:
        """Make it, or bring its configuration up to date; cut off and done again is harmless.

        Raises:
            PlatformError: git is missing or failed, or the folder cannot be written.
        """
        dvc = self.folder / ".dvc"
        try:
            dvc.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not (self.folder / ".git" / "HEAD").is_file():
                self._git("init", "--quiet", "--initial-branch=main", f"--template={os.devnull}")
            (self.folder / ".git" / "info").mkdir(exist_ok=True)
            _write(self.folder / ".git" / "info" / "exclude", _ONLY)
            _write(dvc / ".gitignore", _DVC_GITIGNORE)
            _write(self.folder / ".dvcignore", "")
            _write(dvc / "config.local", secret_config)
            _write(dvc / "config", config)  # last: it says that the others are there
        except OSError as error:
            raise PlatformError(
                f"The data repository {self.folder} cannot be made: {error.strerror or error}.",
                "Check who owns the home folder, and that its disk is not full.",
            ) from error
        self.commit("Configure DVC", {}, [".dvc/config", ".dvc/.gitignore", ".dvcignore"])

    def commit(self, title: str, trailers: Mapping[str, str], paths: Sequence[str]) -> str:
        """Commit the paths as they are, deleted ones too; return the commit now at the head.

        Raises:
            PlatformError: git failed.
        """
        self._break_locks()
        if paths:
            self._git("add", "--all", "--", *paths)
        message = title + "\n\n" + "".join(f"{k}: {v}\n" for k, v in trailers.items())
        if trailers or self._git("status", "--porcelain", "--untracked-files=no").strip():
            self._git("commit", "--quiet", "--allow-empty", "--no-verify", "--file=-", text=message)
        return self._git("rev-parse", "HEAD").strip()

    def commits(self) -> tuple[Commit, ...]:
        """Return everything that was tracked, newest first.

        Raises:
            PlatformError: git failed, or the repository is damaged.
        """
        if not self.exists():
            return ()
        head = self.head()
        return _history(self.folder, head) if head else self.log("main")

    def head(self) -> str:
        """Return the commit that ``main`` is at, read without git; empty when it cannot be.

        A commit's name is a hash of all its history: what was read under it stays true.
        """
        git = self.folder / ".git"
        try:
            return (git / "refs" / "heads" / "main").read_text().strip()
        except (OSError, ValueError):
            pass
        try:
            packed = (git / "packed-refs").read_text().splitlines()
        except (OSError, ValueError):
            return ""
        return next((line[:40] for line in packed if line.endswith(" refs/heads/main")), "")

    def log(self, commit: str) -> tuple[Commit, ...]:
        """Return what was tracked up to a commit, newest first; git is asked.

        Raises:
            PlatformError: git failed, or the repository is damaged.
        """
        form = f"--format=%H{_FIELD}%ct{_FIELD}%B{_RECORD}"
        said = self._git("log", "--first-parent", form, commit, "--")
        found = (_commit(record) for record in said.split(_RECORD))
        return tuple(commit for commit in found if commit is not None)

    def file(self, commit: str, path: str) -> bytes:
        """Return a file as it was in a commit.

        Raises:
            PlatformError: It was not there.
        """
        return _file(self.folder, commit, path)

    def show(self, commit: str, path: str) -> bytes:
        """Return a file as it was in a commit; git is asked.

        Raises:
            PlatformError: It was not there.
        """
        return self._git("show", f"{commit}:{path}").encode()

    def _break_locks(self) -> None:
        """Remove the locks of a git that was killed; ours is the only one that writes here."""
        git = self.folder / ".git"
        for lock in (*git.glob("*.lock"), *git.glob("refs/heads/*.lock")):
            began = time.monotonic()
            try:
                while time.time() - lock.stat().st_mtime < _STALE_S:  # a person's git, by hand
                    if time.monotonic() - began > _STALE_S:  # made before the clock was set back
                        break
                    time.sleep(0.05)
                lock.unlink()
            except FileNotFoundError:
                continue

    def _git(self, *arguments: str, text: str | None = None) -> str:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        environment |= {
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": _AUTHOR[0],
            "GIT_AUTHOR_EMAIL": _AUTHOR[1],
            "GIT_COMMITTER_NAME": _AUTHOR[0],
            "GIT_COMMITTER_EMAIL": _AUTHOR[1],
            "LC_ALL": "C",
        }
        try:
            done = subprocess.run(
                ["git", "-C", str(self.folder), "-c", "gc.auto=0", *arguments],
                env=environment,
                input=text,
                stdin=None if text is not None else subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="surrogateescape",
                timeout=_TIMEOUT_S,
                check=False,
            )
        except FileNotFoundError as error:
            raise PlatformError("git is not installed.", "Install git, then try again.") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PlatformError(f"git could not be run: {error}.", "See `mlops doctor`.") from error
        if done.returncode:
            said = " ".join(done.stderr.split())[-300:]
            raise PlatformError(
                f"git failed in the data repository {self.folder}: {said}",
                "See what `git status` says there; `mlops doctor` shows the room left.",
            )
        return done.stdout


@functools.lru_cache(maxsize=64)
def _history(folder: Path, head: str) -> tuple[Commit, ...]:
    return Repository(folder).log(head)


@functools.lru_cache(maxsize=4096)
def _file(folder: Path, commit: str, path: str) -> bytes:
    return Repository(folder).show(commit, path)


def _write(path: Path, text: str) -> None:
    """Write a small file whole, readable by its owner alone; the same text is not written again."""
    try:
        if path.read_text(encoding="utf-8") == text:
            return
    except OSError:
        pass
    part = path.with_name(f"{path.name}.new")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)


def _commit(record: str) -> Commit | None:
    parts = record.strip("\n").split(_FIELD)
    if len(parts) != 3:
        return None
    commit, at, message = parts
    said = _trailers(message.splitlines())
    kind = said.get("Mlops-Kind", "")
    if kind not in KINDS or "Mlops-Revision" not in said:
        return None
    return Commit(
        commit=commit,
        at=datetime.fromtimestamp(int(at), UTC),
        kind=kind,
        revision=said["Mlops-Revision"],
        files=int(said.get("Mlops-Files", 0)),
        bytes=int(said.get("Mlops-Bytes", 0)),
        paths=tuple(line[12:] for line in message.splitlines() if line.startswith("Mlops-Path: ")),
        from_project=said.get("Mlops-From") or None,
        collected=collected.read(said.get("Mlops-Collected", "")),
    )


def _trailers(lines: Iterable[str]) -> dict[str, str]:
    pairs = (line.partition(": ") for line in lines if line.startswith("Mlops-"))
    return {name: value for name, _, value in pairs}
