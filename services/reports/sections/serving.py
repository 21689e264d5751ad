"""Deployments: what was asked, how well it was answered, and what was done with them."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Row, select

from services.actions import schema
from services.predictions import reading
from services.predictions.answers import Bucket, VersionUse
from services.predictions.folder import Folder
from services.reports.models import (
    Asked,
    Chart,
    Figure,
    Section,
    Table,
    Window,
    at_of,
    first,
    share,
)
from services.serving import store

_EVENTS = schema.serving_events
_DAY_S = 86_400.0
_CHARTS = 9
LOG = "the prediction log"
JOURNAL = "the history of the endpoints in the journal"


def section(asked: Asked) -> Section:
    """Return the section."""
    names = [(one.project, one.model) for one in store.endpoints(asked.journal, asked.projects)]
    now, before = _used(asked, names, asked.window), _used(asked, names, asked.window.before)
    daily = _daily(asked, names)
    events, events_before = _events(asked, asked.window), _events(asked, asked.window.before)
    return Section(
        "deployments",
        "Deployments and how they answered",
        (*_figures(now, before), *_done(events, events_before)),
        _per_day(asked, daily),
        (_endpoints(names, now, before), _happened(events)),
        ("Errors are answers with a status of 500 or more. Others count as answered.",
         *_left_out(daily)),
        small=_latency(asked, daily),
    )  # fmt: skip


Used = dict[tuple[str, str], tuple[VersionUse, ...]]


def _used(asked: Asked, names: Sequence[tuple[str, str]], window: Window) -> Used:
    if not _logged(asked):
        return {}
    low, high = window.since.timestamp(), window.until.timestamp()
    return {name: reading.by_version(asked.home, *name, low, high) for name in names}


def _logged(asked: Asked) -> bool:
    folder = Folder(asked.home)
    return bool(folder.segments() or folder.rows())


def _total(found: Used, what: str) -> int:
    return sum(int(getattr(one, what)) for uses in found.values() for one in uses)


def _figures(now: Used, before: Used) -> tuple[Figure, ...]:
    asked, asked_before = _total(now, "requests"), _total(before, "requests")
    nobody = "" if asked else "Nobody asked."
    return (
        Figure("Requests", asked, asked_before, LOG),
        Figure("Requests answered", _answered(now), _answered(before), LOG, "ratio", "more",
               nobody),
        Figure("Rows per joule", per_joule(now), per_joule(before), LOG, "", "more",
               nobody or "Of no answer it is known what energy it took."),
    )  # fmt: skip


def per_joule(found: Used) -> float | None:
    """Return the rows that were answered by each joule, of the answers that tell their energy."""
    mine = [one for uses in found.values() for one in uses if one.energy_j and one.energy_rows]
    return share(sum(one.energy_rows for one in mine), sum(one.energy_j or 0.0 for one in mine))


def _answered(found: Used) -> float | None:
    requests = _total(found, "requests")
    return share(requests - _total(found, "errors"), requests)


def _done(now: Sequence[Row[Any]], before: Sequence[Row[Any]]) -> tuple[Figure, ...]:
    counts, then = (Counter(row.kind for row in some) for some in (now, before))
    return (
        Figure("Versions went live", counts["live"], then["live"], JOURNAL),
        Figure("Taken back", counts["rolled-back"] + counts["failed"],
               then["rolled-back"] + then["failed"], JOURNAL, "", "less"),
    )  # fmt: skip


def _events(asked: Asked, window: Window) -> Sequence[Row[Any]]:
    low, high = window.ms
    query = (
        select(_EVENTS)
        .where(_EVENTS.c.at_ms >= low, _EVENTS.c.at_ms < high)
        .order_by(_EVENTS.c.at_ms.desc(), _EVENTS.c.id.desc())
    )
    mine = set(asked.projects)
    with asked.journal.read() as connection:
        return [row for row in connection.execute(query) if row.name.partition(".")[0] in mine]


Daily = dict[str, tuple[Bucket | None, ...]]
"""What each deployment answered by the day, in the order of the period's days."""


