"""Who uses a version: the runs that carry its revision, and the registered versions that do."""

import streamlit as st

from dashboard import navigation, state
from dashboard.components import status
from dashboard.numbers import age, counted
from dashboard.text import plain
from services.data.models import Kind, Use, Version
from services.data.using import tag_of
from services.errors import MlopsError
from services.mirror.filters import field_name, quote
from services.mirror.models import Run

_SHOWN = 8


def draw(version: Version, kind: Kind, use: Use | None) -> None:
    """Draw the users of a version, each with the way to it."""
    if use is None:
        st.caption("Who uses it cannot be told while the mirror cannot be read.")
        return
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(f"**Runs** :gray[{len(use.runs):,}]")
        _runs(use, kind)
    with right:
        st.markdown(f"**Registered model versions** :gray[{len(use.versions):,}]")
        _versions(use)
    if navigation.has("lineage"):
        navigation.link(
            "lineage", "What came of it", icon="conversion_path", id=f"{kind}:{version.revision}"
        )
    st.caption(_legend(version, kind))


def _runs(use: Use, kind: Kind) -> None:
    if not use.runs:
        st.caption("No run carries this revision.")
        return
    for run_id in use.runs[:_SHOWN]:
        run = _run(run_id)
        if run is None:
            continue
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            navigation.link(
                "run", plain(run.name or run_id[:8], 50), icon="play_circle", run=run_id
            )
            st.markdown(
                f"{status.inline(run.status)} :gray[{plain(run.project, 40)}, "
                f"{age(run.started_at)}]",
                width="content",
            )
    if len(use.runs) > _SHOWN:
        what = f"{field_name('tags', tag_of(kind))} = {quote(use.revision)}"
        navigation.link(
            "experiments", f"All {counted(len(use.runs), 'run')}", icon="arrow_forward", q=what
        )


def _run(run_id: str) -> Run | None:
    try:
        return state.mirror().run(run_id).run
    except MlopsError:  # deleted in this moment
        return None


def _versions(use: Use) -> None:
    if not use.versions:
        st.caption("No registered version carries this revision.")
    for project, model, number in use.versions[:_SHOWN]:
        navigation.link(
            "model",
            f"{plain(model, 60)} version {number}",
            icon="deployed_code",
            of=project,
            model=model,
            version=str(number),
        )
    if len(use.versions) > _SHOWN:
        st.caption(f"and {len(use.versions) - _SHOWN:,} more, those of older versions.")


def _legend(version: Version, kind: Kind) -> str:
    whose = f" of {plain(version.project)} and of projects it is shared with"
    verb = "found this data when it started" if kind == "data" else "left these models"
    return f"Runs{whose}: each {verb}. Archived ones are not counted."
