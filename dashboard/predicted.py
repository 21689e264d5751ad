"""What the pages know of predictions that were answered: how many, how fast, at what energy.

Like ``state`` and ``machines`` a place with ``st.cache_*``: the log grows all the time, so what was
read is true for some seconds, and all tabs share it.
"""

from datetime import datetime
from typing import TYPE_CHECKING

import streamlit as st

from services.errors import PlatformError
from services.home import Home
from services.serving.looking import NO_ENERGY, Energy

if TYPE_CHECKING:
    from services.predictions.answers import Bucket, VersionUse


@st.cache_resource(show_spinner=False, max_entries=128, ttl="60s")
def series(
    project: str, model: str, since: float, until: float, step_s: float, version: int | None = None
) -> tuple["Bucket", ...]:
    """Return what was answered by stretches of time; those without a request are left out.

    Raises:
        PlatformError: The prediction log cannot be read.
    """
    from services.predictions import reading

    return reading.series(Home.locate(), project, model, since, until, step_s, version)


@st.cache_resource(show_spinner=False, max_entries=64, ttl="60s")
def by_version(
    project: str, model: str, since: float | None, until: float | None
) -> tuple["VersionUse", ...]:
    """Return what each version answered.

    Raises:
        PlatformError: The prediction log cannot be read.
    """
    from services.predictions import reading

    return reading.by_version(Home.locate(), project, model, since, until)


def energy(since: datetime | None) -> Energy:
    """Return what tells the joules of a prediction of a version, since a time."""
    begin = None if since is None else since.timestamp()

    def told(project: str, model: str, version: int) -> tuple[float | None, str]:
        try:
            found = _used(project, model, begin)
        except PlatformError as error:
            return None, error.message
        used = next((one for one in found if one.version == version), None)
        if used is None:
            return None, "Nobody asked it in this stretch."
        if used.energy_j is None or not used.energy_rows:
            return None, NO_ENERGY
        return used.energy_j / used.energy_rows, ""

    return told


@st.cache_resource(show_spinner=False, max_entries=128, ttl="10s")
def _used(project: str, model: str, since: float | None) -> tuple["VersionUse", ...]:
    from services.predictions import reading

    return reading.by_version(Home.locate(), project, model, since)
