"""What is marked as bad, on the pages of what came of it: a badge that says why.

Like ``state`` a place with ``st.cache_*``: what came of the marks is looked up again when they
change, else every 15 s. Of all projects, whoever asks: the words leave out what others may not see.
"""

from collections.abc import Mapping

import streamlit as st

from dashboard import navigation, state
from dashboard.lineage import looks
from dashboard.text import plain
from services.home import Home
from services.lineage import flagged
from services.lineage import marked as marks
from services.lineage.asking import Lineage
from services.lineage.flagged import Flags
from services.lineage.models import Kind, Ref, numbered

_KEPT_S = 15.0
_SHOWN = 3


def of_version(project: str, model: str, number: int | None) -> Flags:
    """Return why a version is suspect; empty: nothing is known against it.

    Raises:
        PlatformError: The mirror, the journal or a data repository cannot be read.
    """
    key = _key()
    if not key or number is None:
        return ()
    return _versions(key).get(numbered("version", project, model, number), ())


def of_revision(kind: Kind, revision: str) -> Flags:
    """Return why a revision of data or models is suspect.

    Raises:
        PlatformError: The mirror, the journal or a data repository cannot be read.
    """
    key = _key()
    return _revision(key, kind, revision) if key else ()


def why(flags: Flags, project: str) -> str:
    """Return the sentences, for people of a project."""
    return " ".join(one.said(project) for one in flags[:_SHOWN])


def badge(flags: Flags, project: str) -> None:
    """Draw the badge; none where nothing is known against it."""
    word = flagged.word(flags)
    if word:
        look = looks.look(word)
        told = plain(why(flags, project), 600)
        st.badge(look.word, icon=f":material/{look.icon}:", color=look.colour, help=told)


def lineage(node_id: str) -> None:
    """Draw the way to a thing's thread."""
    if navigation.has("lineage"):
        navigation.link("lineage", "Lineage", icon="conversion_path", hover="", id=node_id)


def _key() -> str:
    found = marks.marks(state.journal())
    return repr(tuple(found.values())) if found else ""


def _asked() -> Lineage:
    context = state.context()
    return Lineage(Home.locate(), context.mirror, context.journal, context.data)


@st.cache_resource(show_spinner=False, max_entries=4, ttl=_KEPT_S)
def _versions(key: str) -> Mapping[Ref, Flags]:
    del key
    return flagged.of_versions(_asked().spoilt())


@st.cache_resource(show_spinner=False, max_entries=32, ttl=_KEPT_S)
def _revision(key: str, kind: Kind, revision: str) -> Flags:
    del key
    return flagged.of(_asked(), Ref(kind, revision)).flags
