"""Why a machine was slow in the shown stretch of time."""

from datetime import UTC, datetime

from dashboard import machines, navigation
from dashboard.hardware import why, window
from dashboard.numbers import duration
from services.telemetry.asking import LONGEST


def draw(host: str) -> None:
    """Draw the answer when the address asks for it."""
    if not why.is_open():
        return
    shown = window.current(host)

    def zoom(label: str, start: datetime, end: datetime) -> None:
        times = window.parameters(window.Window(start, end))
        navigation.link("hardware", label, icon="zoom_in", host=host, why="true", **times)

    why.draw(lambda: machines.why_host(host, shown.start, min(shown.end, datetime.now(UTC))), zoom)


def opener(shown: window.Window) -> None:
    """Draw the button; asked is of the stretch that is shown now, which stays in the address."""
    long = f"It looks at {duration(LONGEST.total_seconds())} at most: zoom in first."
    why.opener(
        key="hardware-why",
        off=long if shown.length > LONGEST else "",
        before=lambda: window.enter(shown),
    )
