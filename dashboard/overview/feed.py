"""The change feed as one drawing: an element a line takes the browser longer than all the rest."""

from collections.abc import Sequence

from dashboard.charts.theme import Colours
from dashboard.numbers import age
from dashboard.text import markup
from services.mirror.models import Change

_ICONS = {
    "run.started": ("play_circle", "accent"),
    "run.finished": ("check_circle", "good"),
    "run.failed": ("cancel", "bad"),
    "run.lost": ("help", "warn"),
    "run.archived": ("inventory_2", "muted"),
    "run.restored": ("unarchive", "muted"),
    "model.registered": ("deployed_code", "accent"),
    "alias.set": ("trophy", "good"),
    "alias.removed": ("label_off", "warn"),
    "project.connected": ("folder_open", "good"),
    "project.broken": ("error", "bad"),
    "project.missing": ("folder_off", "warn"),
    "engine.live": ("check_circle", "good"),
    "engine.down": ("cloud_off", "bad"),
}
_LIST = (
    "display:grid;grid-template-columns:auto minmax(0,1fr) auto;column-gap:6px;row-gap:12px;"
    "align-items:baseline;overflow-wrap:anywhere"
)
# The icon font is Streamlit's own, there on every page.
_ICON = (
    "font-family:'Material Symbols Rounded';font-size:1.15em;line-height:1;user-select:none;"
    "align-self:center"
)
_AGE = "font-size:.875em;white-space:nowrap;text-align:right"


def html(found: Sequence[Change], hues: Colours) -> str:
    """Return the lines in the order they come, each with its age."""
    return f'<div style="{_LIST}">{"".join(_line(change, hues) for change in found)}</div>'


def _line(change: Change, hues: Colours) -> str:
    icon, tone = _ICONS.get(change.kind, ("circle", "muted"))
    named = change.project is None or change.project in change.title
    project = (
        "" if named else f' <span style="color:{hues.muted}">{markup(change.project, 40)}</span>'
    )
    return (
        f'<span aria-hidden="true" translate="no" style="{_ICON};color:{getattr(hues, tone)}">'
        f"{icon}</span><span>{markup(change.title, 160)}{project}</span>"
        f'<span style="{_AGE};color:{hues.muted}">{age(change.at)}</span>'
    )
