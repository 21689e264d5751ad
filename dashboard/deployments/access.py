"""What the page reads, limited to the scope and to what the person may see."""

from dataclasses import dataclass

import streamlit as st

from dashboard import state
from dashboard.deployments.address import DEPLOYMENT
from services.actions.deploy_rollback import RollbackDeployment
from services.errors import MlopsError, NotFoundError
from services.home import Home
from services.mirror.models import ModelVersion, RegisteredModel
from services.serving import figures, looking, routes, status, store
from services.serving.figures import Figures
from services.serving.looking import Deployment, Energy
from services.serving.models import BundleInfo
from services.serving.routes import Route
from services.serving.status import ServingStatus
from services.serving.store import ApiKey, Event

_EVENTS = 200


@dataclass(frozen=True, slots=True)
class Picture:
    """All endpoints the person may see, and how fresh each half of the picture is."""

    endpoints: tuple[Deployment, ...]
    status: ServingStatus | None
    """What the serving engine last wrote; None: it never wrote."""
    figures: Figures | None
    """What the gateway last wrote, None: nothing, or nothing lately."""

    @property
    def serving_alive(self) -> bool:
        """Whether the serving engine wrote lately."""
        return self.status is not None and not self.status.stale()


def picture(project: str | None = None, energy: Energy | None = None) -> Picture:
    """Return all endpoints, or those of a project.

    Raises:
        JournalError: What is wanted cannot be read.
    """
    home, mine = Home.locate(), state.visible_projects()
    if project is not None:
        mine = (project,) if mine is None or project in mine else ()
    found = looking.deployments(home, state.journal(), mine, energy)
    passing = figures.read(home)
    passing = None if passing is None or passing.stale() else passing
    return Picture(found, status.read(home), passing)


def name() -> str:
    """Return which endpoint the address names, empty when it names none."""
    return st.query_params.get(DEPLOYMENT, "")[:400]


def one(named: str, energy: Energy | None = None) -> Deployment | None:
    """Return an endpoint, None when it is not there or the person may not see it."""
    project = named.partition(".")[0]
    return next((seen for seen in picture(project, energy).endpoints if seen.name == named), None)


def named(wanted: str) -> Deployment:
    """Return the endpoint that the address names; one that was ended has its history still.

    Raises:
        NotFoundError: It never was, or the person may not see it.
    """
    found = one(wanted)
    if found is not None:
        return found
    project, _, model = wanted.partition(".")
    mine = state.visible_projects()
    if model and (mine is None or project in mine) and events(wanted, 1):
        return ended(wanted)
    raise NotFoundError(
        f"There is no deployment “{wanted[:100]}” in the projects you see.",
        "Choose one in the table of all deployments, or deploy a version from its model's page.",
    )


def ended(wanted: str) -> Deployment:
    """Return an endpoint that is in service no more."""
    project, _, model = wanted.partition(".")
    return Deployment(
        wanted, project, model, None, None, "", "stopped", "It is not in service any more.",
        0, 0, 0, {}, 0, 0, 0, None, None, None, 0, None, 0, None, "It is not in service.",
        None, None, (), pinned=False, idle_after_s=0.0, privacy="full", stale="",
        figures_stale="",
    )  # fmt: skip


def why_busy(project: str, model: str) -> str | None:
    """Return which rollout of an endpoint another one would have to wait for, None: none."""
    found = one(f"{project}.{model}")
    return None if found is None else busy(found)


def busy(seen: Deployment) -> str | None:
    """Return which rollout another one would have to wait for, None when there is none."""
    now = seen.rollout
    if now is None or not now.running:
        return None
    return f"Version {now.version} is on its way: wait for it, make it live or end it."


def events(of: str, limit: int = _EVENTS) -> tuple[Event, ...]:
    """Return an endpoint's history, newest first."""
    return store.events(state.journal(), of, limit)


def earlier(of: Deployment) -> tuple[tuple[int, ...], str]:
    """Return the versions it can be rolled back to, the last one first, or why there is none."""
    if of.live is None:
        return (), "No version of it is live."
    back, context = RollbackDeployment(of.project, of.model), state.context()
    found = back.earlier(context)
    return found, "" if found else back.why_none(context)


def route(of: str) -> Route | None:
    """Return how the gateway reaches an endpoint, None while it does not."""
    found = routes.read(Home.locate())
    return found.endpoints.get(of) if found else None


def schema_of(way: Route | None, version: int | None) -> BundleInfo | None:
    """Return what a version takes and answers; of the live one when none is named."""
    if way is None:
        return None
    found = way.versions.get(way.primary if version is None else version)
    return found.info if found else None


def model_of(project: str, model: str) -> RegisteredModel | None:
    """Return the registered model of an endpoint; None when it is not known."""
    try:
        return next((m for m in state.models(project) if m.name == model), None)
    except MlopsError:  # the endpoint is told without it
        return None


def versions_of(project: str, model: str) -> tuple[ModelVersion, ...]:
    """Return a model's versions that can be deployed, newest first."""
    found = model_of(project, model)
    return tuple(one for one in found.versions if not one.archived) if found else ()


def keys(projects: tuple[str, ...] | None) -> tuple[ApiKey, ...]:
    """Return API keys of the projects, newest first, that the person may see."""
    mine = state.visible_projects()
    wanted = mine if projects is None else projects
    if mine is not None and wanted is not None:
        wanted = tuple(one for one in wanted if one in mine)
    return store.keys(state.journal(), wanted)
