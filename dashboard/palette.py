"""The command palette: pages, projects, models, deployments, workflows and runs (Ctrl + K)."""

from collections.abc import Iterator

import streamlit as st

from dashboard import flows, navigation, state
from dashboard.components import dialogs
from dashboard.deployments import access as deployments
from dashboard.text import plain
from services.errors import MlopsError
from services.mirror import filters
from services.mirror.models import RunQuery

_EACH = 5
_FOCUS = """<script>
  setTimeout(() => document.querySelector('[role="dialog"] input')?.focus(), 120)
</script>"""


def button() -> None:
    """Draw the button that opens the palette."""
    if st.button(
        "Search", icon=":material/search:", shortcut="Mod+K", width="stretch", key="palette"
    ):
        _open()


@dialogs.dialog("Go to", icon=":material/search:")
def _open() -> None:
    words = st.text_input(
        "Search pages, projects, models, deployments, workflows and runs",
        key="palette-words",
        type="search",
        live="200ms",
        label_visibility="collapsed",
        placeholder="Page, project, model, deployment, workflow, run name or id",
    ).strip()
    found = False
    for group, name, label, params in _hits(words):
        found = True
        with st.container(horizontal=True, vertical_alignment="center"):
            navigation.link(name, plain(label, 80), **params)
            st.caption(group)
    if not found:
        st.caption("Nothing has that name. Runs are found by name, technique, project or id.")
    st.html(_FOCUS, unsafe_allow_javascript=True)


def _hits(words: str) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    folded = words.lower()
    person = state.user()
    for entry in navigation.entries():
        if (
            entry.listed
            and folded in entry.title.lower()
            and (not entry.admin or person.role == "admin")
        ):
            yield "page", entry.name, entry.title, {}
    if not words:
        return
    try:
        yield from _things(words, folded)
    except MlopsError:  # the mirror cannot be read: the pages above are still found
        return


def _things(words: str, folded: str) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    yield from _of_models(folded)
    yield from _of_work(words, folded)


def _of_models(folded: str) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    projects = [p for p in state.projects() if folded in f"{p.id} {p.title}".lower()]
    for project in projects[:_EACH]:
        yield "project", "project", project.title, {"id": project.id}
    if navigation.has("model"):
        models = [m for m in state.models() if folded in m.name.lower()]
        for model in models[:_EACH]:
            params = {"of": model.project, "model": model.name}
            yield f"model · {model.project}", "model", model.name, params
    if navigation.has("deployments"):
        serving = [d for d in deployments.picture().endpoints if folded in d.name.lower()]
        for one in serving[:_EACH]:
            yield f"deployment · {one.project}", "deployments", one.model, {"deployment": one.name}


def _of_work(words: str, folded: str) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    if navigation.has("workflows"):
        flowing = [w for w in flows.workflows() if folded in f"{w.dag_id} {w.title}".lower()]
        for workflow in flowing[:_EACH]:
            yield "workflow", "workflows", workflow.title, {"dag": workflow.dag_id}
    if navigation.has("run"):
        text = filters.quote(words)
        mine = state.visible_projects()
        page = state.runs(RunQuery(filter=text, projects=mine, limit=_EACH))
        for run in page.rows:
            yield f"run · {run.project}", "run", run.name or run.run_id[:8], {"run": run.run_id}
