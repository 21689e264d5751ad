"""What a deployment takes, before it is begun: the planner's figure, its error, and what fits."""

import streamlit as st

from dashboard import state
from dashboard.charts.theme import Colours, colours
from dashboard.components import notices
from dashboard.text import markup, plain
from services.actions import serving
from services.actions.deploy import BACKENDS, Deploy
from services.errors import BundleError, EngineError, MlopsError
from services.resources.models import GIB, gib
from services.serving.models import Target
from services.serving.workbench import Outlook

_LOOK_S = 0.5
_LATER = (
    "What it takes is planned when it is packaged, a step before anything is loaded; what does not "
    "fit changes nothing."
)


def draw(wish: Deploy) -> None:
    """Draw it; while MLflow is still asked of a version that was not packaged, again and again."""
    if not _drawn(wish):
        st.fragment(_follow, run_every=_LOOK_S)(wish)


def _drawn(wish: Deploy) -> bool:
    """Draw what is known; return whether anything is, or is not to be."""
    try:
        found = serving.outlook(state.context(), wish.project, wish.model, target(wish))
    except BundleError:  # it will be refused: what happens says so, right below
        return True
    except EngineError as error:
        st.caption(f":material/memory: {plain(error.message, 300)} {_LATER}")
        return True
    except MlopsError as error:
        st.caption(f"What it takes is not known: {plain(error.message, 300)}")
        return True
    if found is None:
        return False
    with st.container(border=True, key="deploy-room", gap="small"):
        _told(found, wish)
    return True


def _follow(wish: Deploy) -> None:
    if not _drawn(wish):
        st.caption(f":material/memory: The registry is asked how large its files are. {_LATER}")


def target(wish: Deploy) -> Target:
    """Return what is planned for: one version and its replicas."""
    backend = next((one for one in BACKENDS if one == wish.backend), None)
    return Target(
        wish.version or 0,
        wish.min_replicas or 0,
        wish.max_replicas or 1,
        backend,
        memory_bytes=round((wish.memory_gb or 0) * GIB),
        max_batch=wish.max_batch or Target(0).max_batch,
    )


def _told(found: Outlook, wish: Deploy) -> None:
    count = max(1, wish.min_replicas or 1)
    whole = found.memory_bytes * count
    st.html(bar(whole, found.free_bytes, colours()))
    if not found.fits:
        notices.problem(MlopsError(found.said))
        if found.room:
            st.markdown(
                "**What would make room**\n" + "\n".join(f"- {plain(r, 300)}" for r in found.room)
            )
    each = f"{gib(found.memory_bytes)} by each replica"
    told = found.estimate_said or found.memory_said
    st.caption(f"{plain(each)}. {plain(told, 400)} {plain(found.error_said, 300)}")
    if found.rests_on:
        st.caption(plain(found.rests_on, 300))
    if found.backend:
        st.caption(f"On **{plain(found.backend)}**: {plain(found.backend_reason, 300)}")


def bar(needs: int, free: int | None, hues: Colours) -> str:
    """Return what is needed against what is left, as a bar."""
    if free is None:
        return (
            f'<div style="font-size:13px">Needs <b>{gib(needs)}</b>; '
            f'<span style="color:{hues.muted}">how much is left is not known.</span></div>'
        )
    over = needs > free
    whole = max(needs, free, 1)
    tone = hues.bad if over else hues.accent
    told = f"Needs {gib(needs)} of {gib(free)} that are left"
    return (
        f'<div style="font-size:13px;margin-bottom:4px">Needs <b style="color:{tone}">'
        f"{gib(needs)}</b> of <b>{gib(free)}</b> that are left</div>"
        f'<div role="img" aria-label="{markup(told)}" style="position:relative;height:10px;'
        f"border-radius:5px;overflow:hidden;background:{hues.surface};border:1px solid "
        f'{hues.line}"><div style="height:100%;width:{needs / whole * 100:.1f}%;background:'
        f'{tone}"></div><div style="position:absolute;top:0;bottom:0;left:'
        f'{free / whole * 100:.1f}%;border-left:2px solid {hues.text}"></div></div>'
    )
