"""Endpoints: what is not in service, errors that use up the budget, requests turned away.

The burn rate is how many times faster than allowed a service spends its budget of errors: share of
failed requests ÷ (1 − objective). Two windows must agree, a long one (it is no blip) and a short
one (it lasts still). Bounds and windows: Google, The Site Reliability Workbook, chapter 5,
"Multiwindow, Multi-Burn-Rate Alerts": 14.4 over 1 h and 5 min, 6 over 6 h and 30 min.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from services.alerting.models import Event, Severity
from services.serving.figures import Figures, VersionFigures
from services.serving.models import EndpointStatus

ENDPOINT, ERRORS, LOAD = "endpoint", "errors", "load"
AVAILABILITY = 0.99
"""Of the requests that must be answered without an error of ours, where nothing else is said."""
_WAITS_S = 300.0
_FEWEST = 20
"""Requests in the short window, below which a share says nothing."""
_REFUSED_SHARE = 0.05
_NEARLY = 0.9
_STEP_S = 15.0
_WINDOWS: tuple[tuple[float, float, float, float, Severity], ...] = (
    (300.0, 3600.0, 300.0, 14.4, "critical"),
    (1800.0, 21_600.0, 7200.0, 6.0, "warning"),
)
"""Short, long, so much of the long one must be known, burn rate, severity."""
_KEPT_S = 21_600.0 + 60.0
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


@dataclass(frozen=True, slots=True)
class _Count:
    at: float
    total: int
    errors: int


@dataclass(slots=True)
class ServiceLevels:
    """Watches what passes the gateway. It remembers six hours, and begins anew with its process."""

    objective: float = AVAILABILITY
    _counts: dict[str, deque[_Count]] = field(default_factory=dict)

    def events(
        self,
        wanted: Iterable[str],
        figures: Figures | None,
        now: float,
        open_keys: frozenset[str],
    ) -> tuple[Event, ...]:
        """Return what is to be said of service levels.

        Args:
            wanted: Names of the endpoints that are to be in service.
            figures: What the gateway counted; None, or old: it says nothing now.
            now: Seconds since 1970.
            open_keys: Keys of the alerts of service levels that are open.
        """
        names = frozenset(wanted)
        found: list[Event] = []
        if figures is None or figures.stale(now):
            said = "The gateway says nothing now."
            mine = {f"{kind}/{name}" for kind in (ERRORS, LOAD) for name in names}
            found += [Event(k, now, "unknown", said=said) for k in sorted(mine & open_keys)]
        else:
            for name in sorted(names):
                versions = tuple(figures.endpoints.get(name, {}).values())
                self._count(name, versions, figures.at)
                found += self._of(name, versions, now)
        for kind in (ERRORS, LOAD):
            found += _undeployed(kind, names, now, open_keys)
        for gone in set(self._counts) - names:
            del self._counts[gone]
        return tuple(one for one in found if one.state == "firing" or one.key in open_keys)

    def _count(self, name: str, versions: tuple[VersionFigures, ...], at: float) -> None:
        counts = self._counts.setdefault(name, deque())
        total = sum(one.total for one in versions)
        errors = sum(one.total_errors for one in versions)
        if counts and (total < counts[-1].total or at < counts[-1].at):
            counts.clear()  # the gateway, or the clock, began anew
        if not counts or at - counts[-1].at >= _STEP_S:
            counts.append(_Count(at, total, errors))
        while counts and at - counts[0].at > _KEPT_S:
            counts.popleft()

    def _of(self, name: str, versions: tuple[VersionFigures, ...], now: float) -> list[Event]:
        return [self._errors(name, now), _load(name, versions, now)]

    def _errors(self, name: str, now: float) -> Event:
        key, asked = f"{ERRORS}/{name}", 0
        for short, long, least, bound, severity in _WINDOWS:
            lately, over = self._within(name, short), self._within(name, long)
            asked = max(asked, lately.requests)
            if lately.requests < _FEWEST or over.span_s < least * _NEARLY:
                continue
            if min(self._burn(lately), self._burn(over)) >= bound:
                return self._burning(key, name, lately, over, severity, now)
        if not asked:
            return Event(key, now, "unknown", said="Nobody asks it now.")
        return Event(key, now, "ok", said=f"{name} answers within its objective again.")

    def _within(self, name: str, window_s: float) -> "_Window":
        counts = self._counts.get(name) or deque([_Count(0.0, 0, 0)])
        last = counts[-1]
        first = next(one for one in counts if last.at - one.at <= window_s)
        return _Window(last.at - first.at, last.total - first.total, last.errors - first.errors)

    def _burn(self, window: "_Window") -> float:
        share = window.errors / window.requests if window.requests else 0.0
        return share / (1.0 - self.objective)

    def _burning(
        self, key: str, name: str, lately: "_Window", over: "_Window", severity: Severity,
        now: float,
    ) -> Event:  # fmt: skip
        rate, where = self._burn(over), name.replace(".", "/", 1)
        share = f"{over.errors / over.requests * 100:.3g} %"
        return Event(
            key,
            now,
            "firing",
            severity,
            _project(name),
            title=f"{name} fails too often",
            said=f"{over.errors:,} of {over.requests:,} requests ({share}) to {name} failed in the "
            f"last {over.span_s / 60:.0f} min, {lately.errors:,} of them in the last "
            f"{lately.span_s / 60:.0f} min: {rate:.1f} times what its objective of "
            f"{self.objective * 100:g} % allows.",
            suggestion=f"`mlops deployments {where}` shows its versions; `mlops rollback {where}` "
            "brings the one before back.",
            link=f"/deployments?deployment={name}",
            labels=_labels(name, "serving"),
        )


@dataclass(frozen=True, slots=True)
class _Window:
    span_s: float
    """What is known of it."""
    requests: int
    errors: int


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
