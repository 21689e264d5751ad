"""Objectives of deployments: a budget that burns too fast, accuracy below its bound.

When a burn fires is decided in ``services.objectives.budget``, after Google, The Site Reliability
Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts".
"""

from collections.abc import Iterable
from urllib.parse import quote

from services.alerting.models import Condition, Event
from services.alerting.rules.drift import TWIN
from services.objectives.models import Burn, Standing, share, span
from services.objectives.watched import PER_MINUTE

ERRORS, AVAILABILITY, LATENCY, ACCURACY = "errors", "availability", "latency", "accuracy"
KINDS = frozenset({ERRORS, AVAILABILITY, LATENCY, ACCURACY})
_TITLES = {
    ERRORS: "{} fails too often", AVAILABILITY: "{} was out of service too long",
    LATENCY: "{} answers too slowly",
    ACCURACY: "{} is less right than promised",
}  # fmt: skip

_ENGINES = {AVAILABILITY: "gateway"}
"""What explains it while it is down; of the others it is the serving engine."""


def key(one: Standing) -> str:
    """Return the key of the alert of an objective: of a deployment, whatever its version."""
    return f"{one.objective.kind}/{one.name}"


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
    why = "Too little of it is watched" if _is_of_time(one) else "Too few ask it now"
    return Event(key(one), now, "unknown", said=f"{why} to tell. {one.said}")


def _is_of_time(one: Standing) -> bool:
    return one.objective.kind == "availability"


def _of_accuracy(one: Standing, now: float) -> Event:
    if one.state == "missed":
        # The days before it became better are no trouble of now.
        return Event(key(one), now, "ok", said=one.over) if one.over else _firing(one, now)
    # Below its bound, but perhaps by chance: that is neither trouble nor its end.
    state: Condition = "ok" if one.state == "met" else "unknown"
    return Event(key(one), now, state, said=one.said)


def _firing(one: Standing, now: float, burn: Burn | None = None) -> Event:
    kind = one.objective.kind
    tied = {TWIN: one.name} if kind == ACCURACY else {"engine": _ENGINES.get(kind, "serving")}
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
    if _is_of_time(one):
        bad, over, lately = (n / PER_MINUTE for n in (burn.bad, burn.requests, burn.short_bad))
        return (
            f"{one.name} was out of service for {bad:,.3g} of the {over:,.3g} minutes that were "
            f"watched in the last {span(burn.long_s)}, {lately:,.3g} of them in the last "
            f"{span(burn.short_s)}: {burn.long or 0.0:.1f} times what its objective of "
            f"{share(one.objective.target)} allows."
        )
    what = "failed" if one.objective.kind == "errors" else (
        f"took more than {one.objective.bound_ms:g} ms"
    )  # fmt: skip
    asked = "requests to" if one.objective.kind == "errors" else "answers of"
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
    if kind == AVAILABILITY:
        return f"`mlops deployments {where}` shows why; `mlops status` whether the gateway runs."
    if kind == LATENCY:
        return (
            f"`mlops why` tells what the machine did then; `mlops scale {where} --replicas 1:4` "
            "gives it more model servers."
        )
    return (
        f"See what changed where {where} is asked; `mlops retrain list --project {one.project}` "
        "shows whether a retraining is proposed."
    )
