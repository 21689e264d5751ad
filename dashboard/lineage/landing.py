"""Without a thing: what is marked as bad, what is live and made of what, what leads nowhere."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime

import streamlit as st

from dashboard import navigation, state
from dashboard.components import notices
from dashboard.lineage import looks, thread
from dashboard.monitoring import retraining_looks
from dashboard.numbers import age, counted
from dashboard.text import plain
from services.lineage.asking import Lineage, Spoilt
from services.lineage.models import Ref, numbered
from services.lineage.radius import said
from services.lineage.walking import Limits
from services.retraining.store import proposals
from services.serving import store

_SHOWN = 20
_NEWEST = 5
"""Retrainings."""
_NEAR = Limits(depth=3, fan=4, nodes=12)
"""As far as the data that a version was made of."""
_STEPS = 3


def matches(here: Lineage, words: str) -> Ref | None:
    """Return the one thing that words mean; else draw those they may mean, or that none does."""
    found = here.find(words)
    nodes = here.nodes(found) if len(found) > 1 else ()
    if len(found) == 1:
        return found[0]
    if not found:
        st.info(
            f"Nothing is called {plain(words, 100)}. A revision, a run's id or name, "
            "PROJECT/MODEL:VERSION and DAG/RUN are found.",
            icon=":material/search_off:",
        )
    for node in nodes:
        label = f"{looks.WORDS[node.ref.kind]} {plain(node.title, 80)}: {plain(node.said, 80)}"
        navigation.link("lineage", label, icon=looks.ICONS[node.ref.kind], hover="", id=node.id)
    return None


def draw(here: Lineage) -> None:
    """Draw where to begin."""
    spoilt, broken, live = here.spoilt(), here.broken(), _live()
    if not (spoilt or broken or live or state.models()):
        notices.empty(
            "There is no thread yet",
            "It begins with a training run, which notes the revision of the data it read. "
            "Registered and deployed, its version leads to its predictions.",
            icon="conversion_path",
            command="mlops run PROJECT",
        )
        return
    _spoilt(spoilt)
    left, right = st.columns(2, gap="medium")
    with left:
        _begin(here, live)
    with right:
        _retrainings()
        thread.broken(broken)
        for sentence in here.unread:
            st.caption(f":material/help: Not looked at: {plain(sentence, 300)}")


def _live() -> list[Ref]:
    mine = state.visible_projects()
    return [
        numbered("version", one.project, one.model, one.live.version)
        for one in store.endpoints(state.journal(), mine)
        if one.live is not None
    ]


def _spoilt(found: tuple[Spoilt, ...]) -> None:
    if not found:
        return
    st.markdown(f"**Marked as bad** :gray[{len(found):,}]")
    for one in found[:_SHOWN]:
        with st.container(border=True):
            mark = one.mark
            navigation.link("lineage", plain(mark.ref.id, 100), icon="flag", hover="",
                            id=mark.ref.id)  # fmt: skip
            since = age(datetime.fromtimestamp(mark.at, UTC))
            st.markdown(
                f":red[:material/flag: bad] {plain(mark.reason, 300)} "
                f":gray[{plain(mark.by, 60)}, {since}]  \n"
                f"{_in_service(one)} "
                f"{plain(said(one.radius), 400)}"
            )


def _in_service(one: Spoilt) -> str:
    if one.radius.live:
        return ":orange[:material/warning: in service]"
    return ":orange[:material/help: perhaps in service]" if one.radius.maybe_live else ""


def _begin(here: Lineage, live: list[Ref]) -> None:
    st.markdown(f"**In service now** :gray[{len(live):,}]")
    if not live:
        st.caption("Nothing is deployed: begin with a model.")
        for model in state.models()[:_SHOWN]:
            if model.versions:
                newest = numbered("version", model.project, model.name, model.versions[0].version)
                _link(newest)
    for ref in live[:_SHOWN]:
        with _row():
            _link(ref)
            _made_of(here, ref)
    if len(live) > _SHOWN:
        st.caption(f"and {counted(len(live) - _SHOWN, 'deployment')} more: search for it above.")


def _link(ref: Ref) -> None:
    _, model, number = ref.numbered
    label = f"{plain(model, 60)} {number}"
    navigation.link("lineage", label, icon="deployed_code", hover="", id=ref.id)


def _made_of(here: Lineage, ref: Ref) -> None:
    """Say of which data and by which run a version was made, when, and whether that was bad."""
    found = here.thread(ref, ("up",), _NEAR)
    version = found.start
    made = [
        f":material/{looks.ICONS[node.ref.kind]}: {plain(node.title, 40)}"
        for kind in ("data", "run")
        for node in found.nodes
        if node.ref.kind == kind
    ]
    told = [plain(version.project or "", 40)]
    told.append(" → ".join(made[:_STEPS]) or "of what it was made is not known")
    if version.at is not None:
        told.append(age(datetime.fromtimestamp(version.at, UTC)))
    if (word := looks.word(version)) not in {"", "live"}:
        look = looks.look(word)
        told.append(f":{look.colour}[:material/{look.icon}: {look.word}]")
    st.caption(" · ".join(told))


def _retrainings() -> None:
    found = proposals(state.journal(), projects=state.visible_projects(), limit=_NEWEST)
    if not found:
        return
    st.markdown("**Newest retrainings**")
    for one in found:
        ref = Ref("retraining", str(one.id))
        label = f"Retraining {one.id} of {plain(one.model, 60)}"
        look = retraining_looks.look(one.state)
        since = age(datetime.fromtimestamp(one.created_at, UTC))
        with _row():
            navigation.link("lineage", label, icon=looks.ICONS["retraining"], hover="", id=ref.id)
            word = f":{look.colour}[:material/{look.icon}: {look.word}]"
            st.caption(f"{plain(one.project, 40)} · {word} · {since}")


def _row() -> AbstractContextManager[object]:
    return st.container(gap=None)
