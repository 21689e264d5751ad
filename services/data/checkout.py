"""Checkout: the folder becomes a version, byte for byte, and nothing untracked is lost."""

import dataclasses
from pathlib import Path

from services.data import folder, tracking
from services.data.fetching import fetch, listed
from services.data.models import Kind, Tracked, Version
from services.data.project import ProjectData
from services.data.sharing import find_for
from services.engines.dvc.models import Entry, Out, Report, Snapshot, silent
from services.errors import ConflictError, InputError
from services.projects.contract import require

_SHOWN = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What a checkout will do."""

    version: Version
    owner: ProjectData
    lost: tuple[str, ...]
    """Files whose bytes are in neither version: the checkout is refused."""
    placed: tuple[Entry, ...]
    removed: tuple[str, ...]


def plan(project: ProjectData, revision: str, root: Path, report: Report = silent) -> Plan:
    """Return what checking out a revision would do to the folder as it is.

    Raises:
        NotFoundError: Neither the project nor one that shares with it has the revision.
        EngineError: The version's list of files is nowhere to be found.
        InputError: There is a symbolic link, or the version's paths are not the project's.
    """
    owner, version = find_for(project, revision)
    return _plan(project, owner, version, root, report)


def _plan(
    project: ProjectData, owner: ProjectData, version: Version, root: Path, report: Report
) -> Plan:
    before = project.current(version.kind)
    paths = _paths(before, version)
    if owner is not project:
        _check_paths(version, tracking.paths_of(require(root), version.kind))
    there = project.dvc.look(root, paths, folder.tracked(folder.scan(root, paths)), report)
    old = listed(project, project.outs(before))
    new = listed(owner, owner.outs(version))
    return Plan(
        version=version,
        owner=owner,
        lost=tuple(path for path, now in there.entries.items() if _is_lost(now, old, new)),
        placed=tuple(e for path, e in new.items() if not _is(there, path, e)),
        removed=tuple(path for path in there.entries if path not in new),
    )


def _is_lost(now: Entry, old: dict[str, Entry], new: dict[str, Entry]) -> bool:
    known = {entry.md5 for entry in (old.get(now.path), new.get(now.path)) if entry}
    return now.md5 not in known


def _is(there: Snapshot, path: str, wanted: Entry) -> bool:
    return path in there.entries and there.entries[path].md5 == wanted.md5


def checkout(
    project: ProjectData, revision: str, root: Path, report: Report = silent
) -> tuple[Version, Plan]:
    """Make the folder hold a version, byte for byte. Cut off and asked for again, it goes on.

    Raises:
        ConflictError: Files would be lost; the message names them.
        NotFoundError: There is no such version.
        EngineError: Files are damaged or missing, and the remote cannot give them.
    """
    project.configure()
    with project.place.held():
        told = project.reporting(report)
        owner, version = find_for(project, revision)
        before = project.current(version.kind)
        paths = _paths(before, version)
        folder.clear_parts(root, paths)
        planned = _plan(project, owner, version, root, told)
        refuse_loss(project.id, planned)
        outs = owner.outs(version)
        fetch(owner, outs, told)
        with project.place.changing() as state:
            state["checkout"] = {"kind": version.kind, "revision": version.revision}
        _remove(root, planned.removed, paths)
        project.dvc.place(root, planned.placed, told)
        _settle(project, version, outs, root, None if owner is project else owner.id)
    return project.find(version.revision), planned


def _settle(
    project: ProjectData, version: Version, outs: tuple[Out, ...], root: Path, source: str | None
) -> None:
    """Write down that the folder holds a version; the commit first: a crash repeats the rest."""
    now = project.current(version.kind)
    if now is None or now.revision != version.revision:
        project.record(
            version.kind, version.revision, outs, from_project=source, rows=version.collected
        )
    paths = _listed(root, version)
    found = Tracked(
        kind=version.kind,
        revision=version.revision,
        changed=False,
        files=version.files,
        bytes=version.bytes,
        fingerprint=folder.fingerprint(folder.scan(root, paths)),
    )
    tracking.remember(project, found, paths, queue=False)
    with project.place.changing() as state:
        state["checkout"] = None
    tracking.tell_client(root, found)


def refuse_loss(project_id: str, planned: Plan) -> None:
    """Refuse a checkout that would lose what no version has.

    Raises:
        ConflictError: It would; the message names the files.
    """
    if not planned.lost:
        return
    names = ", ".join(planned.lost[:_SHOWN])
    more = f" and {len(planned.lost) - _SHOWN} more" if len(planned.lost) > _SHOWN else ""
    count = len(planned.lost)
    raise ConflictError(
        f"{count} {'file' if count == 1 else 'files'} of {project_id} would be lost: they are not "
        f"as any version in question has them: {names}{more}.",
        f"`mlops data add {project_id}` keeps them as a version; then check out.",
    )


def restore(project: ProjectData, version: Version, root: Path, report: Report) -> None:
    """Put back the files of the present version that are missing; the caller holds the lock."""
    folder.clear_parts(root, version.paths)
    there = {file.path for file in folder.scan(root, version.paths)}
    wanted = listed(project, project.outs(version))
    project.dvc.place(root, [e for path, e in wanted.items() if path not in there], report)


def _remove(root: Path, removed: tuple[str, ...], paths: tuple[str, ...]) -> None:
    emptied = set()
    for path in removed:
        (root / path).unlink(missing_ok=True)
        emptied |= {parent for parent in (root / path).parents if parent.is_relative_to(root)}
    tops = {root / path for path in paths}
    for parent in sorted(emptied, key=lambda one: len(one.parts), reverse=True):
        if any(parent != top and parent.is_relative_to(top) for top in tops):
            try:
                parent.rmdir()
            except OSError:  # it holds other files
                continue


def _paths(before: Version | None, version: Version) -> tuple[str, ...]:
    """Return the paths that are looked at: of both versions, each file once."""
    both = dict.fromkeys([*(before.paths if before else ()), *version.paths])
    return tuple(p for p in both if not any(p.startswith(f"{other}/") for other in both))


def _listed(root: Path, version: Version) -> tuple[str, ...]:
    try:
        return tracking.paths_of(require(root), version.kind)
    except InputError:  # the contract is broken just now: what was placed is what is known
        return version.paths


def _check_paths(version: Version, listed: tuple[str, ...]) -> None:
    """Refuse another project's version whose files would lie where this one lists no data."""
    outside = [p for p in version.paths if not any(_within(p, own) for own in listed)]
    if outside:
        raise InputError(
            f"The shared version holds {', '.join(outside)}, which [tool.mlops] does not list "
            f"under {version.kind}.",
            "List it there, so that it is tracked here as well.",
        )


def _within(path: str, own: str) -> bool:
    return path == own or path.startswith(f"{own}/")


def unfinished(project: ProjectData) -> tuple[Kind, str] | None:
    """Return the checkout that was cut off; None when there is none."""
    found = project.place.load().get("checkout")
    return None if found is None else (found["kind"], found["revision"])
