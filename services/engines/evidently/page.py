"""One page of one or two of Evidently's reports, and what is to be said of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evidently.core.metric_types import render_widgets  # noqa: TID253 - see reporting
from evidently.legacy.renderers.html_widgets import group_widget, text_widget  # noqa: TID253

from services.engines.evidently import labelled, tables

if TYPE_CHECKING:
    from evidently.core.report import Snapshot


def html(made: "Snapshot", labels: "Snapshot | None", notes: Sequence[str]) -> str:
    """Return the page: notes, then predictions beside labels, then each column."""
    parts = [text_widget(text=_plain(note), title="") for note in notes]
    if labels is not None:
        widgets = labels.to_snapshot_model().widgets
        parts.append(group_widget(title=labelled.TITLE, widgets=widgets))
    parts.append(group_widget(title="", widgets=made.to_snapshot_model().widgets))
    return str(render_widgets(parts, as_iframe=False))


def _plain(note: str) -> str:
    """Return a note as Markdown that shows it as it is."""
    return "".join(f"\\{sign}" if sign in r"\`*_[]#|~" else sign for sign in tables.harmless(note))
