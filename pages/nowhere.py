"""What an address shows that names no page."""

from dashboard import navigation
from dashboard.components import notices

notices.empty(
    "There is no such page",
    "The address names a page this dashboard does not have: it may be mistyped or of an older "
    "version.",
    icon="explore_off",
    action=lambda: navigation.link(navigation.HOME, "Go to the overview", icon="dashboard"),
)
