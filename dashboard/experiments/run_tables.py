"""Metrics, parameters and tags of one run as tables that stay small with 5,000 names."""

import math
from collections.abc import Mapping

import streamlit as st

from dashboard import state
from dashboard.components import notices, tables
from dashboard.experiments.units import figure
from dashboard.numbers import counted, moment
from services.mirror.models import MetricPoint

_MOST = 200
_SEARCH_FROM = 30
_SYSTEM = ("mlflow.", "mlops.")


def metrics(points: Mapping[str, MetricPoint]) -> None:
    """Draw every metric's last value; what is not finite comes last."""
    if not points:
        notices.empty("No metric", "This run has logged no metric.", icon="query_stats")
        return
    names = _found(points, "metric")
    names.sort(key=lambda name: (not math.isfinite(points[name].value), name))
    zone = state.zone()
    rows = [
        {
            "metric": name,
            "last": figure(name, points[name].value, 6),
            "step": f"{points[name].step:,}",
            "time": moment(points[name].at, zone),
        }
        for name in names[:_MOST]
    ]
    columns = {
        "metric": st.column_config.TextColumn("metric", width="medium", pinned=True),
        "last": st.column_config.TextColumn("last value", alignment="right"),
        "step": st.column_config.TextColumn("step", alignment="right"),
        "time": st.column_config.TextColumn("logged at"),
    }
    tables.table(rows, columns, key="run-metrics")
    _cut(names)
    odd = sum(not math.isfinite(points[name].value) for name in names)
    if odd:
        verb = "is" if odd == 1 else "are"
        told = f"{counted(odd, 'metric')} {verb} NaN or infinite"
        st.caption(f":material/warning: {told} and {'stands' if odd == 1 else 'stand'} last.")


def pairs(values: Mapping[str, str], noun: str) -> None:
    """Draw names and values."""
    if not values:
        st.caption(f"No {noun} was logged.")
        return
    names = sorted(_found(values, noun))
    rows = [{noun: name, "value": values[name]} for name in names[:_MOST]]
    columns = {
        noun: st.column_config.TextColumn(noun, width="medium", pinned=True),
        "value": st.column_config.TextColumn("value", width="large"),
    }
    tables.table(rows, columns, key=f"run-{noun}s")
    _cut(names)


def own_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags people set, without the bookkeeping of MLflow and the client."""
    return {name: value for name, value in tags.items() if not name.startswith(_SYSTEM)}


def _found(values: Mapping[str, object], noun: str) -> list[str]:
    if len(values) <= _SEARCH_FROM:
        return list(values)
    text = st.text_input(
        f"Find one of {counted(len(values), noun)}",
        key=f"run-find-{noun}",
        type="search",
        live="200ms",
    )
    words = text.casefold().split()
    return [name for name in values if all(word in name.casefold() for word in words)]


def _cut(names: list[str]) -> None:
    if len(names) > _MOST:
        st.caption(f"The first {_MOST} of {len(names):,} are shown: search to see others.")
    elif not names:
        st.caption("Nothing has that name.")