def _daily(asked: Asked, names: Sequence[tuple[str, str]]) -> Daily:
    if not _logged(asked):
        return {}
    begin = asked.window.since.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    until, count = asked.window.until.timestamp(), len(asked.window.days)
    found: Daily = {}
    for project, model in names:
        days: list[Bucket | None] = [None] * count
        for one in reading.series(asked.home, project, model, begin, until, _DAY_S):
            days[min(count - 1, int((one.at - begin) // _DAY_S))] = one
        found[f"{project}.{model}"] = tuple(days)
    return found


def _per_day(asked: Asked, daily: Daily) -> tuple[Chart, ...]:
    if not daily:
        return ()
    counts = [
        sum(one.requests for one in day if one is not None)
        for day in zip(*daily.values(), strict=True)
    ]
    values = tuple(map(float, counts))
    return (Chart("Requests a day", asked.window.days, values, LOG),)


def _latency(asked: Asked, daily: Daily) -> tuple[Chart, ...]:
    """Return the 95th percentile a day of the deployments that were asked most."""
    return tuple(
        Chart(f"{name}: p95 a day", asked.window.days,
              tuple(None if one is None else one.p95_ms for one in days), LOG, "ms", line=True)
        for name, days in _most_asked(daily)[:_CHARTS]
    )  # fmt: skip


def _most_asked(daily: Daily) -> list[tuple[str, tuple[Bucket | None, ...]]]:
    def asked(days: Sequence[Bucket | None]) -> int:
        return sum(one.requests for one in days if one is not None)

    some = [(name, days) for name, days in daily.items() if asked(days)]
    return sorted(some, key=lambda one: (-asked(one[1]), one[0]))


def _left_out(daily: Daily) -> tuple[str, ...]:
    more = len(_most_asked(daily)) - _CHARTS
    said = f"The charts are those of the {_CHARTS} deployments that were asked most; {more} more"
    return (f"{said} were asked.",) if more > 0 else ()


def _endpoints(names: Sequence[tuple[str, str]], now: Used, before: Used) -> Table:
    rows: list[tuple[str, ...]] = []
    for name in names:
        uses, then = now.get(name, ()), before.get(name, ())
        requests_before = sum(one.requests for one in then)
        if not uses:
            rows.append((".".join(name), "–", "0", f"{requests_before:,}", "–", "–", "–", "–"))
        was = {one.version: one for one in then}
        rows += [_row(".".join(name), one, was.get(one.version), requests_before) for one in uses]
    shown, left = first(rows)
    columns = ("endpoint", "version", "requests", "before, all versions", "answered (before)",
               "p50 ms (before)", "p95 ms (before)", "J a row (before)")  # fmt: skip
    return Table(
        "Versions and how they answered", columns, shown, LOG, "Nothing is deployed.", left
    )


def _row(name: str, one: VersionUse, was: VersionUse | None, before: int) -> tuple[str, ...]:
    return (
        name, str(one.version), f"{one.requests:,}", f"{before:,}",
        _both(_share(one), _share(was), lambda part: f"{part * 100:.3f} %"),
        _both(one.p50_ms, was.p50_ms if was else None),
        _both(one.p95_ms, was.p95_ms if was else None),
        _both(_joules(one), _joules(was)),
    )  # fmt: skip


def _share(one: VersionUse | None) -> float | None:
    return None if one is None else share(one.requests - one.errors, one.requests)


def _joules(one: VersionUse | None) -> float | None:
    return None if one is None else share(one.energy_j, one.energy_rows)


def _both(
    now: float | None, before: float | None, word: Callable[[float], str] = "{:.3g}".format
) -> str:
    if now is None:
        return "not known"
    return word(now) if before is None else f"{word(now)} ({word(before)})"


def _happened(events: Sequence[Row[Any]]) -> Table:
    rows = [
        (at_of(row.at_ms), row.name, row.kind, "–" if row.version is None else str(row.version),
         row.actor, row.said)
        for row in events
    ]  # fmt: skip
    shown, left = first(rows)
    columns = ("when (UTC)", "endpoint", "what", "version", "who", "why")
    return Table("What happened", columns, shown, JOURNAL, "Nothing happened to an endpoint.", left)
