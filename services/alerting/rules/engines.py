"""Engines that are down, hang, or do not come up."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from services.alerting.models import Event, Severity

KIND = "engine"
STARTING_S = 120.0
"""So long a start may take before it is an alert."""
_CRITICAL = frozenset({"mlflow", "airflow", "serving", "gateway", "controller"})
_MEANS = {
    "mlflow": "Runs go on and keep what they log; nothing is registered or promoted.",
    "airflow": "No training or other workflow starts.",
    "serving": "Models in service go on answering; nothing is deployed, scaled or mended.",
    "gateway": "Applications get no answer from any model.",
    "predictions": "Predictions are kept, and are put into Parquet later.",
    "telemetry": "This machine is not measured.",
    "evidently": "Evidently's own screen is not there; monitoring and its reports go on.",
    "dashboard": "Nobody can use the dashboard.",
}


class EngineSeen(Protocol):
    """An engine as ``mlops status`` tells it."""

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def title(self) -> str:
        """Return its name for people."""

    @property
    def state(self) -> str:
        """Return live, stale, down or never."""

    @property
    def phase(self) -> str:
        """Return what the supervisor does with it."""

    @property
    def since(self) -> datetime | None:
        """Return when the state began."""

    @property
    def detail(self) -> str:
        """Return why."""


def label(name: str) -> str:
    """Return what an alert explains while an engine is down."""
    return f"{KIND}:{name}"


def events(
    engines: Iterable[EngineSeen], now: float, open_keys: frozenset[str], *, supervised: bool
) -> tuple[Event, ...]:
    """Return what is to be said of the engines.

    Args:
        engines: As the supervisor last saw them.
        now: Seconds since 1970.
        open_keys: Keys of the alerts of engines that are open.
        supervised: Whether a supervisor looks at them now; without one nobody knows.
    """
    found = []
    known = set()
    for engine in engines:
        key = f"{KIND}/{engine.name}"
        known.add(key)
        if not supervised:
            if key in open_keys:
                found.append(Event(key, now, "unknown", said="No supervisor looks at the engines."))
            continue
        event = _event(key, engine, now)
        if event.state == "firing" or key in open_keys:
            found.append(event)
    found += [
        Event(key, now, "ok", said="This installation does not run it any more.")
        for key in sorted(open_keys - known)
        if supervised
    ]
    return tuple(found)


def _event(key: str, engine: EngineSeen, now: float) -> Event:
    if engine.state == "live":
        return Event(key, now, "ok", said=f"{engine.title} answers again.")
    since = engine.since.timestamp() if engine.since else now
    if engine.phase in {"failing", "unresponsive"}:
        return _down(key, engine, now)
    if engine.state == "stale":
        return Event(key, now, "unknown", said=engine.detail or f"{engine.title} is not looked at.")
    if engine.phase == "stopped":  # a person's wish, or a start of the platform
        return Event(key, now, "unknown", said=f"{engine.title} is stopped.")
    if now - since > STARTING_S:
        return _down(key, engine, now)
    return Event(key, now, "unknown", said=f"{engine.title} is {engine.phase}.")


def _down(key: str, engine: EngineSeen, now: float) -> Event:
    hangs = engine.phase == "unresponsive"
    severity: Severity = "critical" if engine.name in _CRITICAL else "warning"
    what = "does not answer" if hangs else "is down"
    # Of the moment it went down: said again, it is the same event.
    at = engine.since.timestamp() if engine.since else now
    return Event(
        key,
        at,
        "firing",
        severity,
        title=f"{engine.title} {what}",
        said=f"{engine.title} {what}. {_MEANS.get(engine.name, '')}".strip(),
        cause=engine.detail,
        suggestion=f"`mlops logs {engine.name}` says why; `mlops restart {engine.name}` starts it "
        "again.",
        link="/admin?view=platform",
        explains=(label(engine.name),),
        labels={KIND: engine.name},
    )
