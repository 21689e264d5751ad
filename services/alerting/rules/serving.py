"""Endpoints: what is not in service, requests turned away."""

from collections.abc import Iterable, Mapping

from services.alerting.models import Event
from services.serving.figures import Figures, VersionFigures
from services.serving.models import EndpointStatus

ENDPOINT, LOAD = "endpoint", "load"
_WAITS_S = 300.0
_FEWEST = 20
"""Requests turned away in a minute, below which a share says nothing."""
_REFUSED_SHARE = 0.05
_WELL = frozenset({"live", "watching", "canary", "idle", "shadow"})


def endpoint_events(
    wanted: Iterable[str],
    seen: Mapping[str, EndpointStatus] | None,
    now: float,
    open_keys: frozenset[str],
) -> tuple[Event, ...]:
    """Return what is to be said of endpoints.

    Args:
        wanted: Names of those that are to be in service.
        seen: What the serving engine says of them; None: it says nothing now.
        now: Seconds since 1970.
        open_keys: Keys of the alerts of endpoints that are open.
    """
    names = frozenset(wanted)
    found = []
    for name in sorted(names):
        key = f"{ENDPOINT}/{name}"
        one = None if seen is None else seen.get(name)
        if one is None:
            if key in open_keys:
                said = "The serving engine says nothing of it now."
                found.append(Event(key, now, "unknown", said=said))
            continue
        event = _endpoint(key, one, now)
        if event.state == "firing" or key in open_keys:
            found.append(event)
    return (*found, *_undeployed(ENDPOINT, names, now, open_keys))


def _undeployed(
    kind: str, names: frozenset[str], now: float, open_keys: frozenset[str]
) -> tuple[Event, ...]:
    gone = (key for key in sorted(open_keys) if key.partition("/")[2] not in names)
    return tuple(
        Event(key, now, "ok", said="It was taken out of service.")
        for key in gone
        if key.startswith(f"{kind}/")
    )


def _endpoint(key: str, one: EndpointStatus, now: float) -> Event:
    if one.phase in _WELL:
        return Event(key, now, "ok", said=f"{one.name} is in service ({one.phase}).")
    late = one.phase == "waiting" and now - one.since > _WAITS_S
    if one.phase != "failed" and not late:
        return Event(key, now, "unknown", said=f"{one.name} is {one.phase}.")
    what = "waits for room" if late else "failed"
    where = one.name.replace(".", "/", 1)
    return Event(
        key,
        one.since or now,
        "firing",
        "warning" if late else "critical",
        _project(one.name),
        title=f"{one.name} {what}",
        said=f"{one.name} {what}: nothing of it is in service.",
        cause=one.said,
        suggestion=f"`mlops deployments {where}` shows it; `mlops rollback {where}` brings the "
        "version before back.",
        link=f"/deployments?deployment={one.name}",
        labels=_labels(one.name, "serving"),
    )


def _project(name: str) -> str:
    return name.partition(".")[0]


def _labels(name: str, engine: str) -> dict[str, str]:
    return {"endpoint": name, "project": _project(name), "engine": engine}


def load_events(
    wanted: Iterable[str], figures: Figures | None, now: float, open_keys: frozenset[str]
) -> tuple[Event, ...]:
    """Return what is to be said of requests that are turned away.

    Args:
        wanted: Names of the endpoints that are to be in service.
        figures: What the gateway counted; None, or old: it says nothing now.
        now: Seconds since 1970.
        open_keys: Keys of the alerts of load that are open.
    """
    names = frozenset(wanted)
    found: list[Event] = []
    for name in sorted(names):
        if figures is None or figures.stale(now):
            said = "The gateway says nothing now."
            found.append(Event(f"{LOAD}/{name}", now, "unknown", said=said))
        else:
            found.append(_load(name, tuple(figures.endpoints.get(name, {}).values()), now))
    found += _undeployed(LOAD, names, now, open_keys)
    return tuple(one for one in found if one.state == "firing" or one.key in open_keys)


def _load(name: str, versions: tuple[VersionFigures, ...], now: float) -> Event:
    key = f"{LOAD}/{name}"
    refused, answered = sum(v.refused for v in versions), sum(v.requests for v in versions)
    # Whether those refused are among the requests or beside them: the share is of the more.
    share = refused / max(answered, refused, 1)
    if refused < _FEWEST or share < _REFUSED_SHARE:
        said = f"{name} turns away {refused} of {max(answered, refused)} requests a minute."
        return Event(key, now, "ok", said=said)
    where = name.replace(".", "/", 1)
    return Event(
        key,
        now,
        "firing",
        "warning",
        _project(name),
        title=f"{name} turns requests away",
        said=f"{refused:,} of {max(answered, refused):,} requests to {name} were turned away in "
        "the last minute for want of room (429, 503).",
        cause=f"{sum(v.queued for v in versions)} requests wait for a model server, "
        f"{sum(v.in_flight for v in versions)} are under way.",
        suggestion=f"`mlops scale {where} --replicas 1:4` gives it more model servers.",
        link=f"/deployments?deployment={name}",
        labels=_labels(name, "gateway"),
    )
