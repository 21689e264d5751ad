"""From a technique to its runs: the table of all runs, filtered."""

from dataclasses import replace

import streamlit as st

from dashboard.experiments import address
from dashboard.experiments.conditions import Condition, with_condition
from dashboard.experiments.view import KEYS, View

SIDE = "view"
"""Names the side of the Experiments page in the address; without it the runs are shown."""


def filter_of(text: str, project: str, technique: str) -> str:
    """Return the filter that finds a technique's finished runs within what ``text`` finds."""
    for field, value in (
        ("project", project),
        ("technique", technique),
        ("status", "finished"),
    ):
        text = with_condition(text, Condition(field, "=", (value,)))
    return text


def show_runs(project: str, technique: str) -> None:
    """Turn the page to the table of a technique's runs: for callbacks, one step of history."""
    view, _ = address.current()
    shown = replace(view, filter=filter_of(view.filter, project, technique), page=1)
    st.query_params.update(_params(shown) | {SIDE: []})


def _params(view: View) -> dict[str, str | list[str]]:
    params = view.to_params()
    return {key: params.get(key) or [] for key in KEYS}
