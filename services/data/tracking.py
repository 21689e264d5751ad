"""Tracking: the folder as it is becomes a version, when it differs from the last one."""

import dataclasses
import hashlib
from collections.abc import Iterable
from pathlib import Path

from services.data import collected, folder
from services.data.models import Kind, Tracked, Version
from services.data.project import ProjectData
from services.data.state import Place, enqueue, write
from services.engines.dvc.models import Entry, File, Out, Report, Snapshot, silent
from services.errors import ConflictError, EngineError
from services.projects.contract import Contract

_DIGITS = 16


def revision_of(outs: Iterable[Out]) -> str:
    """Return the hash that names what tracked paths hold: SHA-256 over ``PATH NUL MD5 NEWLINE``."""
    digest = hashlib.sha256()
    for out in sorted(outs, key=lambda one: one.path):
        digest.update(f"{out.path}\0{out.md5}\n".encode())
    return digest.hexdigest()[:_DIGITS]


def paths_of(contract: Contract, kind: Kind) -> tuple[str, ...]:
    """Return the paths a project lists, in one form.

    Raises:
        InputError: They overlap, or leave the folder.
    """
    mine, others = (contract.data, contract.models)
    if kind == "models":
        mine, others = others, mine
    return folder.listed(mine, others)


def track(
    project: ProjectData, root: Path, contract: Contract, kind: Kind, report: Report = silent
) -> Tracked:
    """Track what the paths of a kind hold. The same content again makes no version.

    Raises:
        InputError: There is a symbolic link, or a path that leaves the folder.
        ConflictError: A checkout was cut off, or a file was written to meanwhile.
        EngineError: DVC could not keep it.
        PlatformError: Something cannot be read or written.
    """
    paths = paths_of(contract, kind)
    project.configure(root)
    known = _known(project.place, kind, root, paths)
    if known is not None:
        tell_client(root, known)
        return known
    with project.place.held():
        unfinished = project.place.load().get("checkout")
        if unfinished is not None and unfinished["kind"] == kind:
            raise ConflictError(
                f"A checkout of {unfinished['revision']} was cut off: {kind} is a mixture of two "
                "versions.",
                f"`mlops data checkout {project.id} {unfinished['revision']}` finishes it.",
            )
        folder.clear_parts(root, paths)
        found = _track(project, root, paths, kind, project.reporting(report))
    tell_client(root, found)
    return found


def _known(place: Place, kind: Kind, root: Path, paths: tuple[str, ...]) -> Tracked | None:
    """Return what was found the last time, when no file changed since."""
    state = place.load()
    said = state.get("tracked", {}).get(kind)
    if said is None or state.get("checkout") is not None or said.get("paths") != list(paths):
        return None
    if folder.fingerprint(folder.scan(root, paths)) != said["fingerprint"]:
        return None
    fields = {f.name for f in dataclasses.fields(Tracked)}
    return Tracked(**{k: v for k, v in said.items() if k in fields} | {"changed": False})


def _track(
    project: ProjectData, root: Path, paths: tuple[str, ...], kind: Kind, report: Report
) -> Tracked:
    everything = folder.scan(root, paths)
    files = folder.tracked(everything)
    before = project.current(kind)
    if not files and before is None:
        reason = f"There is no file under {', '.join(paths)} yet." if paths else _UNLISTED % kind
        return Tracked(kind, None, False, 0, 0, folder.fingerprint(everything), reason)  # noqa: FBT003 - a field
    snapshot = project.dvc.look(root, paths, files, report)
    lost = _written_through(project, before, snapshot)
    kept = project.dvc.keep(root, snapshot, report)
    after = _as_kept(root, paths, kept)
    revision = revision_of(snapshot.outs) if snapshot.outs else None
    changed = revision != (before.revision if before else None)
    if changed:
        rows = collected.held(root, paths) if kind == "data" else ()
        project.record(kind, revision or "", snapshot.outs, rows=rows)
    found = Tracked(
        kind=kind,
        revision=revision,
        changed=changed,
        files=len(files),
        bytes=sum(file.size for file in files),
        fingerprint=folder.fingerprint(after),
        reason=_told(lost, before),
    )
    remember(project, found, paths, queue=changed and project.remote.configured)
    return found


def _as_kept(root: Path, paths: tuple[str, ...], kept: dict[str, File]) -> tuple[File, ...]:
    """Return the folder's files, which must be those that were kept: what is said of them is sure.

    Raises:
        ConflictError: A file came, went or was written to meanwhile.
    """
    now = folder.scan(root, paths)
    there = {file.path: file for file in folder.tracked(now)}
    differ = sorted(p for p in there.keys() | kept.keys() if there.get(p) != kept.get(p))
    if differ:
        raise ConflictError(
            f"{differ[0]} was written to while it was being tracked.",
            "Try again when nothing writes there.",
        )
    return now


_UNLISTED = "[tool.mlops] lists no %s."


def remember(
    project: ProjectData, found: Tracked, paths: tuple[str, ...], *, queue: bool = False
) -> None:
    """Write down what the folder holds."""
    with project.place.changing() as state:
        tracked = state.setdefault("tracked", {})
        tracked[found.kind] = dataclasses.asdict(found) | {"paths": list(paths)}
        if queue and found.revision:
            enqueue(state, found.kind, found.revision)


def _written_through(
    project: ProjectData, before: Version | None, snapshot: Snapshot
) -> tuple[Entry, ...]:
    """Take out of the cache what was written to through a link to it; return those files.

    Links are read-only; whoever overrides that, or works as root, writes into the cache.
    """
    if before is None:
        return ()
    try:
        known = project.dvc.listed(project.outs(before))
    except EngineError:  # its list is lost: nothing can be compared
        return ()
    lost = []
    for path, entry in known.items():
        now, file = snapshot.entries.get(path), snapshot.files.get(path)
        cached = project.dvc.cached(entry.md5)
        if now is None or file is None or cached is None or now.md5 == entry.md5:
            continue
        if cached.st_ino == file.inode:
            lost.append(entry)
    project.dvc.forget(entry.md5 for entry in lost)
    return tuple(lost)


def _told(lost: tuple[Entry, ...], before: Version | None) -> str:
    if not lost or before is None:
        return ""
    names = ", ".join(entry.path for entry in lost[:3])
    more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
    return (
        f"{names}{more} was written to in place, through the link to the cache: version "
        f"{before.revision} can only be fetched from the remote. "
        "Write a new file and rename it, or `mlops data release` first."
    )


def tell_client(root: Path, found: Tracked) -> None:
    """Write what the client compares with before it asks again."""
    write(root / ".mlops" / "versions" / f"{found.kind}.json", dataclasses.asdict(found))


def release(project: ProjectData, root: Path, contract: Contract, kind: Kind) -> int:
    """Make the files of a kind writable again, as files of their own; return how many were not.

    A run that overwrites its models would otherwise be refused, or write into the cache.

    Raises:
        InputError: There is a symbolic link, or a path that leaves the folder.
        PlatformError: A file cannot be changed.
    """
    from services.engines.dvc import links

    paths = paths_of(contract, kind)
    project.configure(root)
    with project.place.held():
        folder.clear_parts(root, paths)
        return sum(links.release(root / file.path) for file in folder.scan(root, paths))
