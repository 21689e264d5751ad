"""What Evidently found of a deployment's columns, beside what the verdict says of them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import streamlit as st

from dashboard import state, watched
from dashboard.charts.theme import colours
from dashboard.components import located, notices
from dashboard.monitoring import address, evidently_table
from dashboard.monitoring.access import Seen, Subject
from dashboard.monitoring.moved import FIND
from dashboard.numbers import age, moment
from dashboard.text import plain
from services.errors import PlatformError
from services.monitoring import evidently_figures
from services.monitoring.evidently_figures import Column, Found
from services.monitoring.models import ColumnVerdict, Verdict

_SHOWN = 40
_HOW = "“Check now” with “With Evidently's full report” writes one"


def draw(of: Subject, seen: Seen) -> None:
    """Draw what the check's report says, else the newest that is kept of its version."""
    verdicts = _reported(of, seen)
    if verdicts is None:
        notices.empty(
            "No report of Evidently's is kept",
            "Evidently compares every column for the first check of a day, when a severity "
            f"changes, and when asked: {_HOW}. Reports are kept for 30 days.",
            icon="lab_profile",
            command=f"mlops drift check {of.name} --report",
        )
        return
    one = verdicts[0]
    try:
        found = watched.evidently(one.id, one.report or "")
    except PlatformError as error:
        notices.problem(error)
        _link(one)
        return
    if found is None:
        at = datetime.fromtimestamp(one.computed_at, UTC).astimezone(state.zone())
        st.caption(
            f"The report of {at:%d %b %H:%M} was written before its figures were kept beside it: "
            f"open it, or have a new one made. {_HOW}."
        )
        _link(one)
        return
    _head(found, one, own=one.id in {said.id for said in seen.verdicts.values()})
    _table(of, seen, one, found, evidently_figures.ours(verdicts))
    _said(found)


def _reported(of: Subject, seen: Seen) -> Sequence[Verdict] | None:
    """Return the verdicts of the check whose report is shown, one that names it first."""
    own = list(seen.verdicts.values())
    if not any(one.report for one in own):
        last = watched.reported(of.project, of.model, seen.version)
        own = [] if last is None else list(watched.check(last.id))
    own.sort(key=lambda one: not one.report)
    return own if own and own[0].report else None


def _head(found: Found, one: Verdict, *, own: bool) -> None:
    at = datetime.fromtimestamp(found.at, UTC)
    then = max((column.n_reference for column in found.columns), default=0)
    now = max((column.n_current for column in found.columns), default=0)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{evidently_figures.summary(found)}**", width="content")
        _link(one)
    made = f"Made {age(at)} by Evidently {plain(found.engine, 20)}, on up to {then:,} values then "
    earlier = "" if own else (
        f" This check has no report: these are the figures of the one of "
        f"{at.astimezone(state.zone()):%d %b %H:%M}."
    )  # fmt: skip
    st.caption(f"{made}and {now:,} now.{earlier}", help=moment(at, state.zone()))


def _link(one: Verdict) -> None:
    st.link_button(
        "The full report", address.report(one.id), icon=":material/open_in_new:", type="tertiary"
    )


def _table(
    of: Subject, seen: Seen, one: Verdict, found: Found, ours: Mapping[str, ColumnVerdict]
) -> None:
    words = ""
    if len(found.columns) > _SHOWN:
        words = located.text("Find a column", name=FIND, placeholder="Part of its name", width=220)
    folded = words.casefold().strip()
    kept = [column for column in found.columns if folded in column.name.casefold()]

    def href(column: Column) -> str:
        """Return where the verdict's column is shown: in the check that the report is of."""
        live = seen.version == of.live
        newest = seen.newest and seen.check.at == one.computed_at
        return address.to(
            of.name, version=None if live else seen.version, verdict=None if newest else one.id,
            column=column.own,
        )  # fmt: skip

    if kept:
        st.html(evidently_table.html(kept[:_SHOWN], ours, href, colours()))
    else:
        st.caption("No column is called so.")
    if len(kept) > _SHOWN:
        st.caption(
            f"{_SHOWN} of {len(kept):,} columns, what moved farthest first. Look for the others by "
            "name."
        )
    st.caption(
        "Evidently goes by how far a column moved alone. The verdict also asks whether it can be "
        "chance, so of few rows, or of rare categories, the two may differ: alerts and retraining "
        "go by the verdict."
    )


def _said(found: Found) -> None:
    """Draw how right answers were, and what is left out or could not be done."""
    right = evidently_figures.quality(found)
    if right:
        st.markdown(plain(right, 600))
    for sentence in found.said:
        st.caption(plain(sentence, 600))
