"""What the views of the page draw alike."""

from collections.abc import Iterable

from dashboard.alerts import address, looks
from dashboard.alerts.links import Way
from dashboard.charts.theme import Colours
from dashboard.text import markup
from services.alerting.models import Alert


def pairs(found: Iterable[tuple[str, str]], hues: Colours, *, inner: bool = False) -> str:
    """Return names with values; ``inner``: values are HTML of ours already."""
    rows = "".join(
        '<div role="row" style="display:contents"><span role="rowheader" '
        f'style="color:{hues.muted};font-size:13px">{markup(name, 80)}</span>'
        f'<span role="cell">{value if inner else markup(value, 400)}</span></div>'
        for name, value in found
    )
    return (
        '<div role="table" style="display:grid;'
        "grid-template-columns:minmax(60px,max-content) minmax(0,1fr);"
        "gap:6px 16px;margin:0;font-size:14px;line-height:21px;overflow-wrap:anywhere;"
        f'align-items:baseline">{rows}</div>'
    )


def linked(alert: Alert, hues: Colours) -> str:
    """Return an alert as a link to its story, in one line."""
    shown = looks.severity(alert.severity)
    return (
        f'<a href="{markup(address.to(alert.id))}" style="color:{hues.text};text-decoration:none">'
        f'<span style="color:{looks.hue(shown, hues)}">{shown.sign}</span> '
        f"{markup(alert.title or alert.key, 160)}</a> "
        f'<span style="color:{hues.muted};font-size:12.5px">'
        f"{markup(alert.project or 'platform', 60)}</span>"
    )


def to(way: Way, hues: Colours) -> str:
    """Return a link to a page, by its label."""
    return (
        f'<a href="{markup(way.address)}" style="color:{hues.accent};white-space:nowrap">'
        f"{markup(way.label, 60)}</a>"
    )
