"""Deployments: what was asked, how well it was answered, and what was done with them."""

from collections import Counter
from collections.abc import Sequence
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
LOG = "the prediction log"
JOURNAL = "the history of the endpoints in the journal"


def section(asked: Asked) -> Section:
    """Return the section."""
    names = [(one.project, one.model) for one in store.endpoints(asked.journal, asked.projects)]
    now, before = _used(asked, names, asked.window), _used(asked, names, asked.window.before)
    events, events_before = _events(asked, asked.window), _events(asked, asked.window.before)
    return Section(
        "deployments",
        "Deployments and how they answered",
        (*_figures(now, before), *_done(events, events_before)),
        _per_day(asked, names),
        (_endpoints(names, now, before), _happened(events)),
        ("Errors are answers with a status of 500 or more. Availability is the share of others.",),
    )


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
        Figure("Availability", _available(now), _available(before), LOG, "ratio", "more", nobody),
    )


def _available(found: Used) -> float | None:
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


def _per_day(asked: Asked, names: Sequence[tuple[str, str]]) -> tuple[Chart, ...]:
    days = asked.window.days
    if not names or not _logged(asked):
        return ()
    begin = asked.window.since.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    counts = [0.0] * len(days)
    for project, model in names:
        found: Sequence[Bucket] = reading.series(
            asked.home, project, model, begin, asked.window.until.timestamp(), _DAY_S
        )
        for one in found:
            counts[min(len(days) - 1, int((one.at - begin) // _DAY_S))] += one.requests
    return (Chart("Requests a day", days, tuple(counts), LOG),)


def _endpoints(names: Sequence[tuple[str, str]], now: Used, before: Used) -> Table:
    rows: list[tuple[str, ...]] = []
    for name in names:
        uses, then = now.get(name, ()), before.get(name, ())
        requests_before = sum(one.requests for one in then)
        if not uses:
            rows.append((".".join(name), "–", "0", f"{requests_before:,}", "–", "–", "–", "–"))
        rows += [_row(".".join(name), one, requests_before) for one in uses]
    shown, left = first(rows)
    columns = ("endpoint", "version", "requests", "before, all versions", "availability", "p50 ms",
               "p95 ms", "J a row")  # fmt: skip
    return Table(
        "Versions and how they answered", columns, shown, LOG, "Nothing is deployed.", left
    )


def _row(name: str, one: VersionUse, before: int) -> tuple[str, ...]:
    available = share(one.requests - one.errors, one.requests)
    joules = share(one.energy_j, one.energy_rows)
    return (
        name, str(one.version), f"{one.requests:,}", f"{before:,}",
        "–" if available is None else f"{available * 100:.3f} %",
        _number(one.p50_ms), _number(one.p95_ms), _number(joules),
    )  # fmt: skip


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3g}"


def _happened(events: Sequence[Row[Any]]) -> Table:
    rows = [
        (at_of(row.at_ms), row.name, row.kind, "–" if row.version is None else str(row.version),
         row.actor, row.said)
        for row in events
    ]  # fmt: skip
    shown, left = first(rows)
    columns = ("when (UTC)", "endpoint", "what", "version", "who", "why")
    return Table("What happened", columns, shown, JOURNAL, "Nothing happened to an endpoint.", left)
