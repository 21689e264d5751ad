"""Objectives of deployments: a budget that burns too fast, accuracy below its bound.

When a burn fires is decided in ``services.objectives.budget``, after Google, The Site Reliability
Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts".
"""

from collections.abc import Iterable
from urllib.parse import quote

from services.alerting.models import Condition, Event
from services.alerting.rules.drift import TWIN
from services.objectives.models import Burn, Kind, Standing, share, span

ERRORS, LATENCY, ACCURACY = "errors", "latency", "accuracy"
KINDS = frozenset({ERRORS, LATENCY, ACCURACY})
_OF: dict[Kind, str] = {"availability": ERRORS, "latency": LATENCY, "accuracy": ACCURACY}
_TITLES = {
    ERRORS: "{} fails too often", LATENCY: "{} answers too slowly",
    ACCURACY: "{} is less right than promised",
}  # fmt: skip


def key(one: Standing) -> str:
    """Return the key of the alert of an objective: of a deployment, whatever its version."""
    return f"{_OF[one.objective.kind]}/{one.name}"


def events(
    standings: Iterable[Standing], wanted: Iterable[str], now: float, open_keys: frozenset[str]
) -> tuple[Event, ...]:
    """Return what is to be said of objectives.

    Args:
        standings: Of what is in service.
        wanted: Names of the deployments in service.
        now: Seconds since 1970.
        open_keys: Keys of the alerts of objectives that are open.
    """
    names = frozenset(wanted)
    found = {key(one): _event(one, now) for one in standings}
    for name in sorted(open_keys - found.keys()):
        gone = name.partition("/")[2] not in names
        said = "It was taken out of service." if gone else "The objective was taken back."
        found[name] = Event(name, now, "ok", said=said)
    return tuple(one for one in found.values() if one.state == "firing" or one.key in open_keys)


def _event(one: Standing, now: float) -> Event:
    if one.objective.kind == "accuracy":
        return _of_accuracy(one, now)
    burn = one.firing
    if burn is not None:
        return _firing(one, now, burn)
    if all(each.state == "quiet" for each in one.burns) and one.burns:
        return Event(key(one), now, "ok", said=f"Its budget does not burn any more. {one.said}")
    return Event(key(one), now, "unknown", said=f"Too few ask it now to tell. {one.said}")


def _of_accuracy(one: Standing, now: float) -> Event:
    if one.state == "missed":
        # The days before it became better are no trouble of now.
        return Event(key(one), now, "ok", said=one.over) if one.over else _firing(one, now)
    # Below its bound, but perhaps by chance: that is neither trouble nor its end.
    state: Condition = "ok" if one.state == "met" else "unknown"
    return Event(key(one), now, state, said=one.said)


def _firing(one: Standing, now: float, burn: Burn | None = None) -> Event:
    kind = _OF[one.objective.kind]
    tied = {TWIN: one.name} if kind == ACCURACY else {"engine": "serving"}
    explains = (f"{TWIN}:{one.name}",) if kind == ACCURACY else ()
    critical = burn is None or burn.severity == "critical"  # as the verdict on a broken bound
    return Event(
        key(one),
        now,
        "firing",
        "critical" if critical else "warning",
        one.project,
        title=_TITLES[kind].format(one.name),
        said=one.said if burn is None else _burning(one, burn),
        suggestion=_suggestion(one, kind),
        link=f"/monitoring?deployment={quote(one.name)}&part=objectives&project={quote(one.project)}",
        explains=explains,
        labels={
            "project": one.project, "model": one.model, "endpoint": one.name,
            "objective": one.objective.kind, **tied,
        },
        evidence=(one.said,) if burn is not None else (),
    )  # fmt: skip


def _burning(one: Standing, burn: Burn) -> str:
    what = "failed" if one.objective.kind == "availability" else (
        f"took more than {one.objective.bound_ms:g} ms"
    )  # fmt: skip
    asked = "requests to" if one.objective.kind == "availability" else "answers of"
    return (
        f"{burn.bad:,} of {burn.requests:,} {asked} {one.name} "
        f"({share(burn.bad / burn.requests)}) {what} in the last {span(burn.long_s)}, "
        f"{burn.short_bad:,} of them in the last {span(burn.short_s)}: {burn.long or 0.0:.1f} "
        f"times what its objective of {share(one.objective.target)} allows."
    )


def _suggestion(one: Standing, kind: str) -> str:
    where = f"{one.project}/{one.model}"
    if kind == ERRORS:
        return (
            f"`mlops deployments {where}` shows its versions; `mlops rollback {where}` brings the "
            "one before back."
        )
    if kind == LATENCY:
        return (
            f"`mlops why` tells what the machine did then; `mlops scale {where} --replicas 1:4` "
            "gives it more model servers."
        )
    return (
        f"See what changed where {where} is asked; `mlops retrain list --project {one.project}` "
        "shows whether a retraining is proposed."
    )
