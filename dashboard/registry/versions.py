"""The versions of a model side by side, and one of them in full."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import marked, navigation
from dashboard.components import located, status, tables
from dashboard.data import links
from dashboard.experiments.offered import offered
from dashboard.experiments.units import figure, unit_of
from dashboard.numbers import UNKNOWN, age
from dashboard.registry import acting, head, marks
from dashboard.registry.columns import all_finite, metrics_of, shown_first
from dashboard.registry.standing import Rules, Verdict, champion_now, judge, versus
from dashboard.text import plain
from services.lineage.models import numbered
from services.mirror.models import FieldInfo, ModelVersion, RegisteredModel

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

_VERSION = "version"
_TABLE = "versions-table"
_LAST = "versions:last"
_COMMIT_SHOWN = 8


def draw(model: RegisteredModel, rules: Rules) -> ModelVersion | None:
    """Draw the table; return the version that is looked at, None when there is none."""
    if not model.versions:
        return None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Versions", width="stretch")
        shown = _shown(model.versions)
        chosen = _chosen_metrics(shown, rules)
    wanted = st.query_params.get(_VERSION, "")
    named = looked_at(shown, wanted)
    chosen_one = _clicked(shown) or named
    if chosen_one is not named:
        st.query_params[_VERSION] = str(chosen_one.version)
    elif wanted and wanted != str(named.version):
        _missing(model, wanted, named)
    rows = [shown.index(chosen_one)]
    st.session_state[_TABLE] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    st.session_state[_LAST] = (_listed(shown), chosen_one.version)
    _table(shown, chosen, model, rules)
    return chosen_one


def _missing(model: RegisteredModel, wanted: str, shown: ModelVersion) -> None:
    archived = any(str(version.version) == wanted for version in model.versions)
    why = "is archived" if archived else "does not exist"
    st.info(
        f"Version {plain(wanted, 40)} of {plain(model.name, 80)} {why}: this is version "
        f"{shown.version}, the newest.",
        icon=":material/link_off:",
    )


def _clicked(shown: Sequence[ModelVersion]) -> ModelVersion | None:
    """Return the version whose row was clicked since the last drawing; else the address counts."""
    held = st.session_state.get(_TABLE)
    rows = held["selection"]["rows"] if held else []
    listed, before = st.session_state.get(_LAST, ((), None))
    if not rows or rows[0] >= len(shown) or listed != _listed(shown):
        return None
    clicked = shown[rows[0]]
    return None if clicked.version == before else clicked


def _listed(versions: Sequence[ModelVersion]) -> tuple[tuple[str, str, int], ...]:
    return tuple((v.project, v.name, v.version) for v in versions)


def _shown(versions: Sequence[ModelVersion]) -> Sequence[ModelVersion]:
    """Return the versions to list: archived ones when wanted, or when there are no others."""
    kept = [version for version in versions if not version.archived]
    gone = len(versions) - len(kept)
    if gone and located.switch(f"Archived ({gone})", name="archived", default=False):
        return versions
    return kept or versions


def looked_at(versions: Sequence[ModelVersion], named: str) -> ModelVersion:
    """Return the version the address names, the newest when it names none there is."""
    return next((v for v in versions if str(v.version) == named), versions[0])


def _chosen_metrics(versions: Sequence[ModelVersion], rules: Rules) -> list[str]:
    known = metrics_of(versions, rules)
    if not known:
        return []
    first = shown_first(known, versions, rules)
    named = [name for name in st.query_params.get_all("metrics") if name in known]
    with st.popover("Metrics", icon=":material/view_column:", type="tertiary"):
        fields = [FieldInfo(name, "number", 1) for name in known]
        hits = offered(fields, key="versions-find", noun="metric")
        options = list(dict.fromkeys((*first, *named, *hits)))
        return located.many("Metrics side by side", options, name="metrics", default=first, most=20)


def _table(
    versions: Sequence[ModelVersion], metrics: Sequence[str], model: RegisteredModel, rules: Rules
) -> None:
    champion = champion_now(model)
    changes = [versus(version, champion, rules) for version in versions]
    verdicts = [judge(rules.gates, version.metrics) for version in versions]
    aliases = [alias for version in versions for alias in version.aliases]
    columns: dict[str, ColumnConfig | str | None] = {
        "version": st.column_config.NumberColumn("Version", width=70, format="%d", pinned=True),
        "aliases": marks.alias_column("Aliases", aliases),
        "gates": marks.verdict_column("Gates"),
        "change": marks.change_column(
            "Against champion", changes, f"By {plain(rules.metric or 'no metric', 80)}."
        ),
    }
    columns |= {f"m:{name}": _metric_column(name, versions) for name in metrics}
    columns |= {
        "technique": st.column_config.TextColumn("Technique", width=110),
        "created": st.column_config.TextColumn("Made", width=90),
        "format": st.column_config.TextColumn("Format", width=100),
        "data": st.column_config.TextColumn("Data revision", width=110),
        "commit": st.column_config.TextColumn("Git commit", width=100),
    }
    rows = [
        _cells(version, metrics, versions)
        | {"gates": marks.verdict_cell(verdict), "change": marks.change_cell(change)}
        for version, verdict, change in zip(versions, verdicts, changes, strict=True)
    ]
    tables.table(rows, columns, key=_TABLE, select=True, max_rows_shown=10)


def _cells(
    version: ModelVersion, metrics: Sequence[str], versions: Sequence[ModelVersion]
) -> dict[str, object]:
    cells: dict[str, object] = {
        "version": version.version,
        "aliases": [marks.alias_word(alias) for alias in version.aliases],
        "technique": version.technique or UNKNOWN,
        "created": age(version.created_at),
        "format": version.format or UNKNOWN,
        "data": version.data_revision or UNKNOWN,
        "commit": (version.git_commit or UNKNOWN)[: _COMMIT_SHOWN if version.git_commit else None],
    }
    for name in metrics:
        value = version.metrics.get(name)
        if value is not None and not all_finite(name, versions):
            cells[f"m:{name}"] = figure(name, value)
        else:
            cells[f"m:{name}"] = value
    return cells


def _metric_column(name: str, versions: Sequence[ModelVersion]) -> "ColumnConfig":
    unit = unit_of(name)
    title = f"{name} ({unit})" if unit and unit != "B" else name
    if not all_finite(name, versions):
        return st.column_config.TextColumn(title, width=130, alignment="right")
    shown = "bytes" if unit == "B" else "%.5g"
    return st.column_config.NumberColumn(title, width=130, format=shown)


def detail(
    model: RegisteredModel,
    version: ModelVersion,
    rules: Rules,
    off: str | None,
    earlier: Sequence[int],
) -> None:
    """Draw one version: what can be done with it, its gates, where it came from, its tags."""
    verdict = judge(rules.gates, version.metrics)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(f"Version {version.version}", width="content")
            for name in version.aliases:
                marks.alias(name)
            if version.archived:
                status.badge("archived")
            flags = marked.of_version(model.project, model.name, version.version)
            marked.badge(flags, model.project)
            st.space("stretch")
            acting.version_buttons(model, version, off)
            acting.deploy_button(model, version, off)
            if version is champion_now(model):
                acting.rollback_button(model, earlier, off)
            else:
                acting.promote_button(model, version, rules, off)
        left, right = st.columns([3, 2], gap="medium")
        with left:
            _gates(verdict, version, model, rules)
        with right:
            _origin(version)


def _gates(verdict: Verdict, version: ModelVersion, model: RegisteredModel, rules: Rules) -> None:
    marks.gates(verdict)
    champion = champion_now(model)
    if champion is not None:
        marks.against(version, champion, "champion", rules)
    if version.description:
        st.markdown("**Description**")
        st.text(version.description[:2_000])


def _origin(version: ModelVersion) -> None:
    st.markdown("**Where it came from**")
    facts = {
        "Made": head.created(version.created_at),
        "Technique": version.technique or UNKNOWN,
        "Format": version.format or UNKNOWN,
        "Data revision": version.data_revision or UNKNOWN,
        "Git commit": version.git_commit or UNKNOWN,
        "State in MLflow": version.status,
    } | {f"Tag {key}": value for key, value in marks.own_tags(version.tags).items()}
    st.table(
        {plain(key, 60): plain(value, 200) for key, value in facts.items()}, border="horizontal"
    )
    links.revisions(version.project, version.tags)
    if version.run_id and navigation.has("run"):
        navigation.link("run", "The run that made it", icon="play_circle", run=version.run_id)
    marked.lineage(numbered("version", version.project, version.name, version.version).id)
