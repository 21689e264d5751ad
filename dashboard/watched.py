"""What the pages know of checks: how deployments are beside their baselines, now and before.

Like ``state`` a place with ``st.cache_*``. What was read of the index is true until another check
was kept, so it is cached by the number of the newest verdict; what comes out of the prediction log
for some seconds. The index answers for all; a file is read for the one check that is looked at.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import state
from services.errors import PlatformError
from services.home import Home
from services.monitoring import courses
from services.monitoring.courses import Check, Degree, Key
from services.monitoring.models import Family, Verdict
from services.monitoring.store import Effect, Summary

if TYPE_CHECKING:
    from services.monitoring.accuracy import Accuracy, Quality
    from services.monitoring.breakdown import Breakdown
    from services.monitoring.evidently_figures import Found
    from services.monitoring.labels import Labelled
    from services.monitoring.labels_fit import Fit, LabelFits
    from services.monitoring.metrics import Metric

_LEAST = 1000
"""Checks that the slider has at most: six weeks of hours."""


@dataclass(frozen=True, slots=True)
class Board:
    """The last verdicts of all versions, and how they were over a stretch of time."""

    newest: Mapping[Key, Summary]
    strips: Mapping[Key, tuple[Degree | None, ...]]


def number() -> int:
    """Return the number of the newest verdict.

    Raises:
        PlatformError: The index cannot be read.
    """
    return courses.number(state.verdicts())


def board(since: float, step_s: float, count: int) -> Board:
    """Return what is known of all versions, with ``count`` stretches of time from ``since`` on.

    Raises:
        PlatformError: The index cannot be read.
    """
    return _board(number(), since, step_s, count)


# Of all projects, whoever asks: each takes out of it what the person may see.
@st.cache_resource(show_spinner=False, max_entries=8)
def _board(newest: int, since: float, step_s: float, count: int) -> Board:
    del newest
    return Board(
        courses.newest(state.verdicts()), courses.strips(state.verdicts(), since, step_s, count)
    )


def checks(project: str, model: str, version: int, since: float | None) -> tuple[Check, ...]:
    """Return a version's checks, oldest first.

    Raises:
        PlatformError: The index cannot be read.
    """
    return _checks(number(), project, model, version, since)


@st.cache_resource(show_spinner=False, max_entries=64)
def _checks(
    newest: int, project: str, model: str, version: int, since: float | None
) -> tuple[Check, ...]:
    del newest
    return courses.checks(state.verdicts(), project, model, version, since=since, limit=_LEAST)


def versions(project: str, model: str) -> tuple[int, ...]:
    """Return the versions of a model that were checked, the one checked last first.

    Raises:
        PlatformError: The index cannot be read.
    """
    return courses.versions(state.verdicts(), project, model)


@st.cache_resource(show_spinner=False, max_entries=64, ttl="60s")  # its report may be removed
def check(verdict_id: str) -> tuple[Verdict, ...]:
    """Return all verdicts of a check.

    Raises:
        NotFoundError: There is none of that id.
        PlatformError: The index cannot be read.
    """
    return state.verdicts().check(verdict_id)


@st.cache_resource(show_spinner=False, max_entries=64, ttl="60s")  # old reports are removed
def reported(project: str, model: str, version: int) -> Summary | None:
    """Return a verdict of the newest check of a version whose full report is kept.

    Raises:
        PlatformError: The index cannot be read.
    """
    return courses.reported(state.verdicts(), project, model, version)


@st.cache_resource(show_spinner=False, max_entries=64, ttl="60s")  # old reports are removed
def evidently(verdict_id: str, report: str) -> "Found | None":
    """Return what Evidently found, by its report; None: the report is of before that was kept.

    Raises:
        PlatformError: It cannot be read.
    """
    from services.monitoring import evidently_figures

    return evidently_figures.read(Home.locate(), verdict_id, report)


def column(project: str, model: str, version: int, kind: Family, name: str) -> tuple[Effect, ...]:
    """Return how far a column of a version was moved at each check, oldest first.

    Raises:
        PlatformError: The index cannot be read.
    """
    return _column(number(), project, model, version, kind, name)


@st.cache_resource(show_spinner=False, max_entries=64)
def _column(
    newest: int, project: str, model: str, version: int, kind: Family, name: str
) -> tuple[Effect, ...]:
    del newest
    return state.verdicts().column(project, model, kind, name, version=version)


def begun(project: str, model: str, kind: Family, version: int) -> float | None:
    """Return since when a version is drifted without a break, seconds since 1970; None: it is not.

    Raises:
        PlatformError: The index cannot be read.
    """
    return state.verdicts().begun(project, model, kind, version)


def screen() -> str:
    """Return the address of Evidently's own screen, empty where it does not run."""
    from services.platform import state as states

    try:
        found = states.load(Home.locate().run / "state.json").engine("evidently")
    except PlatformError:  # the page of engines says it
        return ""
    return found.url if found is not None and found.phase == "live" else ""


