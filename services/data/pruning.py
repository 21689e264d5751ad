"""Pruning: old versions leave this machine's cache, and nothing leaves that is nowhere else."""

import os
from collections.abc import Iterable

from services.data.models import KINDS, Kind, Prunable, Pruned, Version
from services.data.project import ProjectData, projects
from services.engines.dvc.models import Report, silent
from services.errors import EngineError


def prune(project: ProjectData, keep: int = 1, report: Report = silent) -> Pruned:
    """Take out of the cache what only old versions of a project use, where the remote has it.

    ``keep`` is how many versions of each kind stay, the present one among them. What any project's
    present version uses stays in any case, and so do the small lists of files.

    Raises:
        EngineUnreachableError: The remote is away: nothing is removed.
    """
    project.configure()
    with project.place.held():
        told = project.reporting(report)
        there = set(_leaving(project, keep))
        if not there:
            return Pruned(0, 0, 0)
        project.remote.ready()
        unsent = project.dvc.missing_remotely(there)
        gone = there - unsent
        told_of = project.dvc.forget(gone, told)
        return Pruned(len(gone), told_of, len(unsent))


def prunable(project: ProjectData, keep: int = 1) -> Prunable:
    """Return what ``prune`` would remove if the remote has all of it: it is not asked.

    Raises:
        EngineError: The list of files of a present version is not in the cache.
    """
    leaving = _leaving(project, keep).values()
    freed = sum(found.st_size for found in leaving if found.st_nlink == 1)
    old = sum(len(_by_age(project, kind)[keep:]) for kind in KINDS)
    return Prunable(old, len(leaving), freed)


def _leaving(project: ProjectData, keep: int) -> dict[str, os.stat_result]:
    """Return the cache files that only old versions use."""
    stays = set(_used_now(project))
    old: set[str] = set()
    for kind in KINDS:
        versions = _by_age(project, kind)
        stays |= _files(project, versions[:keep])
        old |= _files(project, versions[keep:])
    return {md5: found for md5 in old - stays if (found := project.dvc.cached(md5)) is not None}


def _by_age(project: ProjectData, kind: Kind) -> list[Version]:
    """Return the versions of a kind, the present one first, then the newest."""
    versions = project.versions(kind)
    return [v for v in versions if v.current] + [v for v in versions if not v.current]


def _used_now(project: ProjectData) -> Iterable[str]:
    for other in projects(project.remote):
        for kind in KINDS:
            current = other.current(kind)
            if current is not None:
                yield from _files(other, [current])


def _files(project: ProjectData, versions: Iterable[Version]) -> set[str]:
    found: set[str] = set()
    for version in versions:
        try:
            found |= {e.md5 for e in project.dvc.listed(project.outs(version)).values()}
        except EngineError:  # its list is lost: nobody can say what it used, so nothing is removed
            if version.current:
                raise
    return found
