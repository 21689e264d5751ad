"""Labels that fit nothing: those of unknown requests, and those that fit no answer."""

from collections.abc import Iterator

import streamlit as st

from dashboard import state, watched
from dashboard.components import notices
from dashboard.text import plain
from services.errors import MlopsError
from services.monitoring.labels_fit import Fit


def draw(project: str | None, model: str | None = None) -> None:
    """Say which labels of the last day fit nothing; nothing where all do.

    Args:
        project: Of one; None: of all that the person may see.
        model: Its model; None: of unknown requests alone, which have no model.
    """
    try:
        told = list(_told(watched.label_fit(), project, model))
    except MlopsError as error:
        notices.problem(error)
        return
    for said, why in told:
        st.warning(f"{plain(said, 600)}\n\n{plain(why, 600)}", icon=":material/new_label:")


def _told(fit: Fit, project: str | None, model: str | None) -> Iterator[tuple[str, str]]:
    one = fit.of(project, model) if project is not None and model is not None else None
    if one is not None and one.day.bad:
        yield one.said, one.reasons
    mine = state.visible_projects()
    for each in fit.unknown:
        seen = mine is None or each.project in mine  # keys of all projects: who sees all of them
        if seen and (project is None or each.project in ("", project)):
            yield each.said, each.reasons
