"""Questions about versions: how they differ, what the folder holds, who uses them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from services.data import folder, tracking
from services.data.checkout import unfinished
from services.data.fetching import listed
from services.data.models import (
    Changes,
    FileChange,
    FolderState,
    Kind,
    Status,
    Underway,
    Use,
    Version,
)
from services.data.project import ProjectData
from services.data.state import moment
from services.data.transfers import queue
from services.engines.dvc.models import Entry
from services.errors import InputError, MlopsError
from services.projects.contract import look

DATA_TAG, MODELS_TAG = "mlops.data.revision", "mlops.models.revision"


def changes(project: ProjectData, version: Version, against: Version | None) -> Changes:
    """Return which files differ between two versions of a kind.

    Raises:
        InputError: One is of data, the other of models.
        EngineError: A version's list of files is nowhere to be found.
    """
    if against is not None and against.kind != version.kind:
        raise InputError("One is a version of data, the other of models.", "Take two of a kind.")
    new = _entries(project, version)
    old = {} if against is None else _entries(project, against)
    found = [
        change for path in sorted(new.keys() | old.keys()) if (change := _change(path, old, new))
    ]
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


def _entries(project: ProjectData, version: Version) -> dict[str, Entry]:
    found = listed(project, project.outs(version))
    return {entry.path: entry for entry in project.dvc.sized(found.values())}


def _change(path: str, old: Mapping[str, Entry], new: Mapping[str, Entry]) -> FileChange | None:
    was, now = old.get(path), new.get(path)
    if was is None and now is not None:
        return FileChange(path, "added", None, now.size)
    if was is not None and now is None:
        return FileChange(path, "removed", was.size, None)
    assert was is not None  # noqa: S101 - the path is in one of them
    assert now is not None  # noqa: S101 - and so in both
    if was.md5 == now.md5:
        return None
    return FileChange(path, "changed", was.size, now.size)


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
    return "changed", "Files changed since; `mlops data add` makes them a version.", paths


def underway(project: ProjectData) -> Underway | None:
    """Return what is being done with a project's files; None when nothing is."""
    import json

    try:
        said = json.loads(project.place.progress.read_bytes())
        at = moment(said.pop("at"))
        return None if at is None else Underway(project=project.id, at=at, **said)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def uses(
    versions: Iterable[Version],
    runs: Mapping[str, Mapping[str, str]],
    models: Mapping[str, Mapping[str, str]],
) -> tuple[Use, ...]:
    """Return who uses each version: ``runs`` are tags by run, ``models`` tags by MODEL:VERSION."""

    def using(tags: Mapping[str, Mapping[str, str]], version: Version) -> tuple[str, ...]:
        tag = DATA_TAG if version.kind == "data" else MODELS_TAG
        return tuple(name for name, said in tags.items() if said.get(tag) == version.revision)

    return tuple(Use(v.revision, using(runs, v), using(models, v)) for v in versions)
