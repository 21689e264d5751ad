"""The parameters of the page's address."""

from dashboard import navigation

ALERT = "alert"
"""The alert that is looked at, by its number."""
VIEW = "view"
FIND, SEVERITY, KIND, QUIET = "find", "severity", "kind", "quiet"
"""What the inbox holds: words, severities, kinds, and whether also what is kept quiet."""


def to(alert_id: int) -> str:
    """Return the address of an alert."""
    return navigation.address("alerts", alert=str(alert_id))
