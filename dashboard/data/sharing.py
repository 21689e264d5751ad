"""With whom a project shares its versions, and what others share with it."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from dashboard import navigation
from dashboard.components import ages
from dashboard.data import access, acting
from dashboard.data.address import to
from dashboard.numbers import age, count, counted, size
from dashboard.text import plain
from services.data.models import Kind, Version

_SHOWN = 10


def draw(project: str, kind: Kind, shared: Sequence[Version], off: str | None) -> None:
    """Draw both directions; nothing where nothing is shared."""
    given = access.shares(project, kind)
    if not given and not shared:
        return
    st.subheader("Sharing")
    for share in given:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(
                f"**{plain(share.with_project)}** may check out every version of {kind} "
                f":gray[since {age(share.at)}, by {plain(share.by, 40)}]",
                width="content",
            )
            acting.stop_button(project, share.with_project, kind, off)
    for owner in dict.fromkeys(version.project for version in shared):
        _from(owner, project, kind, [v for v in shared if v.project == owner])


def _from(owner: str, project: str, kind: Kind, versions: Sequence[Version]) -> None:
    st.markdown(
        f"**{plain(owner)}** shares {counted(len(versions), 'version')} of {kind} with this project"
    )
    for version in versions[:_SHOWN]:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            navigation.link(
                "data", version.revision, icon="share", **to(project, kind, version.revision)
            )
            st.caption(_told(version.files, version.bytes, version.at), width="content")
    if len(versions) > _SHOWN:
        st.caption(
            f"and {count(len(versions) - _SHOWN)} older ones: choose them in “Compared with”."
        )


def _told(files: int, bytes_: int, at: datetime) -> str:
    return f"{counted(files, 'file')}, {size(bytes_)}, made {age(at)} ({ages.exact(at)})"