# Out of the prediction log


@st.cache_resource(show_spinner=False, max_entries=64, ttl="60s")
def accuracy(
    project: str, model: str, version: int, since: float, until: float, step_s: float,
    metric: "Metric | None" = None,
) -> "Accuracy":  # fmt: skip
    """Return how right a version's answers were, by stretches of time.

    Raises:
        PlatformError: The prediction log cannot be read.
    """
    from services.monitoring import accuracy as measuring

    return measuring.read(
        Home.locate(), project, model, since, until, step_s, version, metric=metric
    )


@st.cache_resource(show_spinner=False, max_entries=16, ttl="60s")
def breakdown(
    project: str, model: str, version: int, since: float, until: float
) -> "Breakdown | None":
    """Return how right a version's answers were by class, or how far off; None: no label came.

    Raises:
        PlatformError: The prediction log cannot be read.
    """
    from services.monitoring import accuracy as measuring
    from services.monitoring import breakdown as breaking

    found = measuring.labelled(Home.locate(), project, model, since, until, version)
    return breaking.of(found, _past(project, model, version))


def _past(project: str, model: str, version: int) -> "Labelled | None":
    """Return labels and answers of evaluation data; None while none was fetched.

    A check fetches it: a page asks no engine.
    """
    from services.monitoring import labelled, reference

    kept = reference.evaluation(Home.locate(), None, project, model, version)
    return None if kept is None else labelled.of_reference(kept)


@st.cache_resource(show_spinner=False, ttl="60s")
def main_metrics() -> "Mapping[str, Metric]":
    """Return by project the measure that it is judged by; those of another kind are left out.

    Raises:
        PlatformError: The mirror cannot be read.
    """
    from services.monitoring import primaries

    return primaries.of_mirror(state.mirror())


@st.cache_resource(show_spinner=False, ttl="60s", refresh_mode="background")
def last_labels() -> Mapping[tuple[str, str], float]:
    """Return when the last label of each (project, model) came, seconds since 1970.

    Raises:
        PlatformError: The prediction log cannot be read.
    """
    from services.predictions import freshness

    return freshness.last_labels(Home.locate())


@st.cache_resource(show_spinner=False, ttl="60s", refresh_mode="background")
def label_fit() -> "Fit":
    """Return which labels of the last day fit nothing, of all projects, whoever asks.

    Raises:
        PlatformError: The prediction log cannot be read.
    """
    return _label_fits().counts(time.time())


@st.cache_resource(show_spinner=False)
def _label_fits() -> "LabelFits":
    from services.monitoring.labels_fit import LabelFits

    return LabelFits(Home.locate())


@st.cache_resource(show_spinner=False, max_entries=64, ttl="600s")
def expected(
    project: str, model: str, version: int, metric: "Metric | None" = None,
    classes: tuple[str, ...] = (),
) -> "Quality | None":  # fmt: skip
    """Return how right a version was on its evaluation data; None while none was fetched.

    ``classes``: of a mean over classes, those of the figure that it stands beside.
    """
    from services.monitoring import measures

    past = _past(project, model, version)
    return (
        None if past is None else measures.quality(measures.rows_of(past), metric, classes or None)
    )
