"""What the pages know: the mirror, the journal, the person, how old the picture is.

With ``machines``, ``flows`` and ``journalled`` the only place with ``st.cache_*``. Reads are cached
under the mirror's change number: what was read under a number is true until the number moves. Ages
are not, so they come from ``engines()``.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, tzinfo
from typing import TYPE_CHECKING, cast

import streamlit as st

from dashboard.numbers import zone_of
from services.errors import PlatformError
from services.home import Home
from services.mirror.models import (
    Change,
    FieldInfo,
    Freshness,
    ProjectSummary,
    RegisteredModel,
    Run,
    RunPage,
    RunQuery,
    TechniqueRow,
)
from services.mirror.queries import Mirror
from services.settings import Settings

if TYPE_CHECKING:
    from services.access import Access, User
    from services.actions.action import Context
    from services.actions.executor import Executor
    from services.actions.journal import Journal
    from services.actions.roles import Actor
    from services.data.picture import Picture
    from services.engines.mlflow.adapter import MLflow
    from services.monitoring.store import VerdictStore
    from services.platform.doctor import Finding
    from services.platform.status import PlatformStatus
    from services.platform.storage import Storage

_NEWEST = 100
_STALE_AFTER_S = 20.0
_PATIENCE_S = 0.3
"""So long a dialog waits for MLflow to list the files of a version; then it is drawn without."""


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    """Return this installation's settings."""
    return Settings()


@st.cache_resource(show_spinner=False)
def mirror() -> Mirror:
    """Return the mirror, opened once a process."""
    return Mirror.open(settings())


@st.cache_resource(show_spinner=False)
def journal() -> "Journal":
    """Return the journal of actions, opened once a process."""
    from services.actions.journal import Journal

    return Journal.open(settings())


@st.cache_resource(show_spinner=False)
def access() -> "Access":
    """Return the users and sessions, opened once a process."""
    from services.access import Access

    return Access(journal(), settings().session_days)


@st.cache_resource(show_spinner=False)
def context() -> "Context":
    """Return what an action is checked against. MLflow is left out: only the controller acts."""
    from services.actions.action import Context
    from services.engines.registry import late_airflow
    from services.serving.workbench import Workbench

    nobody, home = cast("MLflow", None), Home.locate()
    return Context(
        journal(), mirror(), nobody, nobody, airflow=late_airflow(home, 3.0),
        serving=Workbench(home, patience_s=_PATIENCE_S),
    )  # fmt: skip


@st.cache_resource(show_spinner=False)
def executor() -> "Executor":
    """Return what submits actions and tells how far they got."""
    from services.actions.executor import Executor

    return Executor(context())


@st.cache_resource(show_spinner=False)
def verdicts() -> "VerdictStore":
    """Return what monitoring found, opened once a process."""
    from services.monitoring.store import VerdictStore

    return VerdictStore(Home.locate())


# The person


def cookie() -> str:
    """Return the session cookie the browser sent, empty when it sent none."""
    from dashboard.routes import cookie_name

    return st.context.cookies.get(cookie_name()) or ""


def address() -> str:
    """Return the network address the browser's request came from."""
    return st.context.ip_address or "127.0.0.1"


def who() -> "User | None":
    """Return the person as the journal knows them at this moment, None when signed out."""
    return access().who(cookie()) if cookie() else None


def user() -> "User":
    """Return the signed-in person; a page is never drawn without one."""
    person = who()
    if person is None:
        st.rerun(scope="app")
    return person


def actor() -> "Actor":
    """Return the person as someone who acts."""
    from services.actions.roles import Actor

    person = user()
    return Actor(person.name, person.role, person.projects)


def visible_projects() -> tuple[str, ...] | None:
    """Return the projects the person may see, None for all."""
    return user().projects


def zone() -> tzinfo:
    """Return the browser's time zone."""
    return zone_of(st.context.timezone)


# The picture and its age


def engines() -> tuple[Freshness, ...]:
    """Return every engine's state; a picture nobody refreshes is stale, whatever it says."""
    try:
        found = mirror().freshness()
    except PlatformError as error:
        return (Freshness("mirror", "Mirror", "never", None, None, error.message, error.hint),)
    now = datetime.now(UTC)
    return tuple(_aged(engine, now) for engine in found)


def _aged(engine: Freshness, now: datetime) -> Freshness:
    if engine.state != "live" or engine.last_sync is None:
        return engine
    if (now - engine.last_sync).total_seconds() <= _STALE_AFTER_S:
        return engine
    itself = engine.engine == "controller"
    return replace(
        engine,
        state="stale",
        since=engine.last_sync,
        reason="It follows the engines and carries out actions: it is stopped, busy or stuck."
        if itself
        else "The controller, which asks it, is stopped, busy or stuck.",
        hint="See `mlops status`; `mlops restart controller` starts it again.",
    )


def as_of() -> datetime | None:
    """Return when the mirror last followed MLflow."""
    return next((e.last_sync for e in engines() if e.engine == "mlflow"), None)


# Reads of the mirror, cached by its change number


def runs(query: RunQuery) -> RunPage:
    """Return one page of runs.

    Raises:
        FilterError: The filter does not parse.
        InputError: Unknown sort field or column.
    """
    return _runs(mirror().change(), query)


@st.cache_data(show_spinner=False, max_entries=64)
def _runs(change: int, query: RunQuery) -> RunPage:
    del change
    return mirror().runs(query)


