"""Versions in service: their bundle, where and when they answered, and what they answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import func, select

from services.actions import schema
from services.actions.journal import Journal
from services.errors import MlopsError
from services.home import Home
from services.lineage.models import Broken, Kind, Link, Node, Ref, numbered
from services.lineage.source import Found, of_kind
from services.lineage.sources.collected import Rows
from services.predictions.folder import Folder
from services.serving import bundle, paths, store
from services.serving.models import Endpoint

PACKED, DEPLOYED, ANSWERED = "was packed as", "was deployed as", "answered"
_EVENTS = schema.serving_events
_SERVED = ("live", "canary", "shadow", "rolled-back", "deploy")
Use = Callable[[str, str, int], "Used | None"]


@dataclass(frozen=True, slots=True)
class Used:
    """What a version answered."""

    first: float
    last: float
    requests: int | None
    """None: not counted."""


@dataclass(frozen=True, slots=True)
class Service:
    """How a version stands in its endpoint."""

    word: str
    since: float | None
    live: bool
    """Whether requests reach it now."""


class ServingSource:
    """Edges of bundles, deployments and predictions."""

    kinds: frozenset[Kind] = frozenset(("bundle", "deployment", "predictions"))

    def __init__(self, home: Home, journal: Journal, used: Use, rows: Rows | None = None) -> None:
        """Take what is asked; ``rows`` knows what data hold of predictions that the log forgot."""
        self._home = home
        self._journal = journal
        self._used = used
        self._rows = rows

    def up(self, refs: Sequence[Ref], most: int) -> Found:
        """Return versions of bundles and deployments, and deployments of predictions."""
        del most
        found = Found()
        for one in of_kind(refs, "bundle", "deployment", "predictions"):
            where = one.numbered
            if one.kind == "predictions":
                found.links.append(Link(numbered("deployment", *where), one, ANSWERED))
            elif one.kind == "deployment":
                found.links.append(self._to_deployment(where))
            else:
                found.links.append(Link(numbered("version", *where), one, PACKED))
        return found

    def down(self, refs: Sequence[Ref], most: int) -> Found:
        """Return bundles and deployments of versions, and predictions of deployments."""
        del most
        found = Found()
        for one in of_kind(refs, "version", "bundle", "deployment"):
            where = one.numbered
            if one.kind == "deployment":
                found.guarded("The prediction log", self._answered, where, one, found)
            else:
                found.guarded("Deployments", self._served, where, one, found)
        return found

    def _served(self, where: tuple[str, str, int], one: Ref, found: Found) -> None:
        packed = self._packed(where)
        if one.kind == "version" and packed is not None:
            found.links.append(Link(one, numbered("bundle", *where), PACKED))
        service = self.service(*where)
        if service is None:
            return
        link = self._to_deployment(where)
        if link.before == one:
            found.links.append(link)
        if service.live and packed is None:
            found.broken.append(without_bundle(numbered("deployment", *where), service.word))

    def _answered(self, where: tuple[str, str, int], one: Ref, found: Found) -> None:
        if self._used(*where) is not None or self._held(one):
            found.links.append(Link(one, numbered("predictions", *where), ANSWERED))

    def _held(self, one: Ref) -> int:
        """Return how many rows the data that have the most hold of the predictions of a version."""
        rows = () if self._rows is None else self._rows.into(one.key).values()
        return max((row.rows for row in rows), default=0)

    def _to_deployment(self, where: tuple[str, str, int]) -> Link:
        kind: Kind = "version" if self._packed(where) is None else "bundle"
        return Link(numbered(kind, *where), numbered("deployment", *where), DEPLOYED)

    def _packed(self, where: tuple[str, str, int]) -> float | None:
        """Return when a version's bundle was made, None when it has none."""
        try:
            return (paths.bundle(self._home, *where) / bundle.INFO).stat().st_mtime
        except OSError:
            return None

    def service(self, project: str, model: str, number: int) -> Service | None:
        """Return how a version stands in its endpoint, None when it was never in service.

        Raises:
            JournalError: The journal cannot be read.
        """
        rows = self._events(f"{project}.{model}", number)
        endpoint = next(
            (e for e in store.endpoints(self._journal, [project]) if e.model == model), None
        )
        since = min((row.first_ms / 1000 for row in rows if row.kind in _SERVED), default=None)
        word = standing(endpoint, number)
        if word:
            return Service(word, since, word != "on its way")
        if since is None:
            return None
        back = any(row.kind == "rolled-back" for row in rows)
        return Service("taken back" if back else "no longer in service", since, live=False)

    def _events(self, name: str, number: int) -> Sequence[Any]:
        query = (
            select(_EVENTS.c.kind, func.min(_EVENTS.c.at_ms).label("first_ms"))
            .where(_EVENTS.c.name == name, _EVENTS.c.version == number)
            .group_by(_EVENTS.c.kind)
        )
        with self._journal.read() as connection:
            return connection.execute(query).all()

    def describe(self, refs: Sequence[Ref]) -> dict[Ref, Node]:
        """Return what is known of bundles, deployments and predictions."""
        wanted = of_kind(refs, "bundle", "deployment", "predictions")
        return {one: self._node(one) for one in wanted}

    def _node(self, one: Ref) -> Node:
        project, model, number = one.numbered
        if one.kind == "bundle":
            at = self._packed(one.numbered)
            title = f"{model} {number}"
            if at is None:
                return Node(one, title, project, "not on this disk", None, "gone")
            return Node(one, title, project, "packed and signed", at)
        if one.kind == "predictions":
            return self._predictions(one)
        title = f"{model} {number}"
        try:
            service = self.service(project, model, number)
        except MlopsError as error:
            return Node(one, title, project, error.message, None, "unknown")
        if service is None:
            return Node(one, title, project, "was never in service", None, "gone")
        return Node(one, title, project, service.word, service.since, live=service.live)

    def _predictions(self, one: Ref) -> Node:
        project, model, number = one.numbered
        title = f"{model} {number}"
        try:
            used = self._used(project, model, number)
        except MlopsError as error:
            return Node(one, title, project, error.message, None, "unknown")
        if used is None:
            held = self._held(one)
            if held:  # the thread goes on: only the log forgot them
                return Node(one, title, project, f"{held:,} rows are kept, in data", None)
            return Node(one, title, project, "none are kept", None, "gone")
        days = f"{_day(used.first)} to {_day(used.last)}"
        said = days if used.requests is None else f"{used.requests:,} requests, {days}"
        return Node(one, title, project, said, used.first)


