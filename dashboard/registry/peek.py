"""A drawer with the gist of one model, and the way to all of it, without leaving the table."""

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard import navigation
from dashboard.numbers import age, counted
from dashboard.registry import marks
from dashboard.registry.access import MODEL, OF
from dashboard.registry.listing import PEEK, Row
from dashboard.registry.standing import NO_RULES, Rules
from dashboard.text import plain
from services.mirror.models import ModelVersion
from services.mirror.projects import CHAMPION


def draw(rows: Sequence[Row], rules: Mapping[str, Rules]) -> None:
    """Draw the drawer while a model is looked into."""
    wanted = st.session_state.get(PEEK)
    for row in rows:
        if (row.model.project, row.model.name) == wanted:
            drawn = st.dialog(
                plain(row.model.name, 100),
                position="right",
                width="medium",
                icon=":material/deployed_code:",
                on_dismiss=_close,
            )
            drawn(_drawer)(row, rules.get(row.model.project, NO_RULES))


def _close() -> None:
    st.session_state.pop(PEEK, None)


def _drawer(row: Row, rules: Rules) -> None:
    model = row.model
    st.caption(f"Project {plain(model.project)} · {counted(len(model.versions), 'version')}")
    if model.description:
        st.caption(plain(model.description, 300))
    _version("Champion", row.champion)
    if row.newest is not None and row.newest is not row.champion:
        _version("Newest", row.newest)
        if row.verdict is not None:
            marks.gates(row.verdict)
        marks.against(row.newest, row.champion, CHAMPION, rules)
    version = str(row.newest.version) if row.newest else None
    with st.container(border=True):
        navigation.link(
            "model",
            "**Versions, history, promotion**",
            icon="arrow_forward",
            **{OF: model.project, MODEL: model.name, "version": version},
        )


def _version(word: str, version: ModelVersion | None) -> None:
    if version is None:
        st.markdown(f"**{word}** none: no version is promoted")
        return
    technique = f" · {plain(version.technique, 60)}" if version.technique else ""
    st.markdown(
        f"**{word}** version {version.version}{technique} :gray[made {age(version.created_at)}]"
    )
