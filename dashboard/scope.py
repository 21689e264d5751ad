"""The scope of every page: one project or all, and how far back. It lives in the address."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import streamlit as st

PROJECT = "project"
RANGE = "range"
RANGES: dict[str, timedelta | None] = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "all": None,
}
WHOLE = "all"
_SENTENCES = {
    "1h": "in the last hour",
    "6h": "in the last 6 hours",
    "24h": "in the last 24 hours",
    "7d": "in the last 7 days",
    "30d": "in the last 30 days",
    "all": "at any time",
}


@dataclass(frozen=True, slots=True)
class Scope:
    """What a page is to show: ``project`` None is all the person may see."""

    project: str | None
    span: str

    @property
    def since(self) -> datetime | None:
        """The start of the range, by the whole minute so that equal questions stay equal."""
        back = RANGES[self.span]
        return None if back is None else datetime.now(UTC).replace(second=0, microsecond=0) - back

    @property
    def sentence(self) -> str:
        """The range as it reads at the end of a sentence."""
        return _SENTENCES[self.span]


def current() -> Scope:
    """Return the scope the address names; what it does not name is everything."""
    project = st.query_params.get(PROJECT) or None
    span = st.query_params.get(RANGE, WHOLE)
    return Scope(project, span if span in RANGES else WHOLE)


def as_query() -> dict[str, str]:
    """Return the scope as parameters of an address."""
    scope = current()
    query = {PROJECT: scope.project} if scope.project else {}
    return query | ({RANGE: scope.span} if scope.span != WHOLE else {})


def choose(projects: Sequence[str]) -> None:
    """Draw the choice; the widgets are bound to the address and outlive a change of page."""
    st.selectbox(
        "Project",
        list(projects),
        index=None,
        key=PROJECT,
        placeholder="All projects",
        bind="query-params",
    )
    st.segmented_control(
        "Time range",
        list(RANGES),
        default=WHOLE,
        required=True,
        key=RANGE,
        width="stretch",
        bind="query-params",
        help="Runs and events that started in this time. Running ones are always shown.",
    )
