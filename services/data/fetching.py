"""Which files a version needs, and having them all in the cache."""

from services.data.project import ProjectData
from services.engines.dvc.models import Entry, Out, Report, silent


def listed(
    project: ProjectData, outs: tuple[Out, ...], report: Report = silent
) -> dict[str, Entry]:
    """Return the files of these paths by path; their lists are fetched when they are not here.

    Raises:
        EngineUnreachableError: A list is needed from the remote, and it is away.
        EngineRefusedError: A list is neither here nor there.
    """
    _fetch(project, {out.md5 for out in outs if out.is_folder}, report)
    return project.dvc.listed(outs)


def wanted(project: ProjectData, outs: tuple[Out, ...]) -> set[str]:
    """Return the hashes of the files of these paths, and of their lists.

    Raises:
        EngineError: See ``listed``.
    """
    return {out.md5 for out in outs} | {e.md5 for e in listed(project, outs).values()}


def fetch(project: ProjectData, outs: tuple[Out, ...], report: Report) -> int:
    """Have every file of these paths in the cache, undamaged; return how many were fetched.

    Raises:
        EngineUnreachableError: Files are needed from the remote, and it is away.
        EngineRefusedError: Files are neither here nor there; the message names them.
    """
    lists = {out.md5 for out in outs if out.is_folder}
    fetched = _fetch(project, lists, report)
    return fetched + _fetch(project, wanted(project, outs) - lists, report)


def _fetch(project: ProjectData, hashes: set[str], report: Report) -> int:
    gone = project.dvc.bad(hashes, report)
    if not gone:
        return 0
    project.remote.ready()
    return len(project.dvc.fetch(gone, report))
