"""The head of a model: what it is, its champion, and what would follow."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from dashboard import navigation
from dashboard.components import ages, tiles
from dashboard.experiments.units import figure, unit_of
from dashboard.monitoring import retraining
from dashboard.numbers import Delta, age, count, delta
from dashboard.registry.listing import Row
from dashboard.registry.search import UNKNOWN_FORMAT
from dashboard.registry.standing import Rules
from dashboard.text import plain
from services.actions.history import AliasSpan
from services.mirror.models import ModelVersion, RegisteredModel


def title(model: RegisteredModel) -> None:
    """Draw the name of a model, its formats, its project, and how it is trained again."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title(plain(model.name, 120), width="content")
        for name in sorted({version.format or UNKNOWN_FORMAT for version in model.versions}):
            st.badge(plain(name, 40), icon=":material/description:", color="gray")
        if navigation.has("project"):
            navigation.link("project", plain(model.project), icon="folder", id=model.project)
        st.space("stretch")
        retraining.offer(model.project, model.name)
    if model.description:
        st.caption(plain(model.description, 300))


def figures(row: Row, spans: Sequence[AliasSpan], rules: Rules) -> None:
    """Draw the champion, its result, the newest against it, and how it came to be champion."""
    with st.grid(4, min_column_width=200):
        tiles.tile("Champion", _named(row.champion, "none"), why=_why_champion(row))
        tiles.tile(
            f"Champion's {rules.metric or 'result'}",
            _figure(rules.metric, row.champion_value),
            why=_direction(rules),
        )
        tiles.tile(
            f"Newest, {_named(row.newest, 'none')}",
            _figure(rules.metric, row.newest_value),
            delta=_change(row, rules),
            versus="vs champion",
            why=row.verdict.sentence if row.verdict else "There is no version.",
        )
        _since(spans, row.champion)


def _since(spans: Sequence[AliasSpan], champion: ModelVersion | None) -> None:
    now = spans[0] if spans else None
    if now is None or now.version is None:
        seen = "The promotion was not seen." if champion else "Nothing was promoted yet."
        tiles.tile("Champion since", None, why=seen)
        return
    tiles.tile("Champion since", age(now.since), why=f"{ages.exact(now.since)}, by {now.actor}.")


def created(at: datetime) -> str:
    """Return when a version was made, as a person reads it."""
    return f"{age(at)} ({ages.exact(at)})"


def _named(version: ModelVersion | None, nothing: str) -> str:
    return nothing if version is None else f"version {count(version.version)}"


def _figure(metric: str | None, value: float | None) -> str | None:
    return None if metric is None or value is None else figure(metric, value)


def _change(row: Row, rules: Rules) -> Delta | None:
    if row.newest is row.champion:
        return None
    unit = unit_of(rules.metric) if rules.metric else ""
    return delta(row.newest_value, row.champion_value, rules.goal, unit)


def _why_champion(row: Row) -> str:
    if row.champion is None:
        return "No version is promoted: nothing loads models:/NAME@champion."
    return f"Whoever loads models:/{row.model.name}@champion gets it."


def _direction(rules: Rules) -> str:
    if rules.metric is None:
        return "The project declares no primary metric."
    return f"{rules.metric}: {'higher' if rules.goal == 'max' else 'lower'} is better."
