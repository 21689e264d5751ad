"""Which projects there are: folders under the watched root, and registered ones elsewhere."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from services.projects.contract import Project, look


def found(root: Path, registered: Iterable[Path]) -> tuple[Project, ...]:
    """Return every project, each folder once, by path; a folder without a table is none.

    Two folders with one id: the first keeps it, the others are broken and say so.
    """
    folders = {resolved(path) for path in registered}
    watched = {resolved(path) for path in _subfolders(root)}
    projects = []
    taken: dict[str, Path] = {}
    for path in sorted(folders | watched):
        project = look(path)
        if not project.table and path not in folders:
            continue
        projects.append(_without_double(project, taken))
    return tuple(projects)


def _subfolders(root: Path) -> Iterable[Path]:
    try:
        entries = list(root.iterdir())
    except OSError:
        return ()
    return (entry for entry in entries if _may_be_project(entry))


def _may_be_project(folder: Path) -> bool:
    try:
        (folder / "pyproject.toml").lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return folder.name[0] != "."  # nobody may look into it: listed, with the reason
    return True


def resolved(path: Path) -> Path:
    """Return the folder a path leads to; links in a circle lead nowhere and stay as they are."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path.absolute()


def _without_double(project: Project, taken: dict[str, Path]) -> Project:
    if project.contract is None:
        return project
    holder = taken.setdefault(project.contract.id, project.path)
    if holder == project.path:
        return project
    reason = f"Its id {project.contract.id} is taken by {holder}; choose another."
    return replace(project, contract=None, reasons=(reason,))
