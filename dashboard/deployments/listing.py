"""All deployments, a row a version, drawn again every two seconds."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from dashboard import marked, navigation, predicted, state
from dashboard.charts.theme import colours
from dashboard.components import located, notices
from dashboard.components.live import live
from dashboard.deployments import access, looks, table
from dashboard.deployments.access import Picture
from dashboard.deployments.address import FIND, STATE
from dashboard.numbers import counted
from dashboard.scope import Scope
from services.lineage import flagged
from services.resources.models import gib
from services.serving.looking import Deployment

LIVE_S = 2.0


def draw(where: Scope) -> None:
    """Draw the filters and the table."""
    found = access.picture(where.project)
    if not found.endpoints:
        _empty(where)
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        located.text("Find", name=FIND, placeholder="Deployment or project", width=220)
        words = [looks.look(one.state).word for one in found.endpoints]
        kept = [w for w in looks.WORDS if w in words or w in st.query_params.get_all(STATE)]
        located.several("State", kept, name=STATE)
    live(_draw, LIVE_S)(where)


def _draw(where: Scope) -> None:
    found = access.picture(where.project, predicted.energy(where.since))
    query = st.query_params
    kept = matching(found.endpoints, query.get(FIND, ""), query.get_all(STATE))
    _summary(found)
    if kept:
        old = not found.serving_alive
        st.html(
            table.html(kept, colours(), datetime.now(UTC), state.zone(), old=old, bad=_bad(kept))
        )
        st.caption(_legend(kept, found, where))
    elif found.endpoints:
        st.caption("No deployment has what is looked for. Take a word or a state away.")


def _bad(found: Sequence[Deployment]) -> dict[str, tuple[str, str]]:
    told = {}
    for one in found:
        flags = marked.of_version(one.project, one.model, one.version)
        if flags:
            told[one.name] = flagged.word(flags), marked.why(flags, one.project)
    return told


def matching(
    found: Sequence[Deployment], words: str, states: Sequence[str]
) -> tuple[Deployment, ...]:
    """Return the endpoints that fit the filters."""
    folded = words.casefold().strip()
    return tuple(
        one
        for one in found
        if folded in f"{one.name} {one.project}".casefold()
        and (not states or looks.look(one.state).word in states)
    )


def _summary(found: Picture) -> None:
    states = Counter(one.state for one in found.endpoints)
    with st.container(horizontal=True, gap="small"):
        st.badge(counted(len(found.endpoints), "deployment"), icon=":material/dns:", color="gray")
        for phase, count in states.items():
            shown = looks.look(phase)
            st.badge(f"{count:,} {shown.word}", icon=f":material/{shown.icon}:", color=shown.colour)
        free = found.status.memory_free_bytes if found.status else None
        if free is not None and found.serving_alive:
            st.badge(f"{gib(free)} of memory left", icon=":material/memory:", color="gray")


def _legend(kept: Sequence[Deployment], found: Picture, where: Scope) -> str:
    shown = counted(len(kept), "deployment")
    if len(kept) < len(found.endpoints):
        shown = f"{len(kept):,} of {counted(len(found.endpoints), 'deployment')}"
    return (
        f"{shown}. Requests, latency and errors are of the last minute, as the gateway counts "
        "them: errors are answers with 5xx, not what the asker did wrong. Energy is of the "
        f"predictions {where.sentence}."
    )


def _empty(where: Scope) -> None:
    name = f" of {where.project}" if where.project else ""
    notices.empty(
        f"No model{name} is in service yet",
        "Deploy a registered version: applications then reach it under one address, and updates "
        "drop no request.",
        icon="dns",
        command="mlops deploy MODEL@champion",
        action=lambda: navigation.link("registry", "To the registry", icon="deployed_code"),
    )
