"""Asks DVC: hashes, the shared cache, the shared remote.

A new ``Repo`` for each operation: one keeps what it read, and its database connections, for good.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from services.engines.dvc import hashing, links
from services.engines.dvc.faults import asking, told
from services.engines.dvc.models import Entry, File, Out, Report, Snapshot, silent
from services.engines.dvc.progress import Meter, metered
from services.engines.dvc.wire import read_list
from services.errors import EngineError, EngineRefusedError, EngineUnreachableError

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.state import State
    from fsspec.callbacks import Callback


class DVC:
    """One DVC repository. Every method raises ``EngineError`` when DVC does not do what it asks."""

    name = "DVC"

    def __init__(self, repository: Path, cache: Path, state: Path) -> None:
        self._repository, self._state = repository, state
        self._objects = cache / "files" / "md5"

    # The folder

    def look(
        self, folder: Path, paths: Sequence[str], files: Sequence[File], report: Report = silent
    ) -> Snapshot:
        """Return what ``files`` below ``paths`` hold; only what changed is read.

        Raises:
            EngineError: A file cannot be read.
        """
        with self._remembering() as state:
            entries = hashing.entries(state, folder, files, report)
        outs, lists = hashing.outs(paths, entries)
        return Snapshot(outs, entries, {file.path: file for file in files}, lists)

    def keep(self, folder: Path, snapshot: Snapshot, report: Report = silent) -> dict[str, File]:
        """Take what was looked at into the cache; return the folder's files as they are then.

        They are links to the cache's: hard ones, or clones where the file system has them.

        Raises:
            EngineError: A file was written to meanwhile, or the disk is full.
        """
        size = sum(file.size for file in snapshot.files.values())
        # What the cache has already takes the place of the folder's: it must be what it says.
        self.bad(self._known(snapshot), report)
        with asking(), metered("keeping", report, len(snapshot.files), size) as meter:
            kept = {}
            for entry in snapshot.entries.values():
                seen = snapshot.files[entry.path]
                kept[entry.path] = self._keep_one(folder / entry.path, entry, seen)
                meter.add(1, seen.size)
            for md5, content in snapshot.lists.items():
                links.write(self._made(md5), content)
        moved = [
            snapshot.entries[path] for path, now in kept.items() if now != snapshot.files[path]
        ]
        with self._remembering() as state:
            hashing.remember(state, folder, moved)
        return kept

    def _known(self, snapshot: Snapshot) -> set[str]:
        """Return what the cache has in a file of its own, apart from the folder's."""
        known = set()
        for entry in snapshot.entries.values():
            there = self.cached(entry.md5)
            if there is not None and there.st_ino != snapshot.files[entry.path].inode:
                known.add(entry.md5)
        return known

    def _keep_one(self, path: Path, entry: Entry, seen: File) -> File:
        cached, there = self._made(entry.md5), self.cached(entry.md5)
        if there is None:
            links.put(path, cached)
            _unchanged(path, seen, cached)
            cached.chmod(links.CACHED)
            return seen
        _unchanged(path, seen)
        if there.st_ino == seen.inode:
            if not hashing.is_cached_mode(there):
                cached.chmod(links.CACHED)
            return seen
        links.put(cached, path)
        now = path.lstat()
        return File(entry.path, now.st_size, now.st_mtime_ns, now.st_ino)

    def place(self, folder: Path, entries: Iterable[Entry], report: Report = silent) -> None:
        """Bring files of the cache into the folder; what is in their place is replaced.

        Raises:
            EngineError: A file is not in the cache, or the folder cannot be written.
        """
        wanted = list(entries)
        made: set[Path] = set()
        with asking(), metered("placing", report, len(wanted)) as meter:
            for entry in wanted:
                target = folder / entry.path
                if target.parent not in made:
                    _real_folders(folder, target.parent)
                    made.add(target.parent)
                links.put(self._path(entry.md5), target)
                meter.add(1)
        with self._remembering() as state:
            hashing.remember(state, folder, wanted)

    # The cache

    def cached(self, md5: str) -> os.stat_result | None:
        """Return what the file system says of a cache file; None when there is none."""
        try:
            return self._path(md5).lstat()
        except FileNotFoundError:
            return None

    def listed(self, outs: Iterable[Out]) -> dict[str, Entry]:
        """Return the files of tracked paths by path.

        Raises:
            EngineRefusedError: A list of files is not in the cache.
            EngineProtocolError: A list is unreadable, or names what is outside.
        """
        found: dict[str, Entry] = {}
        for out in outs:
            if not out.is_folder:
                found[out.path] = Entry(out.path, out.md5, out.size)
                continue
            try:
                content = self._path(out.md5).read_bytes()
            except FileNotFoundError:
                raise _missing([out.md5], f"not in the cache, the list of {out.path}") from None
            for entry in read_list(out, content):
                found[entry.path] = entry
        return found

    def sized(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Yield entries with their sizes, as far as the cache has the files."""
        for entry in entries:
            found = self.cached(entry.md5) if entry.size is None else None
            yield entry if found is None else Entry(entry.path, entry.md5, found.st_size)

    def bad(self, hashes: Iterable[str], report: Report = silent) -> tuple[str, ...]:
        """Return which cache files are missing or hold other bytes than their name says.

        Every byte is read: the time of a file tells nothing of a failing disk. Those that hold
        other bytes are taken out of the cache.
        """
        wanted = sorted(set(hashes))
        with asking():
            return hashing.bad(self._path, wanted, report)

    def forget(self, hashes: Iterable[str], report: Report = silent) -> int:
        """Take files out of the cache; return the bytes that became free."""
        wanted = list(hashes)
        freed = 0
        with asking(), metered("pruning", report, len(wanted)) as meter:
            for md5 in wanted:
                found = self.cached(md5)
                if found is not None:
                    self._path(md5).unlink(missing_ok=True)
                    freed += found.st_size if found.st_nlink == 1 else 0
                meter.add(1)
        return freed

    # The remote

    def push(self, hashes: Iterable[str], report: Report = silent) -> int:
        """Send cache files to the remote that it has not; return how many were sent.

        Raises:
            EngineUnreachableError: The remote is away; what was sent stays there.
            EngineRefusedError: A cache file is damaged, and nobody has its bytes.
        """
        wanted = set(hashes)
        missing = self.missing_remotely(wanted)
        # Bad bytes under a good name would spoil the one copy that must be good.
        gone = self.bad(missing, report)
        if gone:
            raise _missing(gone, "damaged or missing in the cache, so nothing is sent")
        self._transfer(missing, "sending", report, to_remote=True)
        left = self.missing_remotely(missing)
        if left:
            raise EngineUnreachableError(
                f"{len(left)} of {len(missing)} files did not reach the remote.",
                "They are sent again; see `mlops data status`.",
            )
        return len(missing)

    def fetch(self, hashes: Iterable[str], report: Report = silent) -> tuple[str, ...]:
        """Bring files from the remote into the cache where it has them not or damaged.

        Returns the hashes fetched.

        Raises:
            EngineUnreachableError: The remote is away.
            EngineRefusedError: The remote has not all of them either, or damaged as well.
        """
        gone = self.bad(hashes, report)
        if not gone:
            return ()
        self._transfer(set(gone), "fetching", report, to_remote=False)
        still = self.bad(gone, report)
        if still:
            raise _missing(still, "neither in the cache nor on the remote undamaged")
        return gone

    def missing_remotely(self, hashes: Iterable[str]) -> frozenset[str]:
        """Return which files the remote has not; it is really asked."""
        wanted = set(hashes)
        if not wanted:
            return frozenset()
        with self._open() as repo:
            odb = repo.cloud.get_remote_odb()
            return frozenset(wanted - set(odb.oids_exist(sorted(wanted))))

    def _transfer(
        self, hashes: Iterable[str], what: str, report: Report, *, to_remote: bool
    ) -> None:
        from dvc_data.hashfile.transfer import transfer

        wanted = set(hashes)
        if not wanted:
            return
        size = sum(found.st_size for md5 in wanted if (found := self.cached(md5)))
        with (
            self._open() as repo,
            asking() as noted,
            metered(what, report, len(wanted), size if to_remote else None) as meter,
        ):
            here, there = repo.cache.local, repo.cloud.get_remote_odb()
            source, target = (here, there) if to_remote else (there, here)
            objects = _ordered(wanted)
            for some in objects:
                done = transfer(source, target, some, callback=_callback(meter), cache_odb=here)
                if done.failed:
                    _failed(noted, len(done.failed), len(wanted))

    # Inside

    def _path(self, md5: str) -> Path:
        return self._objects / md5[:2] / md5[2:]

    def _made(self, md5: str) -> Path:
        path = self._path(md5)
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def _remembering(self) -> "Iterator[State]":
        with asking():
            from dvc_data.hashfile.state import State

            state = State(root_dir="/", tmp_dir=str(self._state))
            try:
                yield state
            finally:
                state.close()  # type: ignore[no-untyped-call]  # DVC's

    @contextmanager
    def _open(self) -> "Iterator[Repo]":
        os.environ.setdefault("DVC_NO_ANALYTICS", "1")
        with asking():
            from dvc.repo import Repo

            with Repo(str(self._repository)) as repo:
                yield repo


def _ordered(wanted: Iterable[str]) -> "list[list[HashInfo]]":
    """Return files, then lists: a list that is on the remote says that its files are there."""
    from dvc_data.hashfile.hash_info import HashInfo

    ordered = sorted(wanted)
    files = [HashInfo("md5", md5) for md5 in ordered if not md5.endswith(".dir")]
    lists = [HashInfo("md5", md5) for md5 in ordered if md5.endswith(".dir")]
    return [some for some in (files, lists) if some]


def _failed(noted: list[BaseException], failed: int, wanted: int) -> None:
    first = told(noted[0]) if noted else None
    if isinstance(first, EngineError):
        raise first from noted[0]
    why = f": {noted[0]}" if noted else ""
    raise EngineUnreachableError(f"{failed} of {wanted} files could not be transferred{why}.")


def _missing(hashes: Sequence[str], what: str) -> EngineRefusedError:
    shown = ", ".join(hashes[:3]) + (f" and {len(hashes) - 3} more" if len(hashes) > 3 else "")
    count = "1 file is" if len(hashes) == 1 else f"{len(hashes)} files are"
    return EngineRefusedError(
        f"{count} {what}: {shown}.",
        "Where the folder still has such a file, `mlops data add PROJECT` takes it in again.",
        code="MISSING",
    )


def _unchanged(path: Path, seen: File, cached: Path | None = None) -> None:
    """Refuse a file that was written to since it was read.

    Raises:
        EngineRefusedError: It was; the cache keeps nothing of it.
    """
    now = path.lstat()
    if (now.st_size, now.st_mtime_ns, now.st_ino) == (seen.size, seen.mtime_ns, seen.inode):
        return
    if cached is not None:
        cached.unlink(missing_ok=True)
    raise EngineRefusedError(
        f"{seen.path} was written to while it was being tracked.",
        "Try again when nothing writes there.",
    )


def _real_folders(root: Path, folder: Path) -> None:
    """Make the folders down to ``folder``; none on the way may be a link that leads elsewhere."""
    for step in reversed([folder, *folder.parents]):
        if not step.is_relative_to(root) or step == root:
            continue
        if step.is_symlink():
            raise EngineRefusedError(
                f"{step} is a symbolic link: nothing is written through it.", "Remove the link."
            )
        step.mkdir(exist_ok=True)


def _callback(meter: Meter) -> "Callback":
    from services.engines.dvc.callbacks import Counting

    return Counting(meter)