def standing(endpoint: Endpoint | None, number: int) -> str:
    """Return how a version stands in an endpoint now; empty: not at all."""
    if endpoint is None:
        return ""
    if endpoint.live is not None and endpoint.live.version == number:
        return "live"
    rollout = endpoint.rollout
    if rollout is None or rollout.target.version != number:
        return ""
    return rollout.strategy if rollout.strategy in {"canary", "shadow"} else "on its way"


def without_bundle(one: Ref, word: str = "live") -> Broken:
    """Return what is said of a version that answers and whose bundle is not on the disk."""
    project, model, number = one.numbered
    beside = "" if word == "live" else f" as {word}"
    return Broken(
        one, numbered("bundle", project, model, number).id, project,
        f"Version {number} of {project}.{model} is in service{beside}, and its bundle is not on "
        "this disk.",
        f"Deploy it again, which packs it: `mlops deploy {project}/{model}:{number}`.",
    )  # fmt: skip


def used_by_days(home: Home, exact: Use) -> Use:
    """Return what tells what a version answered: from names of folders, which costs no query.

    Predictions whose columns are not kept, or that are not yet in Parquet, have no such folder:
    ``exact`` is asked then, and only where there is a log at all.
    """
    folder = Folder(home)

    def told(project: str, model: str, number: int) -> Used | None:
        days = [one.day for one in folder.features(project, model, number)]
        if days:
            first, last = (_at(day) for day in (min(days), max(days)))
            return Used(first, last, None)
        if not folder.rows(project, model) and not folder.segments():
            return None
        return exact(project, model, number)

    return told


def used_exactly(home: Home) -> Use:
    """Return what tells it from the log itself."""

    def told(project: str, model: str, number: int) -> Used | None:
        from services.predictions import reading

        seen = reading.by_version(home, project, model)
        one = next((each for each in seen if each.version == number), None)
        return None if one is None else Used(one.first_at, one.last_at, one.requests)

    return told


def _at(day: str) -> float:
    return datetime.combine(date.fromisoformat(day), time(), UTC).timestamp()


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