def newest_of_each(query: RunQuery) -> tuple[tuple[int, Run], ...]:
    """Return the newest matching run of each project in each state, and how many there are.

    Raises:
        FilterError: The filter does not parse.
    """
    return _newest_of_each(mirror().change(), query)


@st.cache_data(show_spinner=False, max_entries=16)
def _newest_of_each(change: int, query: RunQuery) -> tuple[tuple[int, Run], ...]:
    del change
    return mirror().newest_of_each(query)


def projects(wanted: tuple[str, ...] | None = None) -> tuple[ProjectSummary, ...]:
    """Return the projects the person may see, or those of them that are wanted."""
    mine = visible_projects()
    chosen = mine if wanted is None else tuple(p for p in wanted if mine is None or p in mine)
    return _projects(mirror().change(), chosen)


@st.cache_data(show_spinner=False, max_entries=16)
def _projects(change: int, wanted: tuple[str, ...] | None) -> tuple[ProjectSummary, ...]:
    del change
    return mirror().projects(wanted)


def titles() -> dict[str, str]:
    """Return the titles of all projects by id: to name those the person was found to see."""
    return _titles(mirror().change())


@st.cache_resource(show_spinner=False, max_entries=2)
def _titles(change: int) -> dict[str, str]:
    del change
    return {project.id: project.title for project in mirror().projects(None)}


def models(project: str | None = None) -> tuple[RegisteredModel, ...]:
    """Return the registered models the person may see."""
    return _models(mirror().change(), project, visible_projects())


@st.cache_data(show_spinner=False, max_entries=16)
def _models(
    change: int, project: str | None, mine: tuple[str, ...] | None
) -> tuple[RegisteredModel, ...]:
    del change
    return mirror().models(project, mine)


def fields(project: str | None = None) -> tuple[FieldInfo, ...]:
    """Return what runs can be filtered and sorted by."""
    return _fields(mirror().change(), project, visible_projects())


@st.cache_data(show_spinner=False, max_entries=16)
def _fields(
    change: int, project: str | None, mine: tuple[str, ...] | None
) -> tuple[FieldInfo, ...]:
    del change
    return mirror().fields(project, mine)


def recent_fields(project: str | None = None) -> tuple[FieldInfo, ...]:
    """Return what the newest runs logged: enough to choose columns, cheap at any size."""
    return _recent_fields(project, visible_projects())


@st.cache_data(show_spinner=False, max_entries=32, ttl="5s", refresh_mode="background")
def _recent_fields(project: str | None, mine: tuple[str, ...] | None) -> tuple[FieldInfo, ...]:
    newest = RunQuery(project=project, projects=mine, limit=_NEWEST)
    return mirror().fields_of([run.run_id for run in mirror().runs(newest).rows])


def leaderboard(
    project: str, metric: str | None = None, filter_text: str = "", since: datetime | None = None
) -> tuple[TechniqueRow, ...]:
    """Return the techniques of a project against each other, best first."""
    return _leaderboard(mirror().change(), project, metric, filter_text, since)


@st.cache_data(show_spinner=False, max_entries=32)
def _leaderboard(
    change: int, project: str, metric: str | None, filter_text: str, since: datetime | None
) -> tuple[TechniqueRow, ...]:
    del change
    return mirror().leaderboard(project, metric, filter_text, since)


def changes(
    project: str | None, since: datetime | None, limit: int, kinds: tuple[str, ...] = ()
) -> tuple[Change, ...]:
    """Return the newest lines of the change feed the person may see."""
    return _changes(mirror().change(), project, visible_projects(), since, limit, kinds)


# Not copied for everyone who asks: nobody can change a line of the feed.
@st.cache_resource(show_spinner=False, max_entries=16)
def _changes(
    change: int,
    project: str | None,
    mine: tuple[str, ...] | None,
    since: datetime | None,
    limit: int,
    kinds: tuple[str, ...],
) -> tuple[Change, ...]:
    del change
    return mirror().changes(project, mine, since=since, limit=limit, kinds=kinds)


def runs_per_day(project: str | None, since: datetime) -> tuple[tuple[date, int, int], ...]:
    """Return (UTC day, runs started, of them failed or lost) of what the person may see."""
    return _runs_per_day(mirror().change(), project, visible_projects(), since)


@st.cache_data(show_spinner=False, max_entries=16)
def _runs_per_day(
    change: int, project: str | None, mine: tuple[str, ...] | None, since: datetime
) -> tuple[tuple[date, int, int], ...]:
    del change
    return mirror().runs_per_day(project, since=since, projects=mine)


@st.cache_resource(show_spinner=False)
def data() -> "Picture":
    """Return what is known of all projects' data, looked at in threads beside the pages."""
    from services.data.picture import Picture

    return Picture(context().data)


def platform_status() -> "PlatformStatus":
    """Return every process as the supervisor last saw it."""
    from services.platform.status import status

    return status(Home.locate())


@st.cache_data(show_spinner=False, ttl="30s")
def findings() -> tuple["Finding", ...]:
    """Return what the doctor finds, at most half a minute old."""
    from services.platform.doctor import examine

    return examine(Home.locate())


@st.cache_data(show_spinner=False, ttl="30s")
def storage() -> "Storage":
    """Return how much the installation takes, at most half a minute old."""
    from services.platform.storage import measure

    return measure(Home.locate())
