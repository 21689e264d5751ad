"""Curves and listings the mirror does not hold yet: asked for once, drawn when they are there."""

from collections.abc import Iterable, Sequence

import streamlit as st

from dashboard import state

_ASKED = "experiments:asked"
_MOST = 200


def want(kind: str, keys: Iterable[str]) -> int:
    """Ask the controller for what was not asked for yet; return how many are still awaited."""
    asked: dict[str, int] = st.session_state.setdefault(_ASKED, {})
    waiting = 0
    new: list[str] = []
    for key in list(keys)[:_MOST]:
        name = f"{kind}/{key}"
        times = asked.get(name, 0)
        if times == 0:
            new.append(key)
        asked[name] = times + 1
        # What has not come after this many looks will not come soon: stop looking every second.
        waiting += times < _PATIENCE
    if new:
        state.journal().want(kind, *new)
    return waiting


_PATIENCE = 15
_LOOKED = "experiments:looked"


def ask_once(run_ids: Sequence[str], keys: Sequence[str]) -> None:
    """Ask for the curves of these runs that MLflow has and the mirror has not, once a session."""
    looked: set[tuple[str, Sequence[str]]] = st.session_state.setdefault(_LOOKED, set())
    fresh = [run_id for run_id in run_ids if (run_id, tuple(keys)) not in looked]
    if not fresh:
        return
    missing = state.mirror().missing_curves(fresh, keys)
    want("curve", (f"{run_id}/{key}" for run_id, key in missing))
    looked.update((run_id, tuple(keys)) for run_id in fresh)
