"""Checking all deployments of the scope at once: an action for each, as people ask for one."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from dashboard import state
from dashboard.components import actions
from dashboard.components.actions import Proposal
from dashboard.monitoring import acting
from dashboard.numbers import counted
from dashboard.text import plain
from services.actions import catalog
from services.actions.action import Action
from services.errors import MlopsError

_LISTED = 12


def button(names: Sequence[str], project: str | None, off: str | None) -> None:
    """Draw it.

    Args:
        names: ``PROJECT.MODEL`` of those in service, of projects that the person sees.
        project: Of the scope; None: all.
        off: Why nothing can be asked for, if so.
    """
    scope = "" if project is None else f" --project {project}"
    actions.button(
        "Check all",
        Proposal(
            f"Check {counted(len(names), 'deployment')} now",
            partial(_first, names),
            "Check them",
            f"mlops drift check --all{scope}",
            hand_over=partial(_hand_over, names),
        ),
        key="monitoring-all",
        icon="fact_check",
        off=actions.why_not(catalog.ACTIONS[acting.CHECK], off=off),
    )


def _first(names: Sequence[str]) -> Action:
    shown = ", ".join(names[:_LISTED])
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    st.markdown(plain(f"{shown}{more}. Below is how far the first of them is.", 2000))
    return _check(names[0])


def _check(name: str) -> Action:
    project, _, model = name.partition(".")
    return acting.made(acting.CHECK, project=project, model=model)


def _hand_over(names: Sequence[str], action: Action, submit: Callable[[Action], int]) -> int:
    """Ask for all; one that is refused keeps no other from being asked for.

    Returns:
        The number of the first check that was not refused.

    Raises:
        MlopsError: All were refused; why the first was.
    """
    asked: list[int] = []
    refused: dict[str, MlopsError] = {}
    for place, name in enumerate(names):
        try:
            if place == 0:
                asked.append(submit(action))
            else:
                key = f"{actions.opened()}-{place}"
                asked.append(state.executor().submit(state.actor(), _check(name), key).id)
        except MlopsError as error:
            refused[name] = error
    if not asked:
        raise next(iter(refused.values()))
    for name, why in refused.items():
        st.toast(plain(f"{name}: {why.message}", 300), icon=":material/error:")
    return asked[0]
