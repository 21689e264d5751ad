"""What came of a thing and is in use: complete, whatever the number of runs between.

A walk shows a bounded part. This asks the mirror for all versions at once, and the journal for
what answers requests.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Row, Select, func, select

from services.actions.journal import Journal
from services.errors import InputError
from services.lineage import tags
from services.lineage.models import NUMBERED, Ref, numbered
from services.lineage.source import Projects, from_ms
from services.lineage.sources.serving import standing
from services.mirror import schema
from services.mirror.queries import Mirror
from services.serving import store

_RUNS, _TAGS, _VERSIONS, _MODELS = schema.runs, schema.tags, schema.versions, schema.models
How = Literal["itself", "from it", "beside it"]
"""``beside it``: made by a workflow run of which another run read it, as in federated training."""


@dataclass(frozen=True, slots=True)
class Affected:
    """A version that came of the thing."""

    ref: Ref
    project: str
    model: str
    version: int
    how: How
    aliases: tuple[str, ...]
    run_id: str | None
    at: float | None
    serving: str = ""
    """live, canary, shadow or on its way; empty: it is not in service."""

    @property
    def live(self) -> bool:
        """Return whether requests reach it now."""
        return self.serving in {"live", "canary", "shadow"}


@dataclass(frozen=True, slots=True)
class Radius:
    """All that came of a thing."""

    ref: Ref
    runs: int
    """Training runs, of the projects that the asker sees."""
    versions: tuple[Affected, ...]
    """Those in service first, then the newest."""
    hidden: int
    """Versions of projects that the asker does not see."""
    hidden_live: int
    """Of them those in service."""

    @property
    def live(self) -> tuple[Affected, ...]:
        """Return those that requests reach now."""
        return tuple(one for one in self.versions if one.live)

    def as_json(self) -> dict[str, Any]:
        """Return it in the documented shape."""
        return {
            "id": self.ref.id,
            "runs": self.runs,
            "versions": [
                {
                    "id": one.ref.id, "project": one.project, "model": one.model,
                    "version": one.version, "how": one.how, "aliases": list(one.aliases),
                    "run_id": one.run_id, "at": one.at, "serving": one.serving or None,
                    "live": one.live,
                }
                for one in self.versions
            ],
            "live": [one.ref.id for one in self.live],
            "hidden": self.hidden,
            "hidden_live": self.hidden_live,
        }  # fmt: skip


@dataclass(slots=True)
class _Found:
    runs: int = 0
    rows: dict[tuple[str, str, int], tuple[Row[Any], How]] = field(default_factory=dict)

    def add(self, rows: Iterable[Row[Any]], how: How) -> None:
        for row in rows:
            self.rows.setdefault((row.project, row.name, row.version), (row, how))


def radius(mirror: Mirror, journal: Journal, ref: Ref, projects: Projects = None) -> Radius:
    """Return what came of a thing.

    Raises:
        InputError: Nothing comes of such a thing: it is a verdict, an alert or a retraining.
        PlatformError: The mirror or the journal cannot be read.
    """
    found = _found(mirror, ref, projects)
    serving = {(e.project, e.model): e for e in store.endpoints(journal)}
    aliases = _aliases(mirror, found.rows)
    made = [
        Affected(
            numbered("version", *where), *where, how, aliases.get(where, ()), row.run_id,
            from_ms(row.created_ms), standing(serving.get(where[:2]), where[2]),
        )
        for where, (row, how) in found.rows.items()
    ]  # fmt: skip
    seen = [one for one in made if projects is None or one.project in projects]
    unseen = [one for one in made if projects is not None and one.project not in projects]
    seen.sort(key=lambda one: (not one.live, not one.serving, -(one.at or 0.0), one.ref))
    return Radius(ref, found.runs, tuple(seen), len(unseen), sum(one.live for one in unseen))


def _found(mirror: Mirror, ref: Ref, projects: Projects) -> _Found:
    found = _Found()
    if ref.kind == "data":
        _of_tag(mirror, tags.DATA, ref.key, projects, found)
        _of_version_tags(mirror, ref.key, found)
        _beside(mirror, ref.key, found)
    elif ref.kind == "models":
        _of_tag(mirror, tags.MODELS, ref.key, projects, found)
    elif ref.kind == "workflow":
        _of_tag(mirror, tags.TASK, f"{ref.key}/", projects, found)
    elif ref.kind == "run":
        found.runs = len(tags.runs(mirror, [ref.key]))
        found.add(mirror.rows(select(_VERSIONS).where(_VERSIONS.c.run_id == ref.key)), "from it")
    elif ref.kind in NUMBERED:
        project, model, number = ref.numbered
        here = (_VERSIONS.c.project == project, _VERSIONS.c.name == model,
                _VERSIONS.c.version == number)  # fmt: skip
        found.add(mirror.rows(select(_VERSIONS).where(*here)), "itself")
    else:
        raise InputError(
            f"Nothing is made of {ref.id[:80]}.", "Ask of data, a workflow run, a run or a version."
        )
    return found


def _of_tag(mirror: Mirror, name: str, value: str, projects: Projects, found: _Found) -> None:
    """Add the versions of all runs whose tag has a value."""
    number = tags.key_ids(mirror, (name,)).get(name)
    if number is None:
        return
    here = _carry(number, value)
    counted = select(func.count()).select_from(_TAGS.join(_RUNS, _RUNS.c.rid == _TAGS.c.rid))
    if projects is not None:
        counted = counted.where(_RUNS.c.project.in_(projects))
    found.runs = int(mirror.rows(counted.where(*here))[0][0])
    query = _versions_with_tags().where(*here)
    found.add(mirror.rows(query), "from it")


def _versions_with_tags() -> Select[Any]:
    joined = _VERSIONS.join(_RUNS, _RUNS.c.run_id == _VERSIONS.c.run_id)
    return select(_VERSIONS).select_from(joined.join(_TAGS, _TAGS.c.rid == _RUNS.c.rid))


def _carry(number: int, value: str) -> tuple[Any, ...]:
    return (_TAGS.c.key_id == number, tags.same(value))


def _of_version_tags(mirror: Mirror, revision: str, found: _Found) -> None:
    """Add the versions that name the data themselves, for their run is gone or never was."""
    here = _VERSIONS.outerjoin(_RUNS, _RUNS.c.run_id == _VERSIONS.c.run_id)
    query = select(_VERSIONS).select_from(here).where(_RUNS.c.rid.is_(None))
    rows = mirror.rows(query)
    found.add((row for row in rows if json.loads(row.tags).get(tags.DATA) == revision), "from it")


def _beside(mirror: Mirror, revision: str, found: _Found) -> None:
    """Add what workflow runs made of which one run read the data, and another was registered."""
    numbers = tags.key_ids(mirror, (tags.DATA, tags.TASK))
    if len(numbers) < 2:
        return
    read = _TAGS.alias()
    joined = _TAGS.join(read, read.c.rid == _TAGS.c.rid)
    places = {
        _place(row.value)
        for row in mirror.rows(
            select(_TAGS.c.value)
            .select_from(joined)
            .where(_TAGS.c.key_id == numbers[tags.TASK], read.c.key_id == numbers[tags.DATA],
                   read.c.value == revision)
            .distinct()
        )
    }  # fmt: skip
    if not places:
        return
    # Two steps, for in one SQLite would read all versions again for every run.
    rows = mirror.rows(select(_VERSIONS).where(_VERSIONS.c.run_id.is_not(None)))
    runs = list(dict.fromkeys(row.run_id for row in rows))
    made = tags.of_runs(mirror, runs, (tags.TASK,))
    beside = {run for run, said in made.items() if _place(said[tags.TASK]) in places}
    found.add((row for row in rows if row.run_id in beside), "beside it")


def _place(task: str) -> tuple[str, ...]:
    return tuple(task.split("/")[:2])


def _aliases(
    mirror: Mirror, wanted: Mapping[tuple[str, str, int], object]
) -> dict[tuple[str, str, int], tuple[str, ...]]:
    if not wanted:
        return {}
    names = sorted({where[1] for where in wanted})
    found: dict[tuple[str, str, int], list[str]] = {}
    for row in tags.rows_of(mirror, select(_MODELS), _MODELS.c.name, names):
        for alias, number in json.loads(row.aliases).items():
            found.setdefault((row.project, row.name, int(number)), []).append(alias)
    return {where: tuple(sorted(names)) for where, names in found.items()}


def said(one: Radius) -> str:
    """Return what a person is told of it first."""
    live, on_way = one.live, [v for v in one.versions if v.serving == "on its way"]
    if live:
        names = ", ".join(f"{v.project}.{v.model} {v.version}" for v in live[:5])
        rest = f" and {len(live) - 5:,} more" if len(live) > 5 else ""
        verb = "answers" if len(live) == 1 else "answer"
        told = f"{names}{rest} {verb} requests now and came from it."
    elif one.versions:
        told = f"{_versions(len(one.versions))} came from it; none answers requests now."
    else:
        told = "No registered version came from it."
    if on_way:
        verb = "is" if len(on_way) == 1 else "are"
        told += f" {_versions(len(on_way))} of them {verb} on the way into service."
    if one.hidden:
        told += f" {_versions(one.hidden)} more of projects that you do not see"
        told += f", {one.hidden_live} of them in service." if one.hidden_live else "."
    return told


def _versions(count: int) -> str:
    return "1 version" if count == 1 else f"{count:,} versions"
