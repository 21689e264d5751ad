"""What the actions on data and models have in common."""

from services.actions.action import Context
from services.data.models import Version
from services.data.sharing import find_for
from services.errors import NotFoundError


def subject(project: str) -> str:
    """Return what data actions of a project change: one after another."""
    return f"data:{project}"


def own(context: Context, project: str, revision: str) -> Version:
    """Return one of a project's own versions.

    Raises:
        NotFoundError: There is none.
        InputError: The revision is too short, or fits several.
    """
    context.data.project(project).folder()
    return context.data.find(project, revision)


def allowed(context: Context, project: str, revision: str) -> Version:
    """Return a version a project may have: its own, or one that is shared with it.

    Raises:
        NotFoundError: There is none.
    """
    found = context.data.project(project)
    found.folder()
    return find_for(found, revision)[1]


def known(context: Context, project: str) -> None:
    """Refuse a project that is not connected.

    Raises:
        NotFoundError: It is not.
    """
    if project not in context.data.projects():
        raise NotFoundError(
            f"There is no project {project[:60]!r} with data.", "`mlops projects list`"
        )


def size(count: int) -> str:
    """Return bytes for a sentence."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"


def files(count: int) -> str:
    """Return a count of files for a sentence."""
    return f"{count} {'file' if count == 1 else 'files'}"


def versions(count: int) -> str:
    """Return a count of versions for a sentence."""
    return f"{count} {'version' if count == 1 else 'versions'}"
