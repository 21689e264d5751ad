"""One thing: its thread, what leads nowhere, and what came of it and is in use."""

from datetime import UTC, datetime

import streamlit as st

from dashboard import navigation
from dashboard.charts.theme import colours
from dashboard.components import notices
from dashboard.lineage import access, acting, address, drawing, looks
from dashboard.numbers import age, counted
from dashboard.text import markup, plain
from services.errors import InputError
from services.lineage.asking import Lineage
from services.lineage.models import Broken, Direction, Ref, Thread
from services.lineage.radius import Affected, said

_SHOWN = 12


def draw(
    here: Lineage, ref: Ref, ways: tuple[Direction, ...], off: str | None, size: int = 0
) -> None:
    """Draw the thread of a thing; ``size`` is how far it is walked, a place in ``access.SIZES``."""
    thread = here.thread(ref, ways, access.SIZES[size])
    _head(thread, off)
    for sentence in thread.unknown:
        st.warning(f"Could not be asked, so there may be more: {plain(sentence, 300)}",
                   icon=":material/help:")  # fmt: skip
    st.html(drawing.html(thread, colours()))
    _left_out(thread, size)
    left, right = st.columns(2, gap="medium")
    with left:
        _radius(here, ref)
    with right:
        broken(thread.broken)
        _links(thread)


def _head(thread: Thread, off: str | None) -> None:
    node = thread.start
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        icon, kind = looks.ICONS[node.ref.kind], looks.WORDS[node.ref.kind]
        st.markdown(f"### :material/{icon}: {kind} {plain(node.title, 80)}", width="content")
        word = looks.word(node)
        if word:
            look = looks.look(word)
            st.badge(look.word, icon=f":material/{look.icon}:", color=look.colour)
        page = address.page_of(node, thread.links)
        if page is not None and navigation.has(page[0]):
            navigation.link(page[0], "Its page", icon="open_in_new", hover="", **page[1])
        acting.button(node, off)
    since = "" if node.at is None else f" · {age(datetime.fromtimestamp(node.at, UTC))}"
    whose = "" if node.project is None else f" · {plain(node.project, 60)}"
    st.caption(f"{plain(node.said, 200)}{whose}{since}  \n`{node.id.replace('`', '')}`")
    if node.mark is not None:
        st.error(
            f"**Marked as bad** by {plain(node.mark.by, 60)} "
            f"{age(datetime.fromtimestamp(node.mark.at, UTC))}: {plain(node.mark.reason, 600)}",
            icon=":material/flag:",
        )
    if node.mark is None:
        _came_from("It came from what is marked as bad:", node.under)
        _came_from("It may have come from what is marked as bad:", node.perhaps)


def _came_from(words: str, marked: tuple[str, ...]) -> None:
    if not marked:
        return
    st.warning(words, icon=":material/outlined_flag:")
    for one in marked[:_SHOWN]:
        navigation.link("lineage", plain(one, 100), icon="flag", hover="", id=one)


def _left_out(thread: Thread, size: int) -> None:
    told = [one.said for one in thread.more]
    if away := len(drawing.folded(thread)):
        told.append(f"{counted(away, 'run')} that led to no version: in the list, not drawn.")
    if thread.hidden:
        told.append(f"{counted(thread.hidden, 'thing')} of projects that you do not see.")
    if told:
        st.caption(" ".join(plain(one, 200) for one in told))
    if not thread.more:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if size + 1 < len(access.SIZES):
            wider = {address.WIDE: str(size + 1), address.WAY: st.query_params.get(address.WAY)}
            navigation.link("lineage", "Show more", icon="unfold_more", hover="",
                            id=thread.start.id, **wider)  # fmt: skip
        ends = {one.ref for one in thread.more} - {thread.start.ref}
        for node in [one for one in thread.nodes if one.ref in ends][:_SHOWN]:
            label = f"{looks.WORDS[node.ref.kind]} {plain(node.title, 40)}"
            navigation.link("lineage", label, icon=looks.ICONS[node.ref.kind], hover="", id=node.id)


def broken(found: tuple[Broken, ...]) -> None:
    """Draw the links that lead nowhere."""
    st.markdown(f"**Broken links** :gray[{len(found):,}]")
    if not found:
        st.caption("Every link leads to something that is there.")
    for one in found[:_SHOWN]:
        st.markdown(
            f":red[:material/link_off: broken] {plain(one.said, 400)} "
            f":gray[{notices.advice(one.hint)}]"
        )
        navigation.link(
            "lineage", plain(one.ref.id, 80), icon="arrow_forward", hover="", id=one.ref.id
        )
    if len(found) > _SHOWN:
        st.caption(f"and {len(found) - _SHOWN:,} more: `mlops lineage broken` lists all.")


def _radius(here: Lineage, ref: Ref) -> None:
    st.markdown("**What came of it and is in use**")
    try:
        found = here.radius(ref)
    except InputError:
        st.caption("Nothing is made of it: ask of the version or the data that it rests on.")
        return
    tell = st.warning if found.live or found.maybe_live else st.info
    tell(plain(said(found), 600), icon=":material/radar:")
    for one in found.versions[:_SHOWN]:
        _affected(one)
    if len(found.versions) > _SHOWN:
        st.caption(f"and {counted(len(found.versions) - _SHOWN, 'version')} more: "
                   "`mlops lineage affected ID` lists all.")  # fmt: skip
    if found.runs:
        st.caption(f"{counted(found.runs, 'training run')} between.")


def _affected(one: Affected) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        label = f"{plain(one.project, 40)} / {plain(one.model, 40)} {one.version}"
        navigation.link("lineage", label, icon="deployed_code", hover="", id=one.ref.id)
        colour = "green" if one.live else "violet" if one.serving else "gray"
        icon = "check_circle" if one.live else "schedule" if one.serving else "remove"
        words = [one.serving or "not in service", *(plain(name, 30) for name in one.aliases)]
        if one.how == "beside it":
            words.append("made beside it, in one workflow run")
        if one.why:
            words.append(plain(one.why if one.sure else f"perhaps: {one.why}", 120))
        st.markdown(f":{colour}[:material/{icon}: {', '.join(words)}]", width="content")


def _links(thread: Thread) -> None:
    """Draw the thread as a list, for who does not see the drawing."""
    with st.expander(f"The thread as a list ({len(thread.links):,})", icon=":material/list:"):
        lines = "".join(
            f'<li style="overflow-wrap:anywhere">{_named(one.before)} <i>{markup(one.how)}</i> '
            f"{_named(one.after)}</li>"
            for one in thread.links
        )
        st.html(f'<ul style="margin:0;padding-left:1.1em;font-size:14px">{lines}</ul>')


def _named(one: Ref) -> str:
    return f'<a href="{markup(address.to(one.id))}">{markup(one.id, 300)}</a>'
