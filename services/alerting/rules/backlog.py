"""Predictions that wait too long to be put into Parquet."""

from collections.abc import Sequence

from services.alerting.models import Event
from services.engines.names import title as engine_title

KIND = "predictions"
LATE_S = 900.0


def events(waiting: Sequence[float], now: float) -> tuple[Event, ...]:
    """Return what is to be said of the prediction log.

    Args:
        waiting: When each segment that nobody writes any more was written last, seconds since 1970.
        now: The same.
    """
    key = f"{KIND}/backlog"
    late = [at for at in waiting if now - at > LATE_S]
    if not late:
        said = "No segment of predictions has waited long."
        return (Event(key, now, "ok", said=said),)
    return (
        Event(
            key,
            now,
            "firing",
            "warning",
            title="Predictions are not put into Parquet",
            said=f"{len(late)} segments of predictions wait for {(now - min(late)) / 60:.0f} min. "
            "Nothing is lost; questions about predictions take longer and longer.",
            cause=f"The engine {engine_title(KIND)} is away, or meets a file that it cannot read "
            "or write.",
            suggestion="`mlops logs predictions` says why; `mlops restart predictions`.",
            link="/deployments",
            labels={"engine": "predictions"},
        ),
    )
