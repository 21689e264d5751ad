"""What the registry's pages read, limited to what the person may see."""

import streamlit as st

from dashboard import state
from dashboard.registry.standing import Rules, rules_of
from services.actions import history
from services.actions.history import AliasSpan
from services.errors import NotFoundError
from services.mirror.models import RegisteredModel

OF, MODEL = "of", "model"
"""Parameters of the address: the project and the name of a model."""


def rules() -> dict[str, Rules]:
    """Return what each project says of its versions."""
    return {project.id: rules_of(project) for project in state.projects()}


def named_model() -> RegisteredModel:
    """Return the model the address names.

    Raises:
        NotFoundError: It names none, or one the person may not see.
    """
    project, name = st.query_params.get(OF, ""), st.query_params.get(MODEL, "")
    if not name:
        raise NotFoundError("The address names no model.", "Choose one in the registry.")
    found = [m for m in state.models() if m.name == name and project in ("", m.project)]
    if len(found) != 1:
        told = "There is no model" if not found else "More than one project has a model"
        raise NotFoundError(
            f"{told} “{name[:80]}” in the projects you see.",
            "`mlops models list` names the models there are.",
        )
    return found[0]


def spans(model: RegisteredModel, alias: str) -> tuple[AliasSpan, ...]:
    """Return who held an alias of a model when, the present holder first."""
    return history.alias_spans(state.journal(), model.project, model.name, alias)


def earlier(model: RegisteredModel, alias: str) -> tuple[int, ...]:
    """Return the versions an alias can be rolled back to, the nearest first."""
    there = {version.version for version in model.versions}
    known = history.earlier_versions(state.journal(), model.project, model.name, alias)
    return tuple(version for version in known if version in there)
