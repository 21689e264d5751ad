"""The checks over time, and the slider that chooses one: the whole page shows that check."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from dashboard import navigation, state
from dashboard.charts.theme import colours
from dashboard.monitoring import looks
from dashboard.monitoring.access import Seen, Subject
from dashboard.monitoring.address import VERDICT
from dashboard.numbers import age, counted, moment
from dashboard.text import markup
from services.monitoring.courses import FAMILIES, Check

_KEY = "monitoring-check"
_NAMES_PX = 118


def draw(of: Subject, seen: Seen) -> None:
    """Draw the checks' states and the slider below them."""
    if len(seen.checks) < 2:
        st.caption("One check so far; those to come are drawn here, and can be gone back to.")
        return
    with st.container(key="monitoring-course", gap="xsmall"):
        st.html(strips(seen))
        with st.container(horizontal=True, gap=None, vertical_alignment="center"):
            with st.container(width=_NAMES_PX):
                st.caption("Check")
            with st.container():
                _slider(seen)
    _ends(of, seen)


def strips(seen: Seen) -> str:
    """Return a strip a question, with the check that is looked at marked through all of them."""
    hues, count = colours(), len(seen.checks)
    rows = []
    for kind in FAMILIES:
        found = [one.degrees.get(kind) for one in seen.checks]
        told = looks.told(found, kind, f"{_said(seen.checks[0])} to {_said(seen.checks[-1])}")
        rows.append(
            f'<div style="color:{hues.muted};font-size:12px;white-space:nowrap">'
            f"{looks.TITLES[kind]}</div>"
            f"{looks.strip(found, hues, markup(told), width='100%')}"
        )
    here = (
        f'<div style="position:absolute;left:{_NAMES_PX}px;right:0;top:0;bottom:0;'
        f'pointer-events:none"><div style="position:absolute;left:{seen.place / count * 100:.2f}%;'
        f"width:{100 / count:.2f}%;min-width:5px;top:-3px;bottom:3px;box-sizing:border-box;"
        f'border:2px solid {hues.accent};border-radius:3px"></div></div>'
    )
    return (
        f'<div style="position:relative;display:grid;grid-template-columns:{_NAMES_PX}px 1fr;'
        f'row-gap:5px;align-items:end;padding-bottom:8px">{"".join(rows)}{here}</div>'
    )


def _slider(seen: Seen) -> None:
    ids = [one.id for one in seen.checks]
    said = labels(seen.checks)
    st.session_state[_KEY] = ids[seen.place]
    st.select_slider(
        "Check",
        ids,
        key=_KEY,
        format_func=lambda one: said.get(one, ""),
        label_visibility="collapsed",
        on_change=_moved,
        args=(ids[-1],),
    )


def labels(checks: Sequence[Check]) -> dict[str, str]:
    """Return by id when each check was, no two alike: the slider tells them apart by their words.

    Two that were asked for in one minute differ by their seconds, else by their place.
    """
    said = {one.id: _said(one) for one in checks}
    many = Counter(said.values())
    exact = {
        one.id: f"{said[one.id]}:{datetime.fromtimestamp(one.at, UTC):%S}"
        if many[said[one.id]] > 1 else said[one.id]
        for one in checks
    }  # fmt: skip
    many = Counter(exact.values())
    return {
        id_: f"{word} ({place})" if many[word] > 1 else word
        for place, (id_, word) in enumerate(exact.items(), 1)
    }


def _moved(newest: str) -> None:
    chosen = st.session_state[_KEY]
    # Of the newest the address names none: there will be newer ones.
    st.query_params.update({VERDICT: [] if chosen == newest else chosen})


def _ends(of: Subject, seen: Seen) -> None:
    """Draw the way to the checks beside this one, and back to the newest."""
    before = seen.checks[seen.place - 1].id if seen.place else None
    after = None if seen.newest else seen.checks[seen.place + 1].id
    query = {
        name: st.query_params[name] for name in ("part", "column", "version")
        if name in st.query_params
    }  # fmt: skip
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        at = datetime.fromtimestamp(seen.check.at, UTC)
        st.caption(
            f"Check {seen.place + 1:,} of {counted(len(seen.checks), 'check')}, {age(at)}",
            help=moment(at, state.zone()), width="content",
        )  # fmt: skip
        if before:
            navigation.link("monitoring", "The one before", icon="chevron_left", hover="",
                            deployment=of.name, verdict=before, **query)  # fmt: skip
        if after:
            navigation.link("monitoring", "The one after", icon="chevron_right", hover="",
                            deployment=of.name, verdict=after, **query)  # fmt: skip
            navigation.link("monitoring", "The newest", icon="last_page", hover="",
                            deployment=of.name, **query)  # fmt: skip


def _said(check: Check) -> str:
    return f"{datetime.fromtimestamp(check.at, UTC).astimezone(state.zone()):%d %b %H:%M}"
