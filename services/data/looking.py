"""Questions about versions: how they differ, and what the folder holds."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from services.data import folder, tracking
from services.data.checkout import unfinished
from services.data.fetching import listed
from services.data.models import (
    Changes,
    ChangeWord,
    FileChange,
    FolderState,
    Kind,
    Status,
    Underway,
    Version,
)
from services.data.project import ProjectData
from services.data.state import moment
from services.data.transfers import queue
from services.engines.dvc.models import Entry
from services.errors import InputError, MlopsError
from services.projects.contract import look

CHANGED_SINCE = "Files changed since; `mlops data add` makes them a version."


def changes(
    project: ProjectData, version: Version, against: Version | None, *, fetch: bool = True
) -> Changes:
    """Return which files differ between two versions of a kind; either may be another project's.

    A list of files that is not here is fetched from the remote, unless ``fetch`` is off.

    Raises:
        InputError: One is of data, the other of models.
        EngineError: A version's list of files is nowhere to be found, or not here.
    """
    if against is not None and against.kind != version.kind:
        raise InputError("One is a version of data, the other of models.", "Take two of a kind.")
    new = _entries(project, version, fetch=fetch)
    old = {} if against is None else _entries(project, against, fetch=fetch)
    differ = [path for path in new.keys() | old.keys() if _md5(new, path) != _md5(old, path)]
    # Only of what differs the size is asked: the file system answers once a file.
    was, now = _sized(project, old, differ), _sized(project, new, differ)
    found = [_change(path, was.get(path), now.get(path)) for path in sorted(differ)]
    counts = {
        word: sum(1 for c in found if c.change == word) for word in ("added", "changed", "removed")
    }
    return Changes(
        revision=version.revision,
        against=against.revision if against else None,
        added=counts["added"],
        changed=counts["changed"],
        removed=counts["removed"],
        bytes=version.bytes,
        bytes_against=against.bytes if against else 0,
        files=tuple(found),
    )


def before(project: ProjectData, version: Version) -> Version | None:
    """Return the version of the same kind that was tracked before; None for the first."""
    versions = project.versions(version.kind)
    revisions = [one.revision for one in versions]
    older = versions[revisions.index(version.revision) + 1 :]
    return older[0] if older else None


def _entries(project: ProjectData, version: Version, *, fetch: bool) -> dict[str, Entry]:
    owner = project if version.project == project.id else replace(project, id=version.project)
    outs = owner.outs(version)
    return listed(owner, outs) if fetch else owner.dvc.listed(outs)


def _md5(entries: Mapping[str, Entry], path: str) -> str | None:
    found = entries.get(path)
    return None if found is None else found.md5


def _sized(
    project: ProjectData, entries: Mapping[str, Entry], paths: Iterable[str]
) -> dict[str, Entry]:
    wanted = (entries[path] for path in paths if path in entries)
    return {entry.path: entry for entry in project.dvc.sized(wanted)}


def _change(path: str, was: Entry | None, now: Entry | None) -> FileChange:
    before, after = was.size if was else None, now.size if now else None
    word: ChangeWord = "added" if was is None else "removed" if now is None else "changed"
    return FileChange(path, word, before, after)


def status(project: ProjectData, root: Path, kind: Kind) -> Status:
    """Return the data or models of a project as they are; files are counted, not read.

    Raises:
        PlatformError: The data repository is damaged.
    """
    versions = project.versions(kind)
    current = next((version for version in versions if version.current), None)
    state, reason, paths = _state(project, root, kind, current)
    return Status(
        project=project.id,
        kind=kind,
        folder=str(root),
        paths=paths,
        state=state,
        reason=reason,
        revision=current.revision if current else None,
        files=current.files if current else 0,
        bytes=current.bytes if current else 0,
        at=current.at if current else None,
        versions=len(versions),
        remote=current.remote if current else None,
        queued=tuple(one for one in queue(project) if one.kind == kind),
    )


def _state(
    project: ProjectData, root: Path, kind: Kind, current: Version | None
) -> tuple[FolderState, str, tuple[str, ...]]:
    cut_off = unfinished(project)
    paths = current.paths if current else ()
    if cut_off is not None and cut_off[0] == kind:
        return "unfinished", f"A checkout of {cut_off[1]} was cut off; do it again.", paths
    found = look(root)
    if found.contract is None:
        return "gone", " ".join(found.reasons), paths
    try:
        paths = tracking.paths_of(found.contract, kind)
        files = folder.scan(root, paths)
    except MlopsError as error:
        return "changed" if current else "untracked", error.message, paths
    if current is None:
        return ("untracked" if folder.tracked(files) else "empty"), "", paths
    tracked = project.place.load().get("tracked", {}).get(kind, {})
    if tracked.get("fingerprint") == folder.fingerprint(files) and tracked.get("paths") == list(
        paths
    ):
        return "clean", "", paths
    return "changed", CHANGED_SINCE, paths


def underway(project: ProjectData) -> Underway | None:
    """Return what is being done with a project's files; None when nothing is."""
    import json

    if not project.place.busy():
        return None
    try:
        said = json.loads(project.place.progress.read_bytes())
        at = moment(said.pop("at"))
        return None if at is None else Underway(project=project.id, at=at, **said)
    except (OSError, ValueError, TypeError, KeyError):
        return None
