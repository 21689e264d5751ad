"""Whether serving can be asked to do something: told once, above what was last known."""

import time
from datetime import UTC, datetime

import streamlit as st

from dashboard import state
from dashboard.components import dialogs, notices
from dashboard.deployments import access
from dashboard.deployments.access import Picture
from dashboard.numbers import age
from dashboard.text import plain
from services.errors import MlopsError

OFF = "Serving is switched off in this installation."
_LOOK_S = 5.0


def notice() -> str | None:
    """Draw what cannot be asked now, and follow it; return why actions are off, None when not."""
    off = notices.engine_notice("controller")
    if not enabled():
        st.info(
            f"**{OFF}** Set `serving_enabled` to true in settings.toml, then `mlops up`. What was "
            "deployed before is below.",
            icon=":material/power_settings_new:",
        )
        return off or OFF
    found = access.picture()
    why = reason(found)
    st.fragment(_follow, run_every=_LOOK_S)(why)
    return off or why


def why_off() -> str | None:
    """Return why nothing can be deployed, without drawing it; None when it can."""
    if not enabled():
        return OFF
    try:
        return reason(access.picture())
    except MlopsError as error:
        return error.message


def enabled() -> bool:
    """Return whether this installation serves models."""
    return state.settings().serving_enabled


def reason(found: Picture) -> str | None:
    """Return why nothing can be done with deployments, None when it can."""
    if found.status is None:
        return "The serving engine has not come up yet."
    if found.status.stale():
        return f"The serving engine was last heard of {_ago(found.status.at)}."
    return None


def gateway_reason(found: Picture) -> str | None:
    """Return why no model can be asked now, None when it can."""
    return None if found.figures is not None else "The gateway does not answer."


def _follow(before: str | None) -> None:
    try:
        found = access.picture()
    except MlopsError as error:  # out of a fragment no error reaches the frame that tells them
        notices.problem(error)
        return
    now = reason(found)
    if before is not None and now is None:
        dialogs.redraw()  # what was off is on again
    if now is not None:
        _serving(found, now)
    elif found.status is not None and found.status.ray:
        _warn("Ray is not well.", found.status.ray, "sync_problem")
    if found.endpoints and found.figures is None and now is None:
        _warn(
            "The gateway does not answer.",
            "Applications get no answers now, and nobody counts requests. See `mlops status`; "
            "`mlops restart gateway` starts it again.",
            "cloud_off",
        )


def _serving(found: Picture, now: str) -> None:
    if found.status is None:
        _warn(
            now,
            "It begins with `mlops up`; `mlops status` tells how far it is. What is wanted is kept "
            "and comes up with it.",
            "cloud_off",
        )
        return
    _warn(
        now,
        "Models that are loaded go on answering; nothing is loaded, updated or restarted "
        "meanwhile. See `mlops status`; `mlops restart serving` starts it again. What is below "
        "of replicas is what it told last.",
        "cloud_off",
    )


def _warn(title: str, sentence: str, icon: str) -> None:
    st.warning(f"**{plain(title)}** {notices.advice(sentence)}", icon=f":material/{icon}:")


def _ago(at: float) -> str:
    if time.time() - at < 1:
        return "just now"
    return age(datetime.fromtimestamp(at, UTC))
