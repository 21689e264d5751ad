"""Sharing: a project sees its own versions alone, and those another project lets it have."""

from collections.abc import Iterator

from services.data.models import Kind, Share, Version
from services.data.project import ProjectData, projects
from services.data.state import moment, now
from services.errors import ConflictError, InputError, NotFoundError


def share(owner: ProjectData, with_project: str, kind: Kind, by: str) -> None:
    """Let another project check out the owner's versions of a kind; again is harmless.

    Raises:
        InputError: It is the same project.
        NotFoundError: The owner has nothing to share.
    """
    if owner.id == with_project:
        raise InputError("A project has its own data already.")
    if not owner.repository.exists():
        raise NotFoundError(f"The project {owner.id} has no data repository yet.")
    with owner.place.changing() as state:
        entry = {"by": by, "at": now()}
        state.setdefault("shares", {}).setdefault(with_project, {}).setdefault(kind, entry)


def unshare(owner: ProjectData, with_project: str, kind: Kind) -> None:
    """Take it back; what was checked out already stays where it is."""
    with owner.place.changing() as state:
        state.get("shares", {}).get(with_project, {}).pop(kind, None)


def shares(owner: ProjectData) -> tuple[Share, ...]:
    """Return with whom a project shares what."""
    found = owner.place.load().get("shares", {})
    return tuple(
        Share(owner.id, other, kind, entry["by"], at)
        for other, kinds in sorted(found.items())
        for kind, entry in sorted(kinds.items())
        if (at := moment(entry["at"])) is not None
    )


def find_for(project: ProjectData, revision: str) -> tuple[ProjectData, Version]:
    """Return a version a project may check out, and whose it is: its own first.

    Raises:
        NotFoundError: Neither it nor one that shares with it has the revision.
        ConflictError: Several share one that begins so.
    """
    own = project.matching(revision)
    if own:
        return project, project.find(revision)
    found = [
        (other, version)
        for other, kinds in _sharing(project)
        for version in other.matching(revision)
        if version.kind in kinds
    ]
    if not found:
        raise NotFoundError(
            f"{project.id} has no version {revision[:40]!r}, and no project shares one with it.",
            f"`mlops data versions {project.id}` lists its own; its owner may share another with "
            f"`mlops data share OWNER {project.id}`.",
        )
    if len({version.revision for _, version in found}) > 1:
        raise ConflictError(f"{revision!r} fits several shared versions.", "Give more digits.")
    return found[0]


def shared_with(project: ProjectData) -> tuple[Version, ...]:
    """Return the versions other projects let this one check out, the newest of each first.

    Raises:
        PlatformError: The data repository of one that shares is damaged.
    """
    return tuple(
        version
        for other, kinds in _sharing(project)
        for version in other.versions()
        if version.kind in kinds
    )


def _sharing(project: ProjectData) -> Iterator[tuple[ProjectData, frozenset[Kind]]]:
    for other in projects(project.remote):
        if other.id == project.id:
            continue
        kinds = frozenset(s.kind for s in shares(other) if s.with_project == project.id)
        if kinds:
            yield other, kinds
