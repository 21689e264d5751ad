"""How an application asks the endpoint: its address, a key, and programs ready to paste."""

import streamlit as st

from dashboard.components import located, notices
from dashboard.deployments import access, form, gateway, snippets
from dashboard.deployments.address import API
from dashboard.text import plain
from services.serving.looking import Deployment
from services.serving.models import BundleInfo, Field


def draw(seen: Deployment) -> None:
    """Draw it."""
    info = access.schema_of(access.route(seen.name), None)
    if info is None:
        notices.empty(
            "It cannot be asked yet",
            "The programs stand here as soon as a version answers.",
            icon="code",
        )
        return
    way = located.choice("By", snippets.ways(info), name=API, default=snippets.OIP)
    url = gateway.address()
    st.caption(_ABOUT[way])
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Shell**")
        st.code(snippets.curl(way, url, info), language="shell", wrap_lines=True)
        _schema(info)
    with right:
        st.markdown("**Python**")
        st.code(snippets.python(way, url, info), language="python", wrap_lines=True)


_ABOUT = {
    snippets.OIP: "The Open Inference Protocol: `pip install tritonclient[http]`. The key is in "
    "MLOPS\\_API\\_KEY; the part Keys makes one.",
    snippets.PLAIN: "Columns in, columns out. The key is in MLOPS\\_API\\_KEY; the part Keys makes "
    "one.",
    snippets.OPENAI: "As OpenAI's: `pip install openai`. The key is in MLOPS\\_API\\_KEY; the part "
    "Keys makes one.",
}


def _schema(info: BundleInfo) -> None:
    st.markdown("**What it takes**")
    st.table(
        {plain(one.name, 60): plain(_said(one), 200) for one in info.inputs}, border="horizontal"
    )
    st.markdown("**What it answers**")
    st.table(
        {plain(one.name, 60): plain(_said(one), 200) for one in info.outputs}, border="horizontal"
    )


def _said(one: Field) -> str:
    told = form.about(one)
    return f"{one.title}: {told}" if one.title else told
