"""Disks that are full, or will be."""

from collections.abc import Iterable

from services.alerting.models import Event, Severity, key_of
from services.alerting.rules import engines

KIND = "disk"
LOW_BYTES = 5_000_000_000
AGAIN = 1.2
"""So many times a bound must be free again before the alert ends: a disk at its edge is one."""
_ENGINES = ("mlflow", "airflow", "serving", "gateway", "predictions", "telemetry", "controller")


def events(
    rooms: Iterable[tuple[str, int]], full_bytes: int, now: float, open_keys: frozenset[str]
) -> tuple[Event, ...]:
    """Return what is to be said of the disks.

    Args:
        rooms: A folder on each disk that is written to, and the bytes free there.
        full_bytes: With less, what is written there fails.
        now: Seconds since 1970.
        open_keys: Keys of the alerts of disks that are open.
    """
    found, known = [], set()
    for folder, free in rooms:
        key = key_of(KIND, folder)
        known.add(key)
        bound = LOW_BYTES * (AGAIN if key in open_keys else 1.0)
        if free < bound:
            found.append(_low(key, folder, free, now, full=free < full_bytes))
        elif key in open_keys:
            said = f"{free / 1e9:.1f} GB are free at {folder}."
            found.append(Event(key, now, "ok", said=said))
    found += [
        Event(key, now, "ok", said="Nothing of the platform is on that disk any more.")
        for key in sorted(open_keys - known)
    ]
    return tuple(found)


def _low(key: str, folder: str, free: int, now: float, *, full: bool) -> Event:
    severity: Severity = "critical" if full else "warning"
    means = "What is written there fails." if full else "When it is full, what is written fails."
    return Event(
        key,
        now,
        "firing",
        severity,
        title="A disk is full" if full else "A disk is nearly full",
        said=f"{free / 1e9:.2f} GB are free at {folder}. {means}",
        cause="Artifacts of runs, versions of data, predictions and logs grow with use.",
        suggestion="`mlops data prune`, archive old runs, or `uv cache prune`; `mlops doctor` "
        "looks at all disks.",
        link="/admin?view=platform",
        explains=(*(engines.label(name) for name in _ENGINES), "disk:full") if full else (),
        labels={"disk": folder},
    )
