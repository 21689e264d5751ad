"""Where an alert leads: a page that is there and that the person may open."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

from dashboard import navigation, state
from services.alerting import words
from services.alerting.models import WHY, Alert

_WORDS: Mapping[str, str] = {
    "run": "The run",
    "deployments": "The deployment",
    "monitoring": "The verdict",
    "workflows": "The workflow",
    "admin": "Engines and disks",
    "alerts": "The channels",
    "hardware": "The machine",
}


@dataclass(frozen=True, slots=True)
class Way:
    """A page and what it is to show."""

    page: str
    params: Mapping[str, str]
    label: str

    @property
    def address(self) -> str:
        """Its address, with the scope."""
        return navigation.address(self.page, **self.params)


def way(alert: Alert, *, admin: bool) -> Way | None:
    """Return the page that shows what the alert is about, None when there is none for the person.

    Args:
        alert: Its link is one of ours, from the dashboard's root on; any other leads nowhere.
        admin: Whether the person is an administrator.
    """
    return _ours(alert, alert.link, admin=admin)


def why(alert: Alert) -> Way | None:
    """Return the page of its first cause, or of what was looked at; None: none was searched for."""
    found = _ours(alert, alert.labels.get(WHY, ""), admin=False)
    return None if found is None else replace(found, label=words.why_label(alert))


def cited(alert: Alert, link: str) -> Way | None:
    """Return the page that a piece of its evidence names, None where there is none."""
    found = _ours(alert, link, admin=False)
    if found is None or "alert" not in found.params:
        return found
    return replace(found, label="The alert")


def _ours(alert: Alert, link: str, *, admin: bool) -> Way | None:
    told = urlsplit(link)
    page, params = told.path.strip("/"), dict(parse_qsl(told.query))
    if told.scheme or told.netloc or not page:
        return None
    if page == "monitoring" and not navigation.has(page):
        page, params = "deployments", {k: v for k, v in params.items() if k == "deployment"}
    if page == "admin" and not admin:  # what everybody may see of engines
        return Way("overview", {}, "Engines")
    word = "The retraining" if "retraining" in alert.labels else _WORDS.get(page, page.capitalize())
    return Way(page, params, word) if navigation.has(page) else None


def origin(alert: Alert) -> Way | None:
    """Return the lineage of the alert, or of the run or the version that it is about.

    An alert that rests on a verdict is a thing of its own there: retrainings came of it.
    """
    labels = alert.labels
    named = ""
    if "retraining" in labels:
        named = f"retraining:{labels['retraining']}"
    elif "verdict" in labels:
        named = f"alert:{alert.id}"
    elif "run" in labels:
        named = f"run:{labels['run']}"
    elif {"project", "model", "version"} <= labels.keys():
        named = f"deployment:{labels['project']}/{labels['model']}:{labels['version']}"
    return Way("lineage", {"id": named}, "Its lineage") if named else None


def admin() -> bool:
    """Return whether the person is an administrator."""
    return state.user().role == "admin"
