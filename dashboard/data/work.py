"""What is being done with files at this moment, by whomever; drawn again every second."""

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from dashboard import state
from dashboard.components import actions, notices, status
from dashboard.data import access
from dashboard.numbers import age, duration, size
from dashboard.text import plain
from services.actions.executor import ActionRecord
from services.data.models import Underway
from services.errors import MlopsError

LIVE_S = 1.0
KINDS = (
    "data-add", "data-collect", "data-push", "data-pull", "data-checkout", "data-prune",
    "data-share",
)  # fmt: skip
_WORDS = {
    "reading": "Reading files",
    "keeping": "Taking files into the cache",
    "placing": "Placing files",
    "checking": "Checking files by their hash",
    "sending": "Sending",
    "fetching": "Fetching",
    "pruning": "Freeing the cache",
    "collecting": "Collecting from the prediction log",
}
_MOST = 5


def draw(projects: Sequence[str]) -> None:
    """Draw what is under way in these projects, and go on drawing it."""
    st.fragment(_draw, run_every=LIVE_S)(tuple(projects))


def bar(project: str) -> None:
    """Draw how far what is done with a project's files is; nothing when nothing is."""
    found = access.service().underway(project)
    if found is not None:
        st.progress(share(found), text=plain(told(found), 300))


def _draw(projects: tuple[str, ...]) -> None:
    try:
        records = _records(projects)
    except MlopsError as error:  # out of a fragment no error reaches the frame that tells them
        notices.problem(error)
        return
    for project in projects:
        found = access.service().underway(project)
        mine = [record for record in records if record.project == project]
        if found is None and not mine:
            continue
        with st.container(border=True, gap="xsmall"):
            _head(project, mine)
            for record in mine[:_MOST]:
                actions.steps(record)
            if found is not None:
                st.progress(share(found), text=plain(told(found), 300))


def _head(project: str, records: Sequence[ActionRecord]) -> None:
    if not records:
        st.markdown(f"**{plain(project)}** · a run or a command works on its files")
        return
    for record in records[:_MOST]:
        asked = f":gray[asked by {plain(record.actor, 40)} {age(record.submitted_at)}]"
        st.markdown(f"{status.inline(record.state)} **{plain(record.title)}** {asked}")
    if len(records) > _MOST:
        st.caption(f"and {len(records) - _MOST} more, one after another: see Activity.")


def _records(projects: Sequence[str]) -> list[ActionRecord]:
    found = state.executor().history(
        projects=tuple(projects), kinds=KINDS, states=("pending", "running")
    )
    return sorted(found, key=lambda record: record.id)


def share(found: Underway) -> float:
    """Return how much of it is done, 0–1: of the bytes where their sum is known."""
    for done, total in ((found.bytes, found.bytes_total), (found.files, found.files_total)):
        if total:
            return max(0.0, min(1.0, done / total))
    return 0.0


def told(found: Underway, now: datetime | None = None) -> str:
    """Return how far it is, in words."""
    files = (
        f"{found.files:,} {found.unit}"
        if found.files_total is None
        else (f"{found.files:,} of {found.files_total:,} {found.unit}")
    )
    amount = ""
    if found.bytes_total:
        amount = f", {size(found.bytes)} of {size(found.bytes_total)}"
    elif found.bytes:
        amount = f", {size(found.bytes)}"
    still = ((now or datetime.now(UTC)) - found.at).total_seconds()
    waits = f"; no news for {duration(still)}" if still > _QUIET_S else ""
    return f"{_WORDS.get(found.what, found.what)}: {files}{amount}{waits}"


_QUIET_S = 10.0
