"""What the pages know of the machines: their curves, and why something on them got worse."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import state
from services.home import Home

if TYPE_CHECKING:
    from services.causes import Explanation
    from services.causes.models import Symptom
    from services.telemetry.explaining import Explained
    from services.telemetry.models import Series, Telemetry

_JUST_AFTER = timedelta(milliseconds=1)


@st.cache_resource(show_spinner=False)
def telemetry() -> "Telemetry":
    """Return what the machines did, opened once a process."""
    from services.telemetry.store import Store

    return Store(Home.locate().telemetry)


@st.cache_resource(show_spinner=False, max_entries=64, ttl="10s")
def courses(
    host: str, metrics: tuple[str, ...], until: datetime, back: timedelta, points: int
) -> tuple["Series", ...]:
    """Return a machine's latest curves; all tabs ask for those up to the same sample."""
    return telemetry().series(host, metrics, until - back, until + _JUST_AFTER, points)


def why_host(host: str, start: datetime, end: datetime) -> "Explained":
    """Return why a machine was slow in a stretch of time.

    Raises:
        NotFoundError: No such machine.
        InputError: The time is empty or too long.
    """
    return _why_host(host, start.replace(microsecond=0), end.replace(microsecond=0))


@st.cache_resource(show_spinner=False, max_entries=16, ttl="60s")
def _why_host(host: str, start: datetime, end: datetime) -> "Explained":
    from services.telemetry.explaining import explain_host

    return explain_host(telemetry(), host, start, end)


def why_run(run_id: str, host: str, until: datetime) -> "Explained":
    """Return why a run on a machine was slow, up to its end or to ``until``.

    Raises:
        NotFoundError: No such run or machine.
        InputError: Nothing is left of its time.
    """
    # Curves that came meanwhile tell its speed.
    return _why_run(run_id, host, until.replace(microsecond=0), state.mirror().curve_keys(run_id))


@st.cache_resource(show_spinner=False, max_entries=16, ttl="60s")
def _why_run(run_id: str, host: str, until: datetime, curves: tuple[str, ...]) -> "Explained":
    from services.telemetry.explaining import explain_run

    del curves
    return explain_run(telemetry(), state.mirror(), run_id, until, host=host)


def why_deployment(
    project: str,
    model: str,
    symptom: "Symptom | None" = None,
    since: float | None = None,
    until: float | None = None,
) -> tuple["Explanation", ...]:
    """Return why a deployment is slow, fails, or drifted; all tabs share a minute's answer.

    Args:
        project: Of the model.
        model: Its name.
        symptom: This alone.
        since: When it began, in seconds since 1970; None: it is looked for.
        until: What is looked at ends then; None: now.

    Raises:
        NotFoundError: It was never deployed.
        MlopsError: Something cannot be read.
    """
    return _why_deployment(project, model, symptom, since, until)


@st.cache_resource(show_spinner=False, max_entries=64, ttl="60s")
def _why_deployment(
    project: str, model: str, symptom: "Symptom | None", since: float | None, until: float | None
) -> tuple["Explanation", ...]:
    from services.causes.gathering import Sources, explain_deployment

    sources = Sources(Home.locate(), state.journal(), state.mirror(), telemetry(), state.verdicts())
    end = datetime.now(UTC).timestamp() if until is None else until
    symptoms = () if symptom is None else (symptom,)
    return explain_deployment(sources, project, model, end, since=since, symptoms=symptoms)
