"""One deployment: what its checks come to, what it promises, why it got worse, its retraining."""

from collections.abc import Callable, Mapping

import streamlit as st

from dashboard import watched
from dashboard.components import dialogs, located, notices
from dashboard.monitoring import (
    access,
    acting,
    causes,
    course,
    evidently,
    head,
    levels,
    moved,
    retraining,
    right,
)
from dashboard.monitoring.access import Seen, Subject
from dashboard.monitoring.address import PART, VERDICT
from dashboard.scope import Scope
from dashboard.text import plain
from services.errors import MlopsError, NotFoundError

_OF_CHECKS = ("Drift", "Quality", "Accuracy", "Evidently")
_PANELS: Mapping[str, Callable[[str, str, int | None], None]] = {
    "Objectives": levels.draw,
    "Causes": causes.draw,
    "Retraining": retraining.draw,
}
PARTS = (*_OF_CHECKS, *_PANELS)
_LIVE_S = 5.0


def draw(of: Subject, where: Scope) -> None:
    """Draw it."""
    st.title(plain(of.model, 120))
    number = access.version(of)
    seen = _seen(of, number, where)
    head.draw(of, seen, number)
    head.alerts(of)
    off = notices.engine_notice("controller")
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        acting.buttons(of, off)
        head.choose(of)
    st.fragment(_follow, run_every=_LIVE_S)(seen.check.id if seen else "", of, number)
    if seen is None:
        _never(of)
    else:
        course.draw(of, seen)
        head.verdicts(seen)
    part = located.choice("Part", PARTS, name=PART, default=PARTS[0], collapsed=True)
    if part in _PANELS:
        _PANELS[part](of.project, of.model, number)
    elif seen is None:
        st.caption("It is shown once there was a check.")
    elif part == "Drift":
        moved.draw(of, seen, ("data", "prediction"), None)
    elif part == "Quality":
        moved.draw(of, seen, ("quality",), part)
    elif part == "Accuracy":
        right.draw(of, seen, where)
    else:
        evidently.draw(of, seen)


def _seen(of: Subject, number: int | None, where: Scope) -> Seen | None:
    if number is None:
        return None
    try:
        return access.seen(of, number, access.since(where))
    except NotFoundError as error:  # of the address: the newest is shown instead
        notices.problem(error)
    st.query_params.pop(VERDICT, None)
    return access.seen(of, number, access.since(where))


def _follow(before: str, of: Subject, number: int | None) -> None:
    """Draw the page again when another check of it was kept, where it shows the newest."""
    if access.verdict() or number is None:
        return
    try:
        newest = watched.checks(of.project, of.model, number, None)[-1:]
    except MlopsError as error:  # out of a fragment no error reaches the frame that tells them
        notices.problem(error)
        return
    if newest and newest[0].id != before:
        dialogs.redraw()


def _never(of: Subject) -> None:
    notices.empty(
        "It was not checked yet",
        "Every hour what it is asked and answers is compared with the evaluation data of its "
        "training, or with its first 2,000 rows where training logged none. “Check now” does it "
        "at once.",
        icon="fact_check",
        command=f"mlops drift check {of.name}",
    )
