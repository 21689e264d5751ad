"""What the page reads, limited to what the person may see."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from dashboard import state
from dashboard.data.address import KIND, OF
from dashboard.scope import Scope
from services.data.looking import CHANGED_SINCE
from services.data.models import KINDS, Kind, Share, Status, Use, Version
from services.data.project import kind_of
from services.data.service import DataService
from services.errors import MlopsError, NotFoundError


@dataclass(frozen=True, slots=True)
class Holding:
    """The data or the models of one project."""

    project: str
    title: str
    kind: Kind
    status: Status | None
    """None: it is still looked at, cannot be read, or there is no data repository."""
    trouble: MlopsError | None

    @property
    def word(self) -> str:
        """How it stands, in a word."""
        if self.trouble is not None:
            return "no repository" if isinstance(self.trouble, NotFoundError) else "damaged"
        if self.status is None:
            return "looking"
        if not self.status.paths and self.status.state == "empty":
            return "not listed"
        return self.status.state

    @property
    def why(self) -> str:
        """What is to be said of it, a sentence or two."""
        if self.trouble is not None:
            return str(self.trouble)
        reason = self.status.reason if self.status else ""
        return reason if reason not in {"", CHANGED_SINCE} else _WHY.get(self.word, "")


_WHY = {
    "changed": "Files changed since this version.",
    "looking": "The folder is being looked through.",
    "not listed": "[tool.mlops] lists none.",
    "empty": "There is no file yet.",
    "untracked": "There are files and no version yet: make one.",
}


def service() -> DataService:
    """Return the data service."""
    return state.data().service


def titles() -> dict[str, str]:
    """Return the connected projects' titles by id; none while the mirror cannot be read."""
    try:
        return {project.id: project.title for project in state.projects()}
    except MlopsError:  # data repositories are known without it
        return {}


def ids(where: Scope, known: Sequence[str]) -> tuple[str, ...]:
    """Return the projects in scope: connected ones, and those that only have versions left."""
    mine = state.visible_projects()
    found = dict.fromkeys((*known, *service().projects()))
    return tuple(
        one for one in found if where.project in (None, one) and (mine is None or one in mine)
    )


def holdings(wanted: Sequence[str], names: dict[str, str]) -> tuple[Holding, ...]:
    """Return data and models of projects, one after the other."""
    found = state.data().statuses(wanted)
    return tuple(
        Holding(
            one,
            names.get(one, one),
            kind,
            next((s for s in found[one].value or () if s.kind == kind), None),
            found[one].trouble,
        )
        for one in wanted
        for kind in KINDS
    )


def named(known: Sequence[str]) -> tuple[str, Kind] | None:
    """Return the project and kind the address names; None when it names none.

    Raises:
        NotFoundError: There is no such project, or the person may not see it.
        InputError: The kind is none.
    """
    project = st.query_params.get(OF, "")
    if not project:
        return None
    if project not in known:
        raise NotFoundError(
            f"There is no project “{project[:80]}” with data in the projects you see.",
            "Choose one in the table of all data.",
        )
    return project, kind_of(st.query_params.get(KIND, "data"))


def versions(project: str, kind: Kind) -> tuple[Version, ...]:
    """Return the project's own versions, the newest first.

    Raises:
        PlatformError: The data repository is damaged, or git is missing.
    """
    return service().versions(project, kind)


def shared_with(project: str, kind: Kind) -> tuple[Version, ...]:
    """Return the versions other projects let this one check out."""
    return tuple(v for v in service().shared_with(project) if v.kind == kind)


def shares(project: str, kind: Kind) -> tuple[Share, ...]:
    """Return with whom the project shares."""
    return tuple(s for s in service().shares(project) if s.kind == kind)


def uses(project: str, kind: Kind) -> dict[str, Use] | None:
    """Return who uses which version; None while the mirror cannot be read."""
    asked = partial(service().uses, state.mirror(), project, kind, state.visible_projects())
    try:
        return asked()
    except MlopsError:  # versions are known without it
        return None


def lost(project: str, revision: str) -> tuple[str, ...]:
    """Return the files a checkout would lose; what the folder holds is read where it changed.

    Kept while nothing is done with the project: a dialog asks for it with every press.
    """
    key = "data:lost", project, revision, state.data().stamp(project)
    held = st.session_state.setdefault("data:lost", {})
    if held.get("key") != key:
        with st.spinner("Comparing the folder with its versions"):
            plan = service().planned(project, revision)
        held |= {"key": key, "lost": plan.lost}
    found: tuple[str, ...] = held["lost"]
    return found
