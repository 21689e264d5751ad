"""A deployment's retrainings: what is proposed and why, what became of it, and what is allowed."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

import streamlit as st

from dashboard import marked, navigation, state
from dashboard.charts.theme import colours
from dashboard.components import dialogs, notices
from dashboard.deployments import looks as badges
from dashboard.monitoring import retraining_access as access
from dashboard.monitoring import retraining_acting as acting
from dashboard.monitoring import retraining_looks as looks
from dashboard.numbers import age, delta
from dashboard.text import plain
from services.errors import MlopsError
from services.retraining import wording
from services.retraining.models import Proposal

_LIVE_S = 5.0
_SHOWN = 5


def draw(project: str, model: str, version: int | None) -> None:
    """Draw the retrainings of a deployment; of all its versions, whichever is looked at."""
    del version
    try:
        found = access.picture(project, model)
    except MlopsError as error:
        notices.problem(error)
        return
    if found is None:
        return
    off = access.why_off()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("#### :material/model_training: Retraining", width="content")
        acting.policy(project, found.policy, off)
        acting.collect(project, model, off)
    st.caption(" ".join(plain(one, 300) for one in wording.said_of(found.policy)))
    if found.now is None:
        _none(project, model, off)
    else:
        _one(found.now, off)
    _earlier(found.earlier)
    st.fragment(_follow, run_every=_LIVE_S)(partial(_now, project, model), _mark(found.now))


def alone(number: int) -> None:
    """Draw one retraining, whatever became of it."""
    one = access.one(number)
    _one(one, access.why_off(), alone=True)
    st.fragment(_follow, run_every=_LIVE_S)(partial(access.one, number), _mark(one))


def offer(project: str, model: str) -> None:
    """Draw the button that proposes to retrain a model; the way to what is proposed already."""
    try:
        found = access.picture(project, model)
    except MlopsError as error:
        notices.problem(error)
        return
    if found is None:
        return
    if found.now is None:
        acting.propose(project, model, access.why_off())
        return
    label = f"Retraining {found.now.id} {looks.look(found.now.state).word}"
    navigation.link("monitoring", label, icon="model_training", hover="",
                    retraining=str(found.now.id))  # fmt: skip


def _none(project: str, model: str, off: str | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("Nothing is proposed and nothing is under way.", width="content")
        acting.propose(project, model, off)


def _one(one: Proposal, off: str | None, *, alone: bool = False) -> None:
    """Draw one; ``alone``: under its own title, so that what is to be said is whose it is."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            badges.badge(looks.look(one.state), why=one.said)
            if alone:
                label = f"{plain(one.project, 60)} / {plain(one.model, 60)}"
                where = {"of": one.project, "model": one.model}
                navigation.link("model", label, icon="package_2", hover="", **where)
            else:
                st.markdown(f"**Retraining {one.id}**", width="content")
            marked.lineage(f"retraining:{one.id}")
            st.caption(_since(one), width="stretch")
            if one.state == "open":
                acting.decide(one, off)
            elif not one.ended:
                acting.stop(one, off)
        _reasons(one)
        for sentence in _outcome(one) if one.ended else wording.costs(one):
            st.markdown(f"- {plain(sentence, 500)}")
        every_s = None if one.state == "open" or one.ended else _LIVE_S
        st.fragment(_course, run_every=every_s)(one)


def _outcome(one: Proposal) -> Iterator[str]:
    """Yield with which data it trained, what that took and what it changed."""
    yield f"Data: {one.data.said}"
    if spent := wording.spent(one):
        yield f"It took {spent}, measured."
    changed = delta(one.change, 0.0)
    if changed:
        yield f"The metric that counts: {changed.text}, each version by its own evaluation."


def _course(drawn: Proposal) -> None:
    """Draw how it stands and what happened; again and again while it is under way."""
    try:
        one, lines = access.fresh(drawn), access.lines(drawn)
    except MlopsError as error:
        notices.problem(error)
        return
    if one.refused and one.state == "open":
        st.info(f"Not by itself: {plain(one.refused, 600)}", icon=":material/pan_tool:")
    if one.said and one.state != "open":
        st.info(plain(one.said, 600), icon=f":material/{looks.look(one.state).icon}:")
    st.html(looks.html(lines, colours(), state.zone()))


def _since(one: Proposal) -> str:
    said = f"proposed by {plain(one.requested_by, 60)} {_age(one.created_at)}"
    if one.approved_by:
        what = "dismissed" if one.state == "dismissed" and not one.stopped else "accepted"
        said += f" · {what} by {plain(one.approved_by, 60)} {_age(one.decided_at)}"
    return said


def _age(at: float | None) -> str:
    return age(None if at is None else datetime.fromtimestamp(at, UTC))


def _reasons(one: Proposal) -> None:
    for reason in one.evidence:
        columns = "".join(f"  \n:gray[{plain(said, 200)}]" for said in reason.columns[:_SHOWN])
        whose = f" :gray[{plain(reason.by, 60)}]" if reason.by else ""
        st.markdown(f"{plain(reason.said, 500)}{whose}{columns}")


def _thread(one: Proposal) -> None:
    try:
        lines = access.lines(one)
    except MlopsError as error:
        notices.problem(error)
        return
    st.html(looks.html(lines, colours(), state.zone()))


def _earlier(found: tuple[Proposal, ...]) -> None:
    if not found:
        return
    st.markdown(f"**Earlier** :gray[{len(found)}]")
    for one in found:
        shown = looks.look(one.state)
        changed = delta(one.change, 0.0)
        figure = f" · {changed.text}" if changed and one.state == "promoted" else ""
        label = (
            f":{shown.colour}[:material/{shown.icon}: {shown.word}] Retraining {one.id} · "
            f"{_age(one.ended_at)}{figure} · {plain(one.said or one.why, 120)}"
        )
        with st.expander(label, key=f"retraining-earlier-{one.id}"):
            _reasons(one)
            _thread(one)


def _mark(now: Proposal | None) -> str:
    """Return what tells whether it is drawn anew: not for a sentence that changes."""
    return (
        ""
        if now is None
        else f"{now.id} {now.state} {len(now.evidence)} {now.verdict} {now.stopped}"
    )


def _now(project: str, model: str) -> Proposal | None:
    found = access.picture(project, model)
    return None if found is None else found.now


def _follow(read: Callable[[], Proposal | None], drawn: str) -> None:
    try:
        found = read()
    except MlopsError:  # what is drawn stays; the page's own notice tells of the journal
        return
    if _mark(found) != drawn:
        dialogs.redraw()
