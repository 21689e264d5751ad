"""One project's data or models: what the folder holds, its versions, and one of them in full."""

import streamlit as st

from dashboard import marked
from dashboard.components import located, notices, status
from dashboard.components.live import live
from dashboard.data import access, acting, changes, head, sharing, users, versions, work
from dashboard.data.access import Holding
from dashboard.data.address import PART, REVISION
from dashboard.numbers import UNKNOWN, age, counted, size
from dashboard.text import plain
from services.data.models import Kind, Use, Version

PARTS = ["Changes", "Used by"]
LIVE_S = 4.0


def draw(project: str, name: str, kind: Kind) -> None:
    """Draw all of it."""
    off = notices.engine_notice("controller")
    work.draw([project])
    live(head.draw, LIVE_S)(project, name, kind)
    holding = next(h for h in access.holdings([project], {project: name}) if h.kind == kind)
    with st.container(horizontal=True, vertical_alignment="center"):
        acting.project_buttons(holding, off)
    if holding.word == "damaged":
        return
    own, shared = access.versions(project, kind), access.shared_with(project, kind)
    if not own:
        head.empty(holding)
    asked = st.query_params.get(REVISION, "")
    shown, missing = versions.looked_at(own, shared, asked)
    if own:
        st.subheader("Versions")
        live(versions.draw, LIVE_S)(project, kind, shown.revision if shown else None)
    if missing:
        st.info(_missing(asked, shown), icon=":material/link_off:")
    if shown is not None:
        use = access.uses(project, kind)
        _version(holding, shown, [*own, *shared], use, off)
    sharing.draw(project, kind, shared, off)


def _missing(asked: str, shown: Version | None) -> str:
    instead = f"this is {shown.revision}, the present one" if shown else "there is none yet"
    return f"There is no version “{plain(asked, 40)}” here: {instead}."


def _version(
    holding: Holding,
    version: Version,
    known: list[Version],
    uses: dict[str, Use] | None,
    off: str | None,
) -> None:
    use = None if uses is None else uses.get(version.revision, Use(version.revision))
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(f"Version {version.revision}", width="content")
            _badges(holding, version)
            flags = marked.of_revision(version.kind, version.revision)
            marked.badge(flags, holding.project)
            st.space("stretch")
            acting.version_buttons(holding, version, off)
        st.caption(_line(version))
        part = located.choice("Part", PARTS, name=PART, default=PARTS[0], collapsed=True)
        if part == PARTS[0]:
            others = [v for v in known if (v.project, v.revision) != _key(version)]
            changes.draw(holding.project, version, others)
        else:
            users.draw(version, holding.kind, use)


def _key(version: Version) -> tuple[str, str]:
    return version.project, version.revision


def _badges(holding: Holding, version: Version) -> None:
    if version.project != holding.project:
        st.badge(f"of {plain(version.project, 40)}", icon=":material/share:", color="violet")
        return
    if version.current:
        status.badge("current")
    if version.from_project:
        whose = f"from {plain(version.from_project, 40)}"
        st.badge(whose, icon=":material/share:", color="violet")
    status.badge(version.remote, _REMOTE[version.remote])


_REMOTE = {"there": "on the remote", "queued": "waits for the remote", "not sent": "not sent"}


def _line(version: Version) -> str:
    parts = [
        counted(version.files, "file"),
        size(version.bytes),
        f"made {age(version.at)}",
        f"last in the folder {age(version.last_at)}",
        f"in {plain(', '.join(version.paths), 160)}" if version.paths else UNKNOWN,
    ]
    return " · ".join(parts)
