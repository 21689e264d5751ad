"""The table of all models: what is promoted, what is newest, and how they compare."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from dashboard import marked
from dashboard.components import status, tables
from dashboard.experiments.units import figure
from dashboard.lineage import looks
from dashboard.numbers import UNKNOWN, Delta, age, counted
from dashboard.registry import marks
from dashboard.registry.search import UNKNOWN_FORMAT, model_aliases
from dashboard.registry.standing import (
    NO_RULES,
    Rules,
    Verdict,
    candidates,
    champion_now,
    judge,
    value_of,
    versus,
)
from services.lineage import flagged
from services.mirror.models import ModelVersion, RegisteredModel

_OPEN = "registry:open"
_SHOWN = "registry:models"
PEEK = "registry:peek"
"""Project and name of the model the drawer shows."""
_GATES = "The gates of the project against the newest version: an approver may set one aside."


@dataclass(frozen=True, slots=True)
class Row:
    """One model, as the table shows it."""

    model: RegisteredModel
    champion: ModelVersion | None
    newest: ModelVersion | None
    metric: str | None
    champion_value: float | None
    newest_value: float | None
    change: Delta | None
    verdict: Verdict | None
    waiting: int
    """Versions that pass the gates and beat the champion."""


def row_of(model: RegisteredModel, rules: Rules) -> Row:
    """Return a model with what its project's rules say of its versions."""
    champion = champion_now(model)
    newest = next((version for version in model.versions if not version.archived), None)
    return Row(
        model=model,
        champion=champion,
        newest=newest,
        metric=rules.metric,
        champion_value=value_of(champion, rules.metric),
        newest_value=value_of(newest, rules.metric),
        change=versus(newest, champion, rules) if newest else None,
        verdict=judge(rules.gates, newest.metrics) if newest else None,
        waiting=len(candidates(model, rules)),
    )


def rows_of(models: Sequence[RegisteredModel], rules: Mapping[str, Rules]) -> tuple[Row, ...]:
    """Return all models as rows."""
    return tuple(row_of(model, rules.get(model.project, NO_RULES)) for model in models)


def created_at(model: RegisteredModel) -> datetime | None:
    """Return when the newest version was made."""
    return max((version.created_at for version in model.versions), default=None)


def summary(rows: Sequence[Row]) -> None:
    """Draw how many models, versions and champions there are, and what waits."""
    versions = sum(len(row.model.versions) for row in rows)
    champions = sum(row.champion is not None for row in rows)
    waiting = sum(row.waiting > 0 for row in rows)
    with st.container(horizontal=True, gap="small"):
        st.badge(counted(len(rows), "model"), icon=":material/deployed_code:", color="gray")
        st.badge(counted(versions, "version"), icon=":material/layers:", color="gray")
        st.badge(counted(champions, "champion"), icon=":material/trophy:", color="green")
        if waiting:
            word = "has a better version" if waiting == 1 else "have a better version"
            st.badge(f"{waiting} {word}", icon=":material/schedule:", color="violet")


def draw(rows: Sequence[Row]) -> None:
    """Draw the table; a click on a name opens the drawer."""
    st.session_state[_SHOWN] = tuple((row.model.project, row.model.name) for row in rows)
    aliases = [alias for row in rows for alias in model_aliases(row.model)]
    columns = {
        "name": st.column_config.ButtonColumn(
            "Model",
            width=180,
            pinned=True,
            type="tertiary",
            alignment="left",
            key=_OPEN,
            on_click=_open,
        ),
        "waiting": status.column("Promotion", ["waiting"]),
        "change": marks.change_column("Against champion", [row.change for row in rows]),
        "gates": marks.verdict_column("Gates", _GATES),
        "champion": st.column_config.TextColumn("Champion", width=80),
        "value": st.column_config.TextColumn("Its result", width=165),
        "newest": st.column_config.TextColumn("Newest", width=75),
        "newest_value": st.column_config.TextColumn("Its result ", width=85, alignment="right"),
        "project": st.column_config.TextColumn("Project", width=155),
        "technique": st.column_config.TextColumn("Technique", width=110),
        "format": st.column_config.TextColumn("Format", width=100),
        "versions": st.column_config.NumberColumn("Versions", width=80, format="%d"),
        "aliases": marks.alias_column("Aliases", aliases),
        "created": st.column_config.TextColumn("Newest made", width=110),
    }
    tables.table([_cells(row) for row in rows], columns, key="registry-table")  # type: ignore[arg-type]  # a button column is a column


def _cells(row: Row) -> dict[str, object]:
    newest, champion = row.newest, row.champion
    result = UNKNOWN
    if row.metric and row.champion_value is not None:
        result = f"{row.metric} {figure(row.metric, row.champion_value)}"
    return {
        "name": row.model.name,
        "project": row.model.project,
        "champion": _champion(champion) if champion else "none",
        "value": result if champion else "none promoted",
        "newest": f"version {newest.version}" if newest else "none",
        "newest_value": UNKNOWN
        if row.metric is None or row.newest_value is None
        else figure(row.metric, row.newest_value),
        "change": marks.change_cell(row.change),
        "gates": marks.verdict_cell(row.verdict) if row.verdict else [],
        "waiting": status.cell("waiting") if row.waiting else [],
        "technique": (newest.technique if newest else None) or UNKNOWN,
        "format": (newest.format if newest else None) or UNKNOWN_FORMAT,
        "versions": len(row.model.versions),
        "aliases": [marks.alias_word(alias) for alias in model_aliases(row.model)],
        "created": age(created_at(row.model)),
    }


def _champion(version: ModelVersion) -> str:
    word = flagged.word(marked.of_version(version.project, version.name, version.version))
    return f"version {version.version}" + (f" {looks.sign(word)} {word}" if word else "")


def _open() -> None:
    click = st.session_state[_OPEN]
    shown = st.session_state[_SHOWN]
    if click is not None and click["row"] < len(shown):
        st.session_state[PEEK] = shown[click["row"]]
