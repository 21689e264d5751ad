"""The runs of a comparison: which they are, which is the base, which is taken out."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from dashboard import navigation
from dashboard.components import notices, status
from dashboard.experiments import compare_address
from dashboard.experiments.access import detail_of
from dashboard.experiments.compare_address import Compared
from dashboard.experiments.comparison import Comparison
from dashboard.experiments.run_head import name_of
from dashboard.numbers import counted
from dashboard.text import plain
from services.errors import NotFoundError
from services.mirror.models import RunDetail

_BASE = "cmp-base"


def read(compared: Compared) -> tuple[tuple[RunDetail, ...], tuple[str, ...]]:
    """Return the runs there are, and a sentence for each there is not."""
    found: list[RunDetail] = []
    missing = []
    for run_id in compared.runs:
        try:
            found.append(detail_of(run_id))
        except NotFoundError as error:
            missing.append(error.message)
    return tuple(found), tuple(missing)


def draw(details: Sequence[RunDetail], compared: Compared) -> None:
    """Draw each run as a chip with the way to it, and the choice of the base."""
    runs = [detail.run for detail in details]
    names = {run.run_id: name_of(run) for run in runs}
    st.session_state[_BASE] = compared.runs[compared.base_index]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Base",
            [run.run_id for run in runs],
            key=_BASE,
            format_func=lambda run_id: f"{names.get(run_id, '')[:40]} · {run_id[:6]}",
            help="The run the others are measured against",
            width=320,
            on_change=_based,
        )
        _more(compared)
    with st.expander(counted(len(runs), "run"), icon=":material/list:"):
        for run in runs:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                navigation.link("run", plain(name_of(run), 60), run=run.run_id)
                status.badge(run.status, why=run.status_reason)
                technique = f" · {plain(run.technique, 40)}" if run.technique else ""
                st.caption(f"{plain(run.project)}{technique} · {run.run_id[:8]}", width="stretch")
                st.button(
                    "",
                    icon=":material/close:",
                    help="Leave this run out",
                    type="tertiary",
                    key=f"cmp-drop-{run.run_id}",
                    on_click=compare_address.show,
                    args=(compared.without(run.run_id),),
                )


def _based() -> None:
    compared, _ = compare_address.current()
    compare_address.show(replace(compared, base=st.session_state[_BASE]))


def _more(compared: Compared) -> None:
    navigation.link(
        "experiments", "Choose other runs", icon="checklist", sel=",".join(compared.runs)
    )


def warnings(comparison: Comparison) -> None:
    """Draw why these runs may not be like for like."""
    if not comparison.warnings:
        return
    told = "\n".join(f"- {plain(sentence, 500)}" for sentence in comparison.warnings)
    st.warning(told, icon=":material/warning:", title="Not quite like for like")


def too_few(count: int) -> None:
    """Draw how a comparison begins."""
    word = "One run is" if count else "No run is"
    notices.empty(
        "Choose two to twenty runs",
        f"{word} named. Tick runs in the table and press Compare; the address then names them. "
        "Techniques of a project are compared below without choosing runs.",
        icon="compare_arrows",
        action=lambda: navigation.link("experiments", "Go to the runs", icon="science"),
        command="mlops runs compare RUN RUN",
    )
