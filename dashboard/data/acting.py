"""What is done with versions: make, check out, send, fetch, free, share."""

import shlex
from collections.abc import Callable
from functools import partial

import streamlit as st

from dashboard import state
from dashboard.components import actions
from dashboard.components.actions import Proposal
from dashboard.data import access, work
from dashboard.data.access import Holding
from dashboard.text import plain
from services.actions.data_add import DataAdd
from services.actions.data_checkout import DataCheckout
from services.actions.data_prune import DataPrune
from services.actions.data_pull import DataPull
from services.actions.data_push import DataPush
from services.actions.data_share import DataShare
from services.data.models import Kind, Version

_LOST_SHOWN = 12
_SETTLED = {"clean", "empty", "not listed"}


def project_buttons(holding: Holding, off: str | None) -> None:
    """Draw what is done with all versions of a project; off, with the reason, for who may not."""
    project, kind = holding.project, holding.kind
    name = shlex.quote(project)
    why = actions.why_not(DataAdd, project=project, off=off) or _nowhere(holding)
    actions.button(
        "Make a version",
        Proposal(
            f"Make a version of what {project} holds now",
            lambda: DataAdd(project),
            "Make it",
            f"mlops data add {name}",
            during=partial(work.bar, project),
        ),
        key="data-add",
        icon="add_circle",
        off=why,
        kind="primary" if holding.word in {"changed", "untracked"} else "secondary",
    )
    actions.button(
        "Free the cache",
        Proposal(
            f"Free the cache of old versions of {project}",
            _prune(project),
            "Free it",
            f"mlops data prune {name} --keep N",
            during=partial(work.bar, project),
        ),
        key="data-prune",
        icon="mop",
        off=actions.why_not(DataPrune, project=project, off=off) or _nowhere(holding),
    )
    actions.button(
        "Share",
        Proposal(
            f"Share {kind} of {project}",
            _share(project, kind),
            "Share",
            f"mlops data share {name} WITH{' --models' if kind == 'models' else ''}",
        ),
        key="data-share",
        icon="share",
        off=actions.why_not(DataShare, project=project, off=off) or _nowhere(holding),
    )


def _nowhere(holding: Holding) -> str | None:
    return holding.why if holding.word in {"damaged", "no repository"} else None


def _prune(project: str) -> Callable[[], DataPrune | None]:
    def fields() -> DataPrune | None:
        keep = st.number_input(
            "Versions to keep of data and of models each",
            min_value=1,
            max_value=10_000,
            value=3,
            key="data-keep",
            help="The present one stays in any case, and so does what no remote has.",
        )
        return DataPrune(project, int(keep))

    return fields


def _share(project: str, kind: Kind) -> Callable[[], DataShare | None]:
    def fields() -> DataShare | None:
        taken = {share.with_project for share in access.shares(project, kind)} | {project}
        mine = state.visible_projects()
        others = [
            one
            for one in access.service().projects()
            if one not in taken and (mine is None or one in mine)
        ]
        chosen = st.selectbox(
            "With", others, index=None, key="data-with", placeholder="Choose a project"
        )
        if not others:
            st.caption("There is no other project with a data repository.")
        return DataShare(project, chosen, kind) if chosen else None

    return fields


def stop_button(project: str, with_project: str, kind: Kind, off: str | None) -> None:
    """Draw the button that takes a share back."""
    action = DataShare(project, with_project, kind, back=True)
    actions.button(
        "Stop sharing",
        Proposal(f"Stop sharing {kind} with {with_project}", lambda: action, "Stop sharing"),
        key=f"data-unshare:{with_project}",
        icon="link_off",
        off=actions.why_not(DataShare, project=project, off=off),
        kind="tertiary",
    )


def version_buttons(holding: Holding, version: Version, off: str | None) -> None:
    """Draw what is done with one version: another project's can be checked out alone."""
    project, name, rev = holding.project, shlex.quote(holding.project), version.revision
    own = version.project == project
    held = own and version.current and holding.word == "clean"
    why = actions.why_not(DataCheckout, project=project, off=off) or _nowhere(holding)
    actions.button(
        "Check out",
        Proposal(
            f"Check out version {rev}",
            _checkout(holding, version),
            "Check out",
            f"mlops data checkout {name} {rev}",
            during=partial(work.bar, project),
        ),
        key="data-checkout",
        icon="move_to_inbox",
        off=why or ("The folder holds this version." if held else None),
        kind="primary" if not held else "secondary",
    )
    if not own:
        return
    for label, key, icon, kind in (
        ("Send", "push", "cloud_upload", DataPush),
        ("Fetch", "pull", "cloud_download", DataPull),
    ):
        action = kind(project, rev)
        actions.button(
            label,
            Proposal(
                action.title,
                partial(_same, action),
                label,
                f"mlops data {key} {name} {rev}",
                during=partial(work.bar, project),
            ),
            key=f"data-{key}",
            icon=icon,
            off=actions.why_not(kind, project=project, off=off) or _nowhere(holding),
        )


def _same(action: DataPush | DataPull) -> DataPush | DataPull:
    return action


def _checkout(holding: Holding, version: Version) -> Callable[[], DataCheckout | None]:
    def fields() -> DataCheckout | None:
        if holding.word not in _SETTLED:
            lost = access.lost(holding.project, version.revision)
            if lost:
                _refused(holding, lost)
                return None
        return DataCheckout(holding.project, version.revision)

    return fields


def _refused(holding: Holding, lost: tuple[str, ...]) -> None:
    count = "1 file" if len(lost) == 1 else f"{len(lost):,} files"
    names = "\n".join(f"- {plain(path, 200)}" for path in lost[:_LOST_SHOWN])
    more = f"\n- and {len(lost) - _LOST_SHOWN:,} more" if len(lost) > _LOST_SHOWN else ""
    st.error(
        f"**{count} would be lost:** no version has them as they are now. Make a version of "
        f"{plain(holding.project)} first, then check out.\n\n{names}{more}",
        icon=":material/error:",
    )
