"""What is done with one run: tag it, take a tag away, archive it, bring it back."""

from collections.abc import Callable

import streamlit as st

from dashboard.components import actions
from dashboard.components.actions import Proposal
from dashboard.experiments.run_tables import own_tags
from services.actions.archive import ArchiveRun
from services.actions.tag import TagRun
from services.mirror.models import Run

_REMOVE = "Remove this tag"


def draw(run: Run, off: str | None) -> None:
    """Draw the buttons; off, with the reason, for who may not."""
    tag_off = actions.why_not(TagRun, project=run.project, off=off)
    actions.button(
        "Tag",
        Proposal("Tag the run", _tag(run), "Write the tag"),
        key="run-tag",
        icon="sell",
        off=tag_off,
    )
    word = "Restore" if run.archived else "Archive"
    action = ArchiveRun(run.project, run.run_id, run.archived)
    archive_off = actions.why_not(ArchiveRun, project=run.project, off=off)
    if run.status == "running" and not run.archived:
        archive_off = archive_off or "It still runs: archive it when it has ended."
    actions.button(
        word,
        Proposal(f"{word} the run", lambda: action, word),
        key="run-archive",
        icon="unarchive" if run.archived else "archive",
        off=archive_off,
    )


def _tag(run: Run) -> Callable[[], TagRun | None]:
    def fields() -> TagRun | None:
        known = sorted(own_tags(run.tags))
        key = st.selectbox(
            "Tag",
            known,
            index=None,
            key="run-tag-key",
            accept_new_options=True,
            placeholder="Choose one or type a new name",
        )
        gone = st.toggle(_REMOVE, key="run-tag-gone", disabled=key not in known)
        value = st.text_input("Value", key="run-tag-value", max_chars=8000, disabled=gone)
        if not key or not key.strip():
            return None
        removed = gone and key in known
        return TagRun(run.project, run.run_id, key.strip(), None if removed else value)

    return fields
