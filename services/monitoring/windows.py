"""Which predictions a check looks at: those since the last one, and older ones where they are few.

A check costs what is new: at 10,000 predictions an hour it reads these and no more. An endpoint
that is asked seldom is looked at over as long as it takes, at most a week.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from services.home import Home
from services.predictions import monitoring as log

if TYPE_CHECKING:
    import pyarrow as pa

ENOUGH = 2000
"""Rows that are wanted; all new ones are taken when there are more."""
MOST = 50_000
"""Rows that are read: a sample of more."""
HOUR_S, LONGEST_S = 3600.0, 604_800.0
_WIDER = 6.0


@dataclass(frozen=True, slots=True)
class Window:
    """Predictions, oldest first."""

    table: "pa.Table"
    since: float | None
    """Of the oldest; None when there is none."""
    until: float
    fresh: int
    """Rows since the last check."""


def read(
    home: Home,
    project: str,
    model: str,
    version: int,
    now: float,
    last: float | None = None,
    begin: float | None = None,
    *,
    shadow: bool = False,
) -> Window:
    """Return the window of a check.

    Args:
        home: Where everything is.
        project: Of the model.
        model: Its name.
        version: The one looked at.
        now: Where the window ends; a prediction from later is of a clock that was wrong.
        last: Where the last check's window ended; None, or later than now (the clock was set
            back): an hour.
        begin: Nothing before it is taken, as it belongs to the reference.
        shadow: Whether copies of requests are looked at, which it was asked beside the live one.

    Raises:
        PlatformError: The log cannot be read.
    """
    floor = max(now - LONGEST_S, begin or 0.0)
    since = max(floor, last if last is not None and last < now else now - HOUR_S)
    of = home, project, model, version
    table = _sorted(log.features(*of, since, now, sample=MOST, shadow=shadow))
    fresh, span = len(table), now - since
    while len(table) < ENOUGH and since > floor:
        span = max(span * _WIDER, HOUR_S)
        since = max(floor, now - span)
        table = _sorted(log.features(*of, since, now, sample=MOST, shadow=shadow))
    table = table.slice(max(0, len(table) - max(ENOUGH, fresh)))
    return Window(table, _oldest(table), now, fresh)


def _sorted(table: "pa.Table") -> "pa.Table":
    return table.sort_by("answered_at") if len(table) else table


def _oldest(table: "pa.Table") -> float | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(table):
        return None
    oldest: Any = pc.min(table["answered_at"])
    moment: int = oldest.cast(pa.int64()).as_py()
    return moment / 1e6
