"""What the pages know of objectives: how deployments stand, and what machines did to them.

Like ``state`` and ``predicted`` a place with ``st.cache_*``: what was counted of the log is shared
by all tabs; objectives themselves are read each time, so that one that was set counts at once.
"""

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import state
from services.errors import JournalError
from services.home import Home

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.objectives.accuracies import Accuracies
    from services.objectives.counting import Counter, Minutes
    from services.objectives.hosts import ByState, Efficiency
    from services.objectives.levels import Level
    from services.objectives.models import Objective, Standing
    from services.objectives.watched import Watched

    Levels = Mapping[tuple[str, str], Level]

PATIENCE_S = 0.25
"""A page waits so long for what all deployments promise."""


@st.cache_resource(show_spinner=False)
def _counter() -> "Counter":
    from services.objectives.counting import Counter

    return Counter(Home.locate())


@st.cache_resource(show_spinner=False)
def _accuracies() -> "Accuracies":
    from services.objectives.accuracies import Accuracies

    return Accuracies(Home.locate())


def standings(project: str, model: str) -> tuple["Standing", ...]:
    """Return how a deployment stands with its objectives.

    Raises:
        JournalError: The journal cannot be read.
    """
    from services.objectives import standing

    return standing(
        Home.locate(), state.journal(), project, model, counter=_counter(), measured=_accuracies()
    )


def levels(since: float, step_s: float, count: int) -> "Levels":
    """Return the service level of all that is in service, whoever asks, by (project, model).

    A month of all logs is not waited for: until it was counted, the count before is returned, and
    nothing before the first.

    Args:
        since: Begin of the first stretch of time, seconds since 1970.
        step_s: Length of each; whole minutes, as ``since``.
        count: How many there are.

    Raises:
        JournalError: The journal cannot be read.
    """
    from services.objectives import store

    asked = _levels(repr(store.said(state.journal())), since, step_s, count)
    last = _last_levels()
    if not wait([asked], PATIENCE_S).done:
        return last.get((step_s, count), {})
    failure = asked.exception()
    if isinstance(failure, JournalError):
        # Each time an error of its own: one object would grow with every traceback.
        raise JournalError(failure.message, failure.hint) from failure
    last[step_s, count] = asked.result()
    return last[step_s, count]


# Of all projects: each takes out of it what the person may see.
@st.cache_resource(show_spinner=False, max_entries=8, ttl="15s")
def _levels(objectives: str, since: float, step_s: float, count: int) -> "Future[Levels]":
    from services.objectives import asking
    from services.objectives import levels as over_time

    del objectives  # one that was set counts at once
    home, journal = Home.locate(), state.journal()
    counter, measured = _counter(), _accuracies()

    def counted() -> "Levels":
        now = time.time()
        told = asking.told(
            home, journal, now=now, counter=counter, measured=measured, back_s=now - since
        )
        return over_time.levels(told, since, step_s, count)

    return _beside().submit(counted)


@st.cache_resource(show_spinner=False)
def _last_levels() -> "dict[tuple[float, int], Levels]":
    return {}


@st.cache_resource(show_spinner=False)
def _beside() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "counting requests")


def minutes(
    project: str, model: str, since: float, until: float, bound_ms: float | None
) -> "Minutes":
    """Return requests by the minute.

    Raises:
        PlatformError: The prediction log cannot be read.
    """
    return _counter().minutes(project, model, since, until, bound_ms)


def watched(project: str, model: str) -> "Watched":
    """Return when a deployment was in service.

    Raises:
        PlatformError: The file cannot be read.
    """
    from services.objectives.watched import watched
    from services.serving import in_service

    return watched(in_service.read(Home.locate()).get(f"{project}.{model}", ()))


def own(project: str, model: str) -> dict[str, "Objective"]:
    """Return what counts for a model by kind, the default included.

    Raises:
        JournalError: The journal cannot be read.
    """
    from services.objectives import store

    found = store.of(store.said(state.journal(), [project]), project, model)
    return {one.kind: one for one in found}


@st.cache_resource(show_spinner=False, max_entries=64, ttl="60s")
def by_state(
    project: str, model: str, since: float, until: float, version: int | None
) -> "ByState":
    """Return latency by the state of the machine.

    Raises:
        PlatformError: The prediction log cannot be read.
    """
    from services.objectives import hosts

    return hosts.by_state(Home.locate(), project, model, since, until, version)


@st.cache_resource(show_spinner=False, max_entries=64, ttl="60s")
def efficiency(
    project: str, model: str, since: float, until: float, step_s: float, version: int | None
) -> tuple["Efficiency", ...]:
    """Return predictions and their energy over time.

    Raises:
        PlatformError: The prediction log cannot be read.
    """
    from services.objectives import hosts

    return hosts.efficiency(Home.locate(), project, model, since, until, step_s, version)
