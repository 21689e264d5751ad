"""Owners of processes in sentences of the services, as the person may read them."""

import re

from dashboard import state
from dashboard.hardware import access

_OWNER = re.compile(
    r"\b(?P<kind>run|task|replica|engine):(?P<name>[\w.-]+)(?: \((?P<of>[\w-]+)\))?"
)
_WORK = {"task", "replica"}


def named(sentence: str) -> str:
    """Return a sentence with ``run:<id> (project)`` as the run is called.

    What belongs to projects the person does not see keeps neither name nor project.
    """
    mine = state.visible_projects()
    return _OWNER.sub(lambda found: _called(found, mine), sentence)


def _called(found: re.Match[str], mine: tuple[str, ...] | None) -> str:
    owner, project = f"{found['kind']}:{found['name']}", found["of"] or ""
    if mine is not None and project not in mine and (project or found["kind"] in _WORK):
        return "work of another project"
    called = access.owner_name(owner)
    title = access.titles().get(project, project)
    return f"{called} ({title})" if title else called
