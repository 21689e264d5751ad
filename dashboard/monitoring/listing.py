"""All deployments as a matrix, drawn again as checks come."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import streamlit as st

from dashboard import journalled, navigation, promised, state, watched
from dashboard.charts.theme import colours
from dashboard.components import located, notices
from dashboard.components.live import live
from dashboard.deployments import access as serving
from dashboard.monitoring import access, all_checks, looks, matrix, misfits, table
from dashboard.monitoring.access import Stretch
from dashboard.monitoring.address import FIND, ORDER, STATE
from dashboard.monitoring.matrix import Beside, Row
from dashboard.monitoring.promise import AT_RISK, MISSED
from dashboard.numbers import counted
from dashboard.scope import Scope
from dashboard.text import plain
from dashboard.watched import Board
from services.errors import MlopsError

T = TypeVar("T")
LIVE_S = 5.0
_LINKS = 12
_BADGES = {
    "drifted": ("warning", "orange"), MISSED: ("cancel", "red"), AT_RISK: ("warning", "orange"),
    "steady": ("check_circle", "green"),
    "not enough data": ("hourglass_empty", "violet"), "unknown": ("help", "gray"),
    looks.NEVER.word: (looks.NEVER.icon, "gray"), looks.AWAY.word: (looks.AWAY.icon, "gray"),
}  # fmt: skip
_TOLD = {MISSED: "missed an objective", AT_RISK: "with an objective at risk"}


def draw(where: Scope, off: str | None) -> None:
    """Draw the filters and the matrix; ``off`` says why nothing can be asked for, if so."""
    found, _ = _rows(where, quiet=True)
    if not found:
        _empty(where)
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        located.text("Find", name=FIND, placeholder="Deployment or project", width=200)
        located.choice("Order by", matrix.ORDERS, name=ORDER, default=matrix.ORDERS[0])
        there = {word for one in found for word in one.states} | set(st.query_params.get_all(STATE))
        located.several("State", [one for one in matrix.STATES if one in there], name=STATE)
        all_checks.button(sorted({one.name for one in found}), where.project, off)
    live(_draw, LIVE_S)(where)


def _draw(where: Scope) -> None:
    found, board = _rows(where)
    query, stretch = st.query_params, access.stretch(where, time.time())
    order = next(
        (o for o in matrix.ORDERS if o.casefold() == query.get(ORDER, "").casefold()),
        matrix.ORDERS[0],
    )
    kept = matrix.matching(found, query.get(FIND, ""), query.get_all(STATE))
    _summary(found)
    if kept:
        rows, now = matrix.ordered(kept, order), datetime.now(UTC)
        st.html(table.html(rows, state.titles(), colours(), now, state.zone(), stretch.said))
        st.caption(_legend(kept, found, stretch))
    elif found:
        st.caption("No deployment has what is looked for. Take a word or a state away.")
    if found and board is not None and all(one.checked_at is None for one in found):
        _how()
    if found:
        misfits.draw(where.project)
    _others(board, where, found)


def _rows(where: Scope, *, quiet: bool = False) -> tuple[tuple[Row, ...], Board | None]:
    """Return the rows; what cannot be read is said above them, once, and they stand without it."""
    now = time.time()
    over = access.stretch(where, now)
    span = over.since, over.step_s, over.count

    told: set[str] = set()

    def read(ask: Callable[[], T]) -> T | None:
        try:
            return ask()
        except MlopsError as error:
            if not quiet and error.message not in told:
                told.add(error.message)
                notices.problem(error)
            return None

    board = read(lambda: watched.board(*span))
    labels = read(watched.last_labels) or {}
    beside = Beside(
        read(lambda: promised.levels(*span)) or {}, read(journalled.alerts_of_endpoints) or {},
        {of: one.state for of, one in (read(journalled.retrainings) or {}).items()},
    )  # fmt: skip
    deployed = serving.picture(where.project).endpoints
    return matrix.rows(deployed, board, labels, now, beside), board


def _summary(found: Sequence[Row]) -> None:
    counts = Counter(word for one in found for word in one.states)
    with st.container(horizontal=True, gap="small"):
        served = len({one.name for one in found})
        st.badge(counted(served, "deployment"), icon=":material/dns:", color="gray")
        for word in matrix.STATES:
            if counts[word]:
                icon, colour = _BADGES[word]
                st.badge(
                    f"{counts[word]:,} {_TOLD.get(word, word)}", icon=f":material/{icon}:",
                    color=colour,  # type: ignore[arg-type]  # one of the theme's words
                )  # fmt: skip


def _legend(kept: Sequence[Row], found: Sequence[Row], stretch: Stretch) -> str:
    shown = counted(len(kept), "version")
    if len(kept) < len(found):
        shown = f"{len(kept):,} of {counted(len(found), 'version')}"
    return (
        f"{shown} in service. Bars are checks {stretch.said}, the worst of each stretch: the "
        "taller, the worse; a gap is a stretch without a check. “Not enough data” is no “steady”: "
        "in so few rows a large shift would not show. Bars of service: how fast the budget of an "
        "objective was spent; under “Last”: requests."
    )


def _how() -> None:
    st.info(
        "**None of them was checked yet.** The controller checks every hour what is asked since "
        "the last time, beside the evaluation data that training logged "
        "(`mlops_client.reference.log_reference`), or else the version's first 2,000 rows. "
        "A deployment's page has “Check now”.",
        icon=":material/schedule:",
    )


def _others(board: Board | None, where: Scope, found: Sequence[Row]) -> None:
    names = access.not_in_service(board, where.project, {one.name for one in found})
    if not names:
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption("Checked before, and not in service now:", width="content")
        for name in names[:_LINKS]:
            navigation.link("monitoring", plain(name, 60), hover="", deployment=name)
        if len(names) > _LINKS:
            st.caption(f"and {len(names) - _LINKS:,} more", width="content")


def _empty(where: Scope) -> None:
    name = f" of {where.project}" if where.project else ""
    notices.empty(
        f"No model{name} is in service yet",
        "Once one is, each answer goes into its prediction log. Every hour what it is asked and "
        "answers is compared with the evaluation data of its training, or with its first 2,000 "
        "rows where training logged none; labels that come later tell how right it was.",
        icon="monitoring",
        command="mlops deploy MODEL@champion",
        action=lambda: navigation.link("registry", "To the registry", icon="deployed_code"),
    )
    with st.expander("Log evaluation data while training", icon=":material/code:"):
        st.code(
            "from mlops_client.reference import log_reference\n\n"
            'log_reference(inputs={"pixels": test.pixels}, '
            'outputs=predict({"pixels": test.pixels}), labels=test.labels)',
            language="python",
        )
    try:
        over = access.stretch(where, time.time())
        _others(watched.board(over.since, over.step_s, over.count), where, ())
    except MlopsError as error:
        notices.problem(error)
